"""What an experiment found, in numbers and in sentences that are computed from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flopslab.analysis.metrics import bootstrap
from flopslab.experiments.influence import (
    Influence,
    agreement,
    by_distance,
    front,
    half_life,
    mean_known,
    share_outside,
    within,
)

Point = tuple[float, float, float]  # mean, and its bootstrap interval
ENOUGH = 5  # changes for an interval to say something


@dataclass(frozen=True)
class PassFinding:
    """What was measured in one pass, and what was predicted."""

    number: int
    fronts: tuple[int, ...]  # for each change
    predicted_fronts: tuple[int, ...]
    share: Point  # of influence, from words outside a frame's window
    predicted_share: float
    half_life: float  # positions, beyond the window
    predicted_half_life: float
    agreement: float  # Pearson's r of measured influence and predicted

    def __str__(self) -> str:
        predicted, measured = map(_range, (self.predicted_fronts, self.fronts))
        said = f"pass {self.number}: front {predicted} predicted, {measured} measured; "
        if self.predicted_share:
            share = "{:.3f} ({:.3f} to {:.3f})".format(*self.share)
            said += f"share from outside {self.predicted_share:.3f}, {share}; "
            said += f"half-life {self.predicted_half_life:.2f}, {self.half_life:.2f}; "
        return said + f"r = {self.agreement:.2f}"


def by_pass(
    measured: Influence, predicted: Influence, radius: int, random: np.random.Generator
) -> list[PassFinding]:
    """The findings of each pass. `radius`: of the word window."""
    values, model = by_distance(measured), by_distance(predicted)
    fronts, expected = front(measured), front(predicted)
    return [
        PassFinding(
            number=k + 1,
            fronts=tuple(fronts[:, k].tolist()),
            predicted_fronts=tuple(expected[:, k].tolist()),
            share=_share(values[:, k], radius, random),
            predicted_share=share_outside(model[:, k], radius),
            half_life=half_life(mean_known(values[:, k]), radius + 1),
            predicted_half_life=half_life(mean_known(model[:, k]), radius + 1),
            agreement=float(fit),
        )
        for k, fit in enumerate(agreement(measured, predicted))
    ]


def near_and_far(
    found: Influence, predicted: Influence, random: np.random.Generator
) -> tuple[Point, Point]:
    """The last pass's influence near, where pictures in place bring a word, and far, out of reach.

    Frames whose own words are changed are neither. `predicted` for the same changes; nan where
    there are no frames.
    """
    said, reached = predicted.values[:, 0] > 0, predicted.values[:, -1] > 0
    return _mean(within(found, reached & ~said), random), _mean(within(found, ~reached), random)


def sentences(found: Sequence[PassFinding], near: Mapping[str, Point], count: int = 0) -> list[str]:
    """The wave in words; `near` as from `near_and_far`, by control, `none` among them.

    `count`: of the changes under a control; fewer than `ENOUGH` tell nothing apart.
    """
    last = found[-1]
    fronts = [zip(each.fronts, each.predicted_fronts, strict=True) for each in found]
    cases = [one == other for pairs in fronts for one, other in pairs]
    others = {name: point for name, point in near.items() if name != "none"}
    told = [f"The front stood where it was predicted in {sum(cases)} of {len(cases)} cases."]
    if np.isnan(near["none"][0]):
        return [*told, "No frame is so placed that pictures alone could bring it a word."]
    told.append(
        f"In pass {last.number}, {_percent(last.share)} of a frame's influence came from words "
        f"outside its window; the weights predict {last.predicted_share:.0%} (r = "
        f"{last.agreement:.2f} over all frames)."
    )
    if np.isfinite(last.half_life):
        told.append(
            f"Beyond the window influence halved every {last.half_life:.1f} positions; the "
            f"weights predict {last.predicted_half_life:.1f}."
        )
    return told + [_compared(name, near["none"], point, count) for name, point in others.items()]


def carried(arrived: Influence, share: Influence, random: np.random.Generator) -> Point:
    """How much a word shows for the share of it that pictures bring, in the last pass.

    The slope of arrival (`waves.arrival`) on the predicted share, by least squares over all frames
    whose own words are not changed. What disturbs frames but is not the word, or is not where the
    share is, has the slope 0. Fewer than `ENOUGH` changes leave it open what the slope is.
    """
    pairs = np.stack([share.values[:, -1], arrived.values[:, -1]], axis=1)
    outside = np.where(share.values[:, :1] == 0, pairs, np.nan)
    enough = len(outside) >= ENOUGH
    return _slope(outside), *(bootstrap(outside, random, _slope) if enough else (-np.inf, np.inf))


def said(arrived: Influence, share: Influence) -> float:
    """How much a word shows for its share of the prompt, in the first pass."""
    return float(arrived.values[:, 0].sum() / share.values[:, 0].sum())


def arrivals(by_words: float, points: Mapping[str, Point]) -> list[str]:
    """Whether the word itself arrives, in words: `points` as from `carried`, by what was shown."""
    first = f"For its share of the prompt a new word shows by {by_words:+.2f}; outside the window"
    return [f"{first}, for the share that pictures bring:"] + [
        f"- {name}: {slope:+.2f} ({low:+.2f} to {high:+.2f}), "
        f"{'the word arrives' if low > 0 else 'not told from 0'}."
        for name, (slope, low, high) in points.items()
    ]


def _compared(name: str, real: Point, control: Point, count: int) -> str:
    name = name.replace("_", " ")
    if np.isnan(control[0]):
        return f"Under {name}, no frame is so placed."
    if control[0] == 0:
        return f"Under {name}, not one bit changed outside the window within the front."
    if real[0] == 0:
        return f"Under {name}, influence there was {control[0]:.2g}; the real had none."
    told = f"Under {name}, influence there was {control[0] / real[0]:.2f} times the real"
    if count < ENOUGH:
        return f"{told}; with {count} of the changes that tells nothing."
    apart = control[1] > real[2] or control[2] < real[1]
    return f"{told}; the intervals are {'apart' if apart else 'not apart'}."


def _range(values: Sequence[int]) -> str:
    """`2`, or `1 to 2`."""
    return " to ".join(map(str, sorted({min(values), max(values)})))


def _percent(point: Point) -> str:
    return "{:.0%} ({:.0%} to {:.0%})".format(*point)


def _share(values: np.ndarray, radius: int, random: np.random.Generator) -> Point:
    def share(rows: np.ndarray) -> float:
        return share_outside(rows, radius)

    return share(values), *bootstrap(values, random, share)


def _mean(values: np.ndarray, random: np.random.Generator) -> Point:
    if not values.size:
        return (np.nan,) * 3
    return float(values.mean()), *bootstrap(values, random)


def _slope(pairs: np.ndarray) -> float:
    """Of the second on the first, [n, 2, frames]; nan frames do not count, 0 if all are alike."""
    x, y = np.moveaxis(pairs, 1, 0)
    x, y = x[~np.isnan(x)], y[~np.isnan(y)]
    spread = x.var() if x.size else 0
    return float(((x - x.mean()) * (y - y.mean())).mean() / spread) if spread else 0.0
