"""The wave: how far a word travels, how strongly, and how that falls with distance and pass.

Pure functions of finished runs. Influence is a distance between the same frame before and after a
change, with every seed the same; it is exactly 0 where no bit differs. Distances count positions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from flopslab.analysis.embedder import Embedder
from flopslab.analysis.metrics import bootstrap, pixel_distance
from flopslab.experiments.interventions import Intervention
from flopslab.runs.provenance import peek
from flopslab.runs.reader import open_run
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
class Wave:
    """Influence by distance, the mean over changes with its bootstrap interval.

    [passes, distances] each, from distance 0; nan where no frame is so far away.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def influence(found: Sequence[Intervention], measure: Measure = pixel_distance) -> Influence:
    """The influence of each of the interventions: one or more, all with the same frames."""
    return joined([_of(each, measure) for each in found])


def arrival(found: Sequence[Intervention], words: Sequence[Word], probe: Embedder) -> Influence:
    """How much more each frame shows the new word than before: what arrives is that word.

    Measured is the gain in the probe's cosine with the new word beyond the mean gain with all
    `words` of the sequence. It is not a distance and may be below 0. (A directional similarity as
    of Gal et al., "StyleGAN-NADA", 2021, not divided by length, so that no change gives 0.)

    The old word is left out on purpose. Neighbours of a word are akin to it, so that whatever
    disturbs their frames takes them away from it: that would look like the wave of a change.
    """
    usual = probe.texts([word.text for word in words]).mean(axis=0)
    news = probe.texts([each.change.word for each in found]) - usual
    gains = [partial(_gain, probe, towards) for towards in news]
    return joined([_of(each, gain) for each, gain in zip(found, gains, strict=True)])


def joined(parts: Sequence[Influence]) -> Influence:
    """The changes of all parts, which are about the same frames, in order."""
    names = "centres", "values", "differs"
    whole = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return replace(parts[0], **whole)


def _of(found: Intervention, measure: Measure) -> Influence:
    values, differs = difference(found.base, found.directory, measure)
    centres = np.array([found.change.position])
    return Influence(centres, _positions(found.base), values[None], differs[None])


def _gain(probe: Embedder, towards: np.ndarray, before: Image.Image, after: Image.Image) -> float:
    """How far a picture moved in this direction, in the probe's space."""
    then, now = probe.images([before, after])
    return float((now - then) @ towards)


def everywhere(
    base: Path, other: Path, centres: Sequence[int], measure: Measure = pixel_distance
) -> Influence:
    """Two runs compared as if each of the `centres` had been changed: what has no place at all."""
    values, differs = difference(base, other, measure)
    shape = (len(centres), *values.shape)
    alike = (np.broadcast_to(part, shape) for part in (values, differs))
    return Influence(np.asarray(centres), _positions(base), *alike)


def difference(
    base: Path, other: Path, measure: Measure = pixel_distance
) -> tuple[np.ndarray, np.ndarray]:
    """([passes, frames] of the measure, the same of whether a bit differs) between two runs."""
    before, after = open_run(base), open_run(other)
    shape = len(before.manifest["pass_directories"]), len(before.manifest["frames"])
    values, differs = np.zeros(shape), np.zeros(shape, dtype=bool)
    for number, row in enumerate(np.ndindex(shape[:1]), 1):
        for column, position in enumerate(_positions(base)):
            paths = before.path(number, position), after.path(number, position)
            if len({peek(path.read_bytes()).digest for path in paths}) > 1:
                images = (run.frame(number, position)[0] for run in (before, after))
                values[*row, column], differs[*row, column] = measure(*images), True
    return values, differs


def by_distance(found: Influence) -> np.ndarray:
    """[n, passes, distances]: the mean over the frames on both sides; nan where there is none."""
    farthest = found.distances.max()
    result = np.full((*found.values.shape[:2], farthest + 1), np.nan)
    for row, (values, distances) in enumerate(zip(found.values, found.distances, strict=True)):
        for distance in np.unique(distances):
            result[row, :, distance] = values[:, distances == distance].mean(axis=1)
    return result


def wave(found: Influence, random: np.random.Generator, samples: int = 1000) -> Wave:
    """The wave of many changes; the interval says how it varies from change to change."""
    values = by_distance(found)
    shape = values.shape[1:]
    mean, low, high = (np.full(shape, np.nan) for _ in range(3))
    for cell in np.ndindex(shape):
        known = values[:, *cell][~np.isnan(values[:, *cell])]
        if known.size:
            mean[cell] = known.mean()
            low[cell], high[cell] = bootstrap(known, random, samples=samples)
    return Wave(mean, low, high)


def front(found: Influence) -> np.ndarray:
    """[n, passes]: the largest distance at which any bit differs; -1 if none does."""
    return np.where(found.differs, found.distances[:, None], -1).max(axis=2)


def within(found: Influence, inside: np.ndarray) -> np.ndarray:
    """[n]: mean influence in the last pass over the frames `inside` [n, frames], bool.

    Only changes that have a frame there.
    """
    pairs = zip(found.values[:, -1], inside, strict=True)
    return np.array([values[there].mean() for values, there in pairs if there.any()])


def share_outside(values: np.ndarray, radius: int) -> float:
    """The share, 0 to 1, of a frame's influence that comes from words farther than its window.

    `values` [n, distances] of one pass, from `by_distance`. What a word does to the frames around
    it is, on the mean over words, what the words around a frame do to it.
    """
    both = mean_known(values)
    both[1:] *= 2  # a distance has two sides
    return float(np.nansum(both[radius + 1 :]) / np.nansum(both))


def mean_known(values: np.ndarray) -> np.ndarray:
    """The mean of rows [n, ...] over what is not nan; nan where nothing else is."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0).sum(axis=0)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


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


def trace(images: Sequence[Image.Image], words: Sequence[Word], probe: Embedder) -> np.ndarray:
    """[frames, words]: the probe's cosine of each frame and each word of the sequence."""
    return probe.images(images) @ probe.texts([word.text for word in words]).T


def specific(similarity: np.ndarray) -> np.ndarray:
    """Similarities [frames, words] without what a frame has with all words, or a word with all.

    Double centring: rows and columns have mean 0, so that pictures that are all alike give 0.
    """
    rows = similarity.mean(axis=1, keepdims=True)
    columns = similarity.mean(axis=0, keepdims=True)
    return similarity - rows - columns + similarity.mean()


def by_word_distance(similarity: np.ndarray, frames: Sequence[int]) -> np.ndarray:
    """[distances]: mean similarity [frames, words] of frames to words so many positions away."""
    away = np.abs(np.asarray(frames)[:, None] - np.arange(1, similarity.shape[1] + 1))
    return np.array([similarity[away == d].mean() for d in range(away.max() + 1)])


def agreement(measured: Influence, predicted: Influence) -> np.ndarray:
    """[passes]: Pearson's correlation of two influences of the same changes, where one is above 0.

    Over all changes and frames of a pass.
    """
    pairs = zip(
        np.moveaxis(measured.values, 1, 0), np.moveaxis(predicted.values, 1, 0), strict=True
    )
    inside = [(one[one + other > 0], other[one + other > 0]) for one, other in pairs]
    return np.array([_correlation(*pair) for pair in inside])


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's; nan if one of them does not vary."""
    vary = len(one) > 1 and np.ptp(one) and np.ptp(other)
    return float(np.corrcoef(one, other)[0, 1]) if vary else float("nan")


def _positions(directory: Path) -> np.ndarray:
    return np.array([frame["position"] for frame in open_run(directory).manifest["frames"]])
