"""Whether it is the new word that arrives, and not merely a disturbance.

A change disturbs pictures, and a disturbed picture may look more like any word. So the gain of the
new word is held against those of placebo words, which nobody put in: as the distribution of a
statistic if any of them could as well have been the new one (an exact permutation test; Fisher,
"The design of experiments", 1935).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

from flopslab.analysis.embedder import Embedder
from flopslab.core.windows import FrameKey
from flopslab.experiments.influence import Influence
from flopslab.experiments.interventions import Insert, Intervention, Replace
from flopslab.runs.reader import finished_run

LEVEL = 0.05  # of a test, and outside an interval
MOST_ASSIGNMENTS = 100_000  # of placebo words to new words; of more, so many are drawn
ENOUGH = 5  # groups for an interval to mean anything
RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class Gains:
    """How much more each frame of the last pass shows each word after n changes than before.

    `values` [n, words, frames]; `words`: the candidates; `new` [n]: which of them was put in;
    `units` [n]: a number for each sequence and seed.
    """

    values: np.ndarray
    words: tuple[str, ...]
    new: np.ndarray
    units: np.ndarray

    @property
    def groups(self) -> np.ndarray:
        """[n]: changes of one unit and one new word have one number; the groups are the sample."""
        pairs = np.stack([self.units, self.new], axis=1)
        return np.unique(pairs, axis=0, return_inverse=True)[1].ravel()

    def select(self, rows: Sequence[int]) -> "Gains":
        """The gains of some of the changes."""
        index = np.asarray(rows)
        return Gains(self.values[index], self.words, self.new[index], self.units[index])


@dataclass(frozen=True)
class Transport:
    """How much a word shows for the share of it that pictures bring, with its 95 % interval.

    `p_value`: how often placebo words show as much; `placebos`: how many there are. The interval is
    unbounded with fewer than `ENOUGH` groups of changes.
    """

    slope: float
    low: float
    high: float
    p_value: float
    placebos: int

    @property
    def arrives(self) -> bool:
        """Whether placebo words show as much as the new ones too seldom for chance."""
        return self.p_value <= LEVEL

    def __str__(self) -> str:
        """`+0.32 (+0.09 to +0.54), p = 0.012 against 100 placebo words: the word arrives`."""
        interval = "" if np.isinf(self.low) else f" ({self.low:+.2f} to {self.high:+.2f})"
        verdict = "the word arrives" if self.arrives else "cannot be told from a disturbance"
        test = f"p = {self.p_value:.2g} against {self.placebos} placebo words"
        return f"{self.slope:+.2f}{interval}, {test}: {verdict}"


def measure_gains(
    interventions: Sequence[Intervention], placebos: Sequence[str], embedder: Embedder
) -> Gains:
    """The gain of the new words and of the placebo words, in the embedder's cosine.

    Beyond the mean gain of all candidates, since what all words gain tells nothing.
    """
    new = [_new_word(item) for item in interventions]
    words = tuple(dict.fromkeys([*new, *placebos]))
    vectors = embedder.texts(words)
    vectors = vectors - vectors.mean(axis=0)
    values = np.stack([vectors @ _movement(item, embedder).T for item in interventions])
    units = np.unique([_unit(item) for item in interventions], return_inverse=True)[1]
    return Gains(values, words, np.array([words.index(word) for word in new]), units)


def transport(gains: Gains, share: Influence, random: np.random.Generator) -> Transport:
    """The transport of words by pictures, in the last pass.

    The slope of the new word's gain on its predicted share, over the frames inside the cone whose
    own words are not changed. Each change has a constant of its own there, for its disturbance: a
    gain that is the same all over the cone has the slope 0.
    """
    moments = _moments(gains, share)
    null = _null(gains.new, *moments, random)
    total = moments[1].sum()
    slope = float(_own(moments[0], gains.new).sum() / total) if total else 0.0
    low, high = _interval(gains, [moments], random)
    p_value = float((null >= slope - 1e-12).mean()) if total else 1.0
    return Transport(slope, low, high, p_value, len(gains.words) - 1)


def transport_difference(
    real: tuple[Gains, Influence], control: tuple[Gains, Influence], random: np.random.Generator
) -> tuple[float, float, float]:
    """Real slope minus the control's, of the same changes, with its 95 % interval."""
    assert np.array_equal(real[0].new, control[0].new), "not the same changes"
    moments = [_moments(*real), _moments(*control)]
    sums = [
        total
        for products, squares in moments
        for total in (_own(products, real[0].new).sum(), squares.sum())
    ]
    return float(_difference(*sums)), *_interval(real[0], moments, random)


