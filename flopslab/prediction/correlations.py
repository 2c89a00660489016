"""How alike the pictures of a sequence are: covariances carried through the linear model."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from flopslab.core.compositing import grid_layout


@dataclass(frozen=True)
class Field:
    """The frames of one pass, as a linear map of what the words alone give.

    `likeness` [frames, frames]: the correlation of two draws w from the words of two frames; on its
    diagonal that of two draws from the same words, below 1. `fixed`: the draw is the same in every
    pass. Draws of different passes are otherwise independent, given the words.
    """

    likeness: np.ndarray
    fixed: bool = False
    covariance: np.ndarray = field(default_factory=lambda: np.empty(0))
    total: np.ndarray = field(default_factory=lambda: np.empty(0))  # f's expectation is total w's

    def __post_init__(self) -> None:
        if not self.covariance.size:
            object.__setattr__(self, "covariance", self.draw)
            object.__setattr__(self, "total", np.eye(len(self.likeness)))

    @cached_property
    def draw(self) -> np.ndarray:
        """[frames, frames]: the covariance of one draw."""
        covariance = self.likeness.copy()
        np.fill_diagonal(covariance, 1.0)
        return covariance

    def mix(self, fresh: float, earlier: np.ndarray) -> "Field":
        """The frames fresh * w + earlier @ f, w a new draw.

        cov = fresh^2 cov(w) + B cov(f) B' + fresh (cov(w, f) B' + its transpose).
        """
        between = (self.draw if self.fixed else self.likeness) @ self.total.T @ earlier.T
        covariance = fresh**2 * self.draw + earlier @ self.covariance @ earlier.T
        covariance = covariance + fresh * (between + between.T)
        total = fresh * np.eye(len(covariance)) + earlier @ self.total
        return replace(self, covariance=covariance, total=total)

    def tile(self, fresh: float, kept: float, tiles: Sequence[Sequence[int]]) -> "Field":
        """The frames that start from their neighbours side by side, `tiles` of each frame.

        Two montages of one layout are as alike as what stands in the same tiles, on the mean.
        A montage is taken to have nothing in common with the picture that the words give, nor with
        a montage of another layout.
        """
        covariance = fresh**2 * self.draw + kept**2 * _montages(self.covariance, tiles)
        return replace(self, covariance=covariance, total=fresh * np.eye(len(covariance)))


def lag(covariance: np.ndarray, distance: int) -> float:
    """The mean correlation of frames that are so many places apart; nan if none are."""
    deviation = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    places = slice(distance, None), slice(None, len(deviation) - distance)
    values = np.diag(covariance, distance) / (deviation[places[0]] * deviation[places[1]])
    return float(values.mean()) if values.size else float("nan")


def centred(covariance: np.ndarray) -> np.ndarray:
    """The covariance of the frames' deviations from their mean picture: H C H, H = I - 11' / n.

    What all frames share, such as a layout, is no coherence and drops out.
    """
    rows = covariance - covariance.mean(axis=0)
    return rows - rows.mean(axis=1, keepdims=True)


def variance_gain(neighbours: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """[frames]: by how much `core.compositing.mean_latents` enlarges a mean with these weights.

    To the neighbours' mean standard deviation, and at most by 1 / sqrt(sum of squared weights).
    """
    spread = neighbours @ np.sqrt(np.diag(covariance))
    variance = np.einsum("ij,jk,ik->i", neighbours, covariance, neighbours, optimize=True)
    most = 1 / np.sqrt(np.square(neighbours).sum(axis=1))
    return np.minimum(spread / np.sqrt(np.maximum(variance, 1e-12)), most)


def _montages(covariance: np.ndarray, tiles: Sequence[Sequence[int]]) -> np.ndarray:
    """[frames, frames]: the covariance of montages, the mean over their tiles."""
    layouts = np.array([grid_layout(len(sources)) for sources in tiles])
    alike = (layouts[:, None] == layouts).all(axis=2)
    total, count = np.zeros_like(covariance), np.zeros_like(covariance)
    for place in range(max(map(len, tiles))):
        rows = np.array([i for i, sources in enumerate(tiles) if place < len(sources)])
        sources = np.array([tiles[row][place] for row in rows])
        total[np.ix_(rows, rows)] += covariance[np.ix_(sources, sources)]
        count[np.ix_(rows, rows)] += 1
    return alike * total / np.maximum(count, 1)
