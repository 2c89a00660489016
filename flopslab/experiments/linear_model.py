"""What the weights predict: the influence of a word, if frames were mixtures of their inputs.

A linear model. W [frames, words] holds each word's share of a frame's prompt, N [frames, frames]
each neighbour's share of what a refinement is shown; both have rows of sum 1. A refinement that
runs the share d of the steps (`denoising_strength`) takes so much from the words and keeps the
rest of the pictures that it starts from:

    I(1) = W,    I(k) = d W + (1 - d) N I(k - 1)

so that I(k) is a sum of products of the weight matrices, N^j W. Where pictures are looked at
beside the words, with `image_weight` w, and a frame starts from its own predecessor:

    I(k) = d ((1 - w) W + w N I(k - 1)) + (1 - d) I(k - 1)

Corrections of colour and detail have no part in it.
"""

from collections.abc import Sequence

import numpy as np

from flopslab.core.compositing import METHODS
from flopslab.core.plan import neighbour_weights
from flopslab.core.prompts import emphasis
from flopslab.core.study import Study
from flopslab.core.windows import image_reach, positions, word_window
from flopslab.experiments.changes import shown
from flopslab.experiments.influence import Influence
from flopslab.words.sequence import Word


def reach(study: Study, number: int) -> int:
    """r + (k - 1) R: how far a word can reach in pass k, in positions."""
    images = image_reach(study.context_diameter, study.image_context_multiplier)
    return study.context_diameter // 2 + (number - 1) * images


def predict(study: Study, words: Sequence[Word], centres: Sequence[int]) -> Influence:
    """The influence that the model gives changes at these positions: the shares of their words."""
    frames = positions(len(words), study.frame_interval, study.limit)
    centres = np.asarray(centres)
    values = shares(study, words)[:, :, centres - 1].transpose(2, 0, 1)
    return Influence(centres, np.array(frames), values, values > 0)


def shares(study: Study, words: Sequence[Word]) -> np.ndarray:
    """I [passes, frames, words]: the share of each word in each frame."""
    frames = positions(len(words), study.frame_interval, study.limit)
    said, seen = word_shares(study, words, frames), neighbour_shares(study, frames)
    found = [said]
    for number in range(2, study.passes + 1):
        found.append(_mixed(study, number, said, seen, found[-1]))
    return np.stack(found)


def word_shares(study: Study, words: Sequence[Word], frames: range) -> np.ndarray:
    """W [frames, words]: each word's share of the weight in each frame's prompt."""
    weights = np.array([emphasis(w.size) if study.prompt_style == "weighted" else 1 for w in words])
    weights = weights * [not word.silent for word in words]
    shares = np.zeros((len(frames), len(words)))
    for row, position in enumerate(frames):
        window = word_window(position, len(words), study.context_diameter, study.boundary)
        columns = np.array(window) - 1
        shares[row, columns] = weights[columns]
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)


def neighbour_shares(study: Study, frames: range) -> np.ndarray:
    """N [frames, frames]: each frame's share of what a refinement starts from."""
    shares = np.zeros((len(frames), len(frames)))
    for row, position in enumerate(frames):
        places, whose = shown(study, position, frames)
        weights = neighbour_weights(study, [place - position for place in places])
        np.add.at(shares[row], [frames.index(p) for p in whose], weights)
    return shares


def _mixed(
    study: Study, number: int, said: np.ndarray, seen: np.ndarray, before: np.ndarray
) -> np.ndarray:
    """I(k) from W, N and I(k - 1)."""
    if study.control == "no_images":
        return said
    fresh, said = study.strength(number), said * (study.control != "no_text")
    if METHODS[study.method].weighs_images:
        looked = (1 - study.image_weight) * said + study.image_weight * seen @ before
        return fresh * looked + (1 - fresh) * before
    return fresh * said + (1 - fresh) * seen @ before