def _movement(intervention: Intervention, embedder: Embedder) -> np.ndarray:
    """[frames, d]: how far each frame of the last pass moved; 0 where no bit differs."""
    before, after = finished_run(intervention.base), finished_run(intervention.directory)
    keys = [FrameKey(before.passes[-1], position) for position in before.positions]
    changed = [k for k in keys if before.recipe(k).digest != after.recipe(k).digest]
    ends = [embedder.images([run.image(key) for key in changed]) for run in (before, after)]
    movement = np.zeros((len(keys), ends[0].shape[1]))
    movement[[keys.index(key) for key in changed]] = ends[1] - ends[0]
    return movement


def _moments(gains: Gains, share: Influence) -> tuple[np.ndarray, np.ndarray]:
    """(products of share and gain [n, words], squares of share [n]), about their means inside."""
    inside = (share.values[:, 0] == 0) & (share.values[:, -1] > 0)
    count = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    shares = np.where(inside, share.values[:, -1], 0)
    shares = np.where(inside, shares - shares.sum(axis=1, keepdims=True) / count, 0)
    return np.einsum("nf,nwf->nw", shares, gains.values), np.square(shares).sum(axis=1)


def _null(
    new: np.ndarray, products: np.ndarray, squares: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """The slopes if other candidates had been the new words; the first is the real one.

    All changes to one new word keep one word in common: what a model makes of a word is no chance
    of each change. All assignments are counted, or a sample if there are too many.
    """
    by_word = np.stack([products[new == word].sum(axis=0) for word in np.unique(new)])
    count, candidates = by_word.shape
    real = by_word[np.arange(count), np.unique(new)].sum()
    if candidates**count <= MOST_ASSIGNMENTS:
        sums = np.zeros(1)
        for row in by_word:
            sums = (sums[:, None] + row).ravel()
    else:
        draws = random.integers(candidates, size=(MOST_ASSIGNMENTS, count))
        sums = by_word[np.arange(count), draws].sum(axis=1)
        sums = np.concatenate([[real], sums])
    return sums / max(squares.sum(), 1e-300)


def _own(products: np.ndarray, new: np.ndarray) -> np.ndarray:
    """[n]: those of the word that was put in."""
    return products[np.arange(len(new)), new]


def _interval(
    gains: Gains, moments: Sequence[tuple[np.ndarray, np.ndarray]], random: np.random.Generator
) -> tuple[float, float]:
    """Of a slope, or of the difference of two, by resampling groups of changes."""
    groups = gains.groups
    if len(np.unique(groups)) < ENOUGH:
        return -np.inf, np.inf
    sample = [
        np.bincount(groups, weights=values)
        for products, squares in moments
        for values in (_own(products, gains.new), squares)
    ]

    def statistic(*sample: np.ndarray, axis: int = -1) -> np.ndarray:
        return _difference(*(values.sum(axis=axis) for values in sample))

    result = bootstrap(
        sample,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=1 - LEVEL,
        method="percentile",
        rng=random,
    ).confidence_interval
    return float(result.low), float(result.high)


def _difference(*sums: np.ndarray) -> np.ndarray:
    """The ratio of the first two, less that of the next two if there are any."""
    pairs = zip(sums[::2], sums[1::2], strict=True)
    ratios = [products / np.maximum(squares, 1e-300) for products, squares in pairs]
    return ratios[0] - ratios[1] if len(ratios) > 1 else ratios[0]


def _unit(intervention: Intervention) -> str:
    """The sequence and the seed of its base run. (The recipe of a frame does not name them.)"""
    parameters = finished_run(intervention.base).manifest["parameters"]
    return f"{parameters['seed']}/{parameters['sequence']}"


def _new_word(intervention: Intervention) -> str:
    assert isinstance(intervention.change, Replace | Insert), "only a new word can arrive"
    return intervention.change.word
