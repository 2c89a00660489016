"""What the weights predict: the influence of a word, if frames were mixtures of their inputs.

A linear model. W [frames, words] holds each word's share of a frame's prompt, N [frames, frames]
each neighbour's share of what a refinement starts from; both have rows of sum 1. A refinement that
runs the share d of the steps (`denoising_strength`) takes so much from the words and keeps the
rest of the pictures:

    I(1) = W,    I(k) = d W + (1 - d) N I(k - 1)

so that I(k) is a sum of products of the weight matrices, N^j W.
"""

from collections.abc import Sequence

import numpy as np

from flopslab.changes import shown
from flopslab.compositing import triangle
from flopslab.params import Study
from flopslab.prompts import emphasis
from flopslab.sequence import Word
from flopslab.waves import Influence
from flopslab.windows import image_reach, positions, word_window


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
    for _ in range(1, study.passes):
        found.append(_mixed(study, said, seen, found[-1]))
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
        weights = _weights(study, [place - position for place in places])
        np.add.at(shares[row], [frames.index(p) for p in whose], weights)
    return shares


def _mixed(study: Study, said: np.ndarray, seen: np.ndarray, before: np.ndarray) -> np.ndarray:
    if study.control == "no_images":
        return said
    fresh = study.denoising_strength
    return (0 if study.control == "no_text" else fresh * said) + (1 - fresh) * seen @ before


def _weights(study: Study, offsets: Sequence[int]) -> np.ndarray:
    if study.method == "blend" and len(offsets):
        return triangle(offsets)
    return np.ones(len(offsets)) / max(len(offsets), 1)
