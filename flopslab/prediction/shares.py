"""The weights by which words and neighbours enter a frame, as matrices with rows of sum 1."""

import numpy as np
from scipy.spatial.distance import cdist

from flopslab.core.plan import inputs_of
from flopslab.core.prompts import emphasis
from flopslab.core.windows import FrameKey, Windowing
from flopslab.words.sequence import Word

Words = tuple[Word, ...] | list[Word]


def prompt_shares(windowing: Windowing, words: Words) -> np.ndarray:
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


def neighbour_rows(windowing: Windowing) -> list[list[int]]:
    """Of each frame: the rows of the frames that it looks at, in order."""
    frames = windowing.positions
    keys = (FrameKey(2, position) for position in frames)
    return [[frames.index(entry.source) for entry in inputs_of(windowing, key)] for key in keys]


def common_shares(prompts: np.ndarray, words: Words) -> np.ndarray:
    """[frames, frames]: the share of the words that two frames' prompts have in common, 0 to 1.

    A word counts as common wherever it stands. `prompts`: W.
    """
    texts = {text: column for column, text in enumerate(dict.fromkeys(w.text for w in words))}
    by_text = np.zeros((len(prompts), len(texts)))
    np.add.at(by_text.T, [texts[word.text] for word in words], prompts.T)
    total = by_text.sum(axis=1)
    overlap = (total[:, None] + total - cdist(by_text, by_text, "cityblock")) / 2  # sum of minima
    return np.clip(overlap, 0, 1)


def mean_square_distance(shares: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> float:
    """var(W), var(N): the mean square of the distance, in positions, over a frame's shares.

    `columns`, `rows`: the positions that they stand for. Frames in the middle half alone: at the
    edges windows are cut or moved.
    """
    quarter = len(rows) // 4
    middle = slice(quarter, max(len(rows) - quarter, quarter + 1))
    distances = columns - rows[middle, None]
    return float((shares[middle] * np.square(distances)).sum(axis=1).mean())
