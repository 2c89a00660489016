"""Means over sequences and seeds, with intervals that say how far they would carry.

Frames of one run are no sample of what other words and seeds would give; sequences and seeds are.
Both are resampled, each by itself: the pigeonhole bootstrap of crossed factors (Owen, "The
pigeonhole bootstrap", 2007). Percentiles of a handful of units are too narrow, so that the level is
raised to what Student's t asks for (the expanded percentile interval: Hesterberg, "What teachers
should know about the bootstrap", 2015).
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from flopslab.analysis.evaluation import Row
from flopslab.experiments.comparison.measures import MEASURES
from flopslab.experiments.sweep import UNITS

LEVEL = 0.95
RESAMPLES = 2000
OWN = {*MEASURES, *UNITS, "key", "frames"}  # columns that do not tell one mean from another


def summarise(rows: Sequence[Row], random: np.random.Generator) -> list[Row]:
    """The mean of each measure over sequences and seeds, of each pass of each combination.

    `units`: of how many runs. `<measure>_low` and `_high` are the ends of a 95 % interval, where
    every sequence has been run with every seed, and there are two of either.
    """
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        name = tuple((column, str(value)) for column, value in row.items() if column not in OWN)
        groups.setdefault(name, []).append(row)
    return [_mean(group, random) for group in groups.values()]


def interval(values: np.ndarray, random: np.random.Generator) -> tuple[float, float]:
    """The 95 % interval of the mean of values [sequences, seeds].

    (nan, nan) for a single value, and where a value is nan.
    """
    sizes = [size for size in values.shape if size > 1]
    if not sizes or np.isnan(values).any():
        return float("nan"), float("nan")
    table = values.reshape(sizes)

    def mean(*places: np.ndarray, axis: int = -1) -> np.ndarray:
        sample = table[places[0]] if len(places) == 1 else table[_cross(*places)]
        return np.mean(sample, axis=tuple(range(-len(places), 0)))

    result = stats.bootstrap(
        [np.arange(size) for size in sizes],
        mean,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=_expanded(min(sizes)),
        method="percentile",
        rng=random,
    ).confidence_interval
    return float(result.low), float(result.high)


def _cross(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places of every row with every column."""
    return rows[..., :, None], columns[..., None, :]


def _expanded(count: int) -> float:
    """The level at which percentiles of `count` units cover as Student's t does."""
    width = stats.t.ppf((1 + LEVEL) / 2, count - 1) * np.sqrt(count / (count - 1))
    return float(1 - 2 * stats.norm.sf(width))


def _mean(group: Sequence[Row], random: np.random.Generator) -> Row:
    first = group[0]
    mean: Row = {name: value for name, value in first.items() if name not in OWN}
    mean["units"] = len(group)
    places = [[*dict.fromkeys(str(row[unit]) for row in group)] for unit in UNITS]
    for name in MEASURES:
        values = np.full([len(names) for names in places], np.nan)
        for row in group:
            index = tuple(names.index(str(row[u])) for names, u in zip(places, UNITS, strict=True))
            values[index] = row[name]
        mean[name] = float("nan") if np.isnan(values).all() else float(np.nanmean(values))
        low, high = interval(values, random)
        if not np.isnan(low):
            mean |= {f"{name}_low": low, f"{name}_high": high}
    return mean
