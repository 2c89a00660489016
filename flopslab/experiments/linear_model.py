"""The linear model: the influence of a word, if frames were mixtures of their inputs.

W [frames, words] holds each word's share of a frame's prompt, N [frames, frames] each neighbour's
share of what a refinement is shown; both have rows of sum 1. A refinement that runs the share d of
the steps (`denoising_strength`) takes so much from the words and keeps the rest of the pictures
that it starts from:

    I(1) = W,    I(k) = d W + (1 - d) N I(k - 1)

so that I(k) is a sum of products of the weight matrices, N^j W. Where pictures are looked at
beside the words, with `image_weight` w, and a frame starts from its own predecessor:

    I(k) = d ((1 - w) W + w N I(k - 1)) + (1 - d) I(k - 1)

Corrections of colour and detail are not part of it.
"""

from collections.abc import Sequence

import numpy as np

from flopslab.core.compositing import METHODS
from flopslab.core.plan import inputs_of
from flopslab.core.prompts import emphasis
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing
from flopslab.experiments.influence import Influence
from flopslab.words.sequence import Word


def predict_influence(study: Study, words: Sequence[Word], centres: Sequence[int]) -> Influence:
    """The influence that the model gives changes at these positions: the shares of their words."""
    columns = np.asarray(centres)
    values = word_influence(study, words)[:, :, columns - 1].transpose(2, 0, 1)
    frames = np.array(Windowing(study, len(words)).positions)
    return Influence(columns, frames, values, values > 0)


def word_influence(study: Study, words: Sequence[Word]) -> np.ndarray:
    """I [passes, frames, words]: the share of each word in each frame."""
    windowing = Windowing(study, len(words))
    prompts, neighbours = prompt_shares(windowing, words), neighbour_shares(windowing)
    shares = [prompts]
    for number in range(2, study.passes + 1):
        shares.append(_refine(study, number, prompts, neighbours, shares[-1]))
    return np.stack(shares)


def prompt_shares(windowing: Windowing, words: Sequence[Word]) -> np.ndarray:
    """W [frames, words]: each word's share of the weight in each frame's prompt."""
    weighted = windowing.study.prompt_style == "weighted"
    weights = np.array([emphasis(word.size) if weighted else 1 for word in words])
    weights = weights * [not word.silent for word in words]
    shares = np.zeros((len(windowing.positions), len(words)))
    for row, position in enumerate(windowing.positions):
        columns = np.array(windowing.words(position)) - 1
        shares[row, columns] = weights[columns]
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)


def neighbour_shares(windowing: Windowing) -> np.ndarray:
    """N [frames, frames]: each frame's share of what a refinement starts from."""
    frames = windowing.positions
    shares = np.zeros((len(frames), len(frames)))
    for row, position in enumerate(frames):
        for entry in inputs_of(windowing, FrameKey(2, position)):
            shares[row, frames.index(entry.source)] += entry.weight
    return shares


def _refine(
    study: Study, pass_number: int, prompts: np.ndarray, neighbours: np.ndarray, before: np.ndarray
) -> np.ndarray:
    """I(k) from W, N and I(k - 1)."""
    if study.control == "no_images":
        return prompts
    fresh = study.strength(pass_number)
    prompts = prompts * (study.control != "no_text")
    if METHODS[study.method].weighs_images:
        weight = study.image_weight
        conditions = (1 - weight) * prompts + weight * neighbours @ before
        return fresh * conditions + (1 - fresh) * before
    return fresh * prompts + (1 - fresh) * neighbours @ before
