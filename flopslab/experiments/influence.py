"""Influence: how far a word travels, how strongly, and how that falls with distance and pass.

Pure functions of finished runs. Influence is a distance between the same frame before and after a
change, with every seed the same; it is exactly 0 where no bit differs. Distances are in positions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from flopslab.analysis.embedder import Embedder
from flopslab.analysis.metrics import bootstrap, pixel_distance
from flopslab.core.windows import FrameKey
from flopslab.experiments.interventions import Insert, Intervention, Replace
from flopslab.runs.reader import finished_run
from flopslab.words.sequence import Word

Measure = Callable[[Image.Image, Image.Image], float]


@dataclass(frozen=True, eq=False)
class Influence:
    """What n changes did to every frame."""

    centres: np.ndarray  # [n]: the changed positions
    positions: np.ndarray  # [frames]
    values: np.ndarray  # [n, passes, frames]: the measure; 0 where no bit differs
    differs: np.ndarray  # [n, passes, frames], bool: whether a bit differs

    @property
    def distances(self) -> np.ndarray:
        """[n, frames]: from the changed position."""
        return np.abs(self.positions[None] - self.centres[:, None])


@dataclass(frozen=True, eq=False)
class DecayCurve:
    """Influence by distance, the mean over changes with its bootstrap interval.

    [passes, distances] each, from distance 0; nan where no frame is so far away.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def influence(
    interventions: Sequence[Intervention], measure: Measure = pixel_distance
) -> Influence:
    """The influence of the interventions: one or more, all with the same frames."""
    return concatenate([_influence_of(item, measure) for item in interventions])


def arrival(
    interventions: Sequence[Intervention], words: Sequence[Sequence[Word]], embedder: Embedder
) -> Influence:
    """How much more each frame shows the new word than before: whether that word arrives.

    The measure is the gain in the embedder's cosine with the new word beyond the mean gain with
    all words of the sequence; `words` are those of each intervention. It is not a distance and may
    be below 0. (A directional similarity as of Gal et al., "StyleGAN-NADA", 2021, not divided by
    length, so that no change gives 0.)

    The old word is left out on purpose. Neighbours of a word are akin to it, so that whatever
    disturbs their frames takes them away from it: that would look like the effect of a change.
    """
    texts = [tuple(word.text for word in sequence) for sequence in words]
    usual = {text: embedder.texts(text).mean(axis=0) for text in dict.fromkeys(texts)}
    new = embedder.texts([_new_word(item) for item in interventions])
    directions = [vector - usual[text] for vector, text in zip(new, texts, strict=True)]
    measures = [partial(_gain, embedder, direction) for direction in directions]
    pairs = zip(interventions, measures, strict=True)
    return concatenate([_influence_of(item, measure) for item, measure in pairs])


def concatenate(parts: Sequence[Influence]) -> Influence:
    """The changes of all parts, which are about the same frames, in order."""
    names = "centres", "values", "differs"
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return replace(parts[0], **arrays)


def placeless_influence(
    runs: Sequence[tuple[Path, Path]], centres: Sequence[int], measure: Measure = pixel_distance
) -> Influence:
    """Pairs of runs compared as if each had a change, at one of the `centres`, that has no place.

    All runs have the same frames.
    """
    differences = {pair: run_difference(*pair, measure) for pair in dict.fromkeys(runs)}
    values, differs = zip(*(differences[pair] for pair in runs), strict=True)
    positions = _positions(runs[0][0])
    return Influence(np.asarray(centres), positions, np.stack(values), np.stack(differs))


def run_difference(
    base: Path, changed: Path, measure: Measure = pixel_distance
) -> tuple[np.ndarray, np.ndarray]:
    """([passes, frames] of the measure, the same of whether a bit differs) between two runs."""
    before, after = finished_run(base), finished_run(changed)
    shape = len(before.passes), len(before.positions)
    values, differs = np.zeros(shape), np.zeros(shape, dtype=bool)
    for row in range(shape[0]):
        for column, position in enumerate(before.positions):
            key = FrameKey(row + 1, position)
            if before.recipe(key).digest != after.recipe(key).digest:
                values[row, column] = measure(before.image(key), after.image(key))
                differs[row, column] = True
    return values, differs


def by_distance(influence: Influence) -> np.ndarray:
    """[n, passes, distances]: the mean over the frames on both sides; nan where there is none."""
    farthest = influence.distances.max()
    result = np.full((*influence.values.shape[:2], farthest + 1), np.nan)
    pairs = zip(influence.values, influence.distances, strict=True)
    for row, (values, distances) in enumerate(pairs):
        for distance in np.unique(distances):
            result[row, :, distance] = values[:, distances == distance].mean(axis=1)
    return result


def decay_curve(
    influence: Influence,
    random: np.random.Generator,
    samples: int = 1000,
    groups: np.ndarray | None = None,
) -> DecayCurve:
    """The mean influence by distance; the interval shows how it varies from group to group.

    `groups` [n]: of the changes; default: each is its own.
    """
    values = group_means(by_distance(influence), groups)
    shape = values.shape[1:]
    mean, low, high = (np.full(shape, np.nan) for _ in range(3))
    for cell in np.ndindex(shape):
        column = values[:, *cell][~np.isnan(values[:, *cell])]
        if column.size:
            mean[cell] = column.mean()
            low[cell], high[cell] = bootstrap(column, random, samples=samples)
    return DecayCurve(mean, low, high)


def front(influence: Influence) -> np.ndarray:
    """[n, passes]: the largest distance at which any bit differs; -1 if none does."""
    return np.where(influence.differs, influence.distances[:, None], -1).max(axis=2)


def mean_within(influence: Influence, inside: np.ndarray) -> np.ndarray:
    """[n]: mean influence in the last pass over the frames `inside` [n, frames], bool.

    nan for a change that has no frame there.
    """
    return nan_mean(np.where(inside, influence.values[:, -1], np.nan).T)


def share_outside(values: np.ndarray, radius: int) -> float:
    """The share, 0 to 1, of a frame's influence that comes from words farther than its window.

    `values` [n, distances] of one pass, from `by_distance`. What a word does to the frames around
    it is, on the mean over words, what the words around a frame do to it.
    """
    both = nan_mean(values)
    both[1:] *= 2  # a distance has two sides
    return float(np.nansum(both[radius + 1 :]) / np.nansum(both))


def nan_mean(values: np.ndarray) -> np.ndarray:
    """The mean of rows [n, ...] over what is not nan; nan where nothing else is."""
    valid = ~np.isnan(values)
    count = valid.sum(axis=0)
    total = np.where(valid, values, 0).sum(axis=0)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def group_means(values: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """[groups, ...]: the means of rows [n, ...] over what is not nan, of each group [n] of rows.

    None: every row is a group.
    """
    if groups is None:
        return values
    return np.stack([nan_mean(values[groups == group]) for group in np.unique(groups)])


def half_life(values: np.ndarray, first: int = 0) -> float:
    """The distance, in positions, over which influence [distances] halves, from `first` on.

    That of an exponential decay v(d) = v(0) 2^(-d / h), as of a radioactive element (Rutherford,
    1900), fitted by least squares to log2 of what is above 0. inf if it does not fall, nan if
    fewer than two distances are above 0.
    """
    distances = np.flatnonzero(np.nan_to_num(values) > 0)
    distances = distances[distances >= first]
    if len(distances) < 2:
        return float("nan")
    slope = np.polyfit(distances, np.log2(values[distances]), 1)[0]
    return float(-1 / slope) if slope < -1e-9 else float("inf")


def agreement(measured: Influence, predicted: Influence) -> np.ndarray:
    """[passes]: Pearson's correlation of two influences of the same changes, where one is above 0.

    Over all changes and frames of a pass.
    """
    pairs = zip(
        np.moveaxis(measured.values, 1, 0), np.moveaxis(predicted.values, 1, 0), strict=True
    )
    inside = [(x[x + y > 0], y[x + y > 0]) for x, y in pairs]
    return np.array([_correlation(x, y) for x, y in inside])


def _influence_of(intervention: Intervention, measure: Measure) -> Influence:
    values, differs = run_difference(intervention.base, intervention.directory, measure)
    centres = np.array([intervention.change.position])
    return Influence(centres, _positions(intervention.base), values[None], differs[None])


def _new_word(intervention: Intervention) -> str:
    assert isinstance(intervention.change, Replace | Insert), "only a new word can arrive"
    return intervention.change.word


def _gain(
    embedder: Embedder, direction: np.ndarray, before: Image.Image, after: Image.Image
) -> float:
    """How far a picture moved in this direction, in the embedder's space."""
    start, end = embedder.images([before, after])
    return float((end - start) @ direction)


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's; nan if one of them does not vary."""
    vary = len(x) > 1 and np.ptp(x) and np.ptp(y)
    return float(np.corrcoef(x, y)[0, 1]) if vary else float("nan")


def _positions(directory: Path) -> np.ndarray:
    return np.array([frame["position"] for frame in finished_run(directory).manifest["frames"]])
