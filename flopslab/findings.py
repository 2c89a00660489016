"""What an experiment found, in numbers and in sentences that are computed from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flopslab.metrics import bootstrap
from flopslab.waves import (
    Influence,
    agreement,
    between,
    by_distance,
    front,
    half_life,
    share_outside,
)

Point = tuple[float, float, float]  # mean, and its bootstrap interval


@dataclass(frozen=True)
class PassFinding:
    """What was measured in one pass, and what was predicted."""

    number: int
    fronts: tuple[int, ...]  # for each change
    predicted_front: int
    share: Point  # of influence, from words outside a frame's window
    predicted_share: float
    half_life: float  # positions, from the edge of the window on
    predicted_half_life: float
    agreement: float  # Pearson's r of measured influence and predicted

    def __str__(self) -> str:
        return (
            f"pass {self.number}: front {self.predicted_front} predicted, "
            f"{min(self.fronts)} to {max(self.fronts)} measured; "
            f"share from outside {self.predicted_share:.3f}, "
            "{:.3f} ({:.3f} to {:.3f}); ".format(*self.share)
            + f"half-life {self.predicted_half_life:.2f}, {self.half_life:.2f}; "
            f"r = {self.agreement:.2f}"
        )


def by_pass(
    measured: Influence,
    predicted: Influence,
    reaches: Sequence[int],
    radius: int,
    random: np.random.Generator,
) -> list[PassFinding]:
    """The findings of each pass. `reaches`: the predicted fronts; `radius`: of the word window."""
    values, model = by_distance(measured), by_distance(predicted)
    fronts, fits = front(measured), agreement(measured, predicted)
    return [
        PassFinding(
            number=k + 1,
            fronts=tuple(fronts[:, k].tolist()),
            predicted_front=reach,
            share=_share(values[:, k], radius, random),
            predicted_share=share_outside(model[:, k], radius),
            half_life=half_life(np.nanmean(values[:, k], axis=0), radius),
            predicted_half_life=half_life(np.nanmean(model[:, k], axis=0), radius),
            agreement=float(fits[k]),
        )
        for k, reach in enumerate(reaches)
    ]


def near_and_far(
    found: Influence, radius: int, reach: int, random: np.random.Generator
) -> tuple[Point, Point]:
    """The last pass's influence near (above `radius`, up to `reach`) and far (beyond).

    nan where there are no frames.
    """
    limits = (radius, reach), (reach, np.inf)
    near, far = (_mean(between(found, *pair), random) for pair in limits)
    return near, far


def sentences(found: Sequence[PassFinding], near: Mapping[str, Point]) -> list[str]:
    """The wave in words; `near` as from `near_and_far`, by control, `none` among them."""
    last = found[-1]
    cases = [front == each.predicted_front for each in found for front in each.fronts]
    others = {name: point for name, point in near.items() if name != "none"}
    return [
        f"The front stood where it was predicted in {sum(cases)} of {len(cases)} cases.",
        f"In pass {last.number}, {_percent(last.share)} of a frame's influence came from words "
        f"outside its window; the weights predict {last.predicted_share:.0%} (r = "
        f"{last.agreement:.2f} over all frames).",
        f"Beyond the window influence halved every {last.half_life:.1f} positions; the weights "
        f"predict {last.predicted_half_life:.1f}.",
        *[_compared(name, near["none"], point) for name, point in others.items()],
    ]


def carries(similarity: np.ndarray, radius: int, reach: int) -> float:
    """Mean specific similarity [distances] to words outside the window, up to the front, less that
    to words beyond it.

    Above 0: frames show words that reached them through pictures alone.
    """
    return float(similarity[radius + 1 : reach + 1].mean() - similarity[reach + 1 :].mean())


def _compared(name: str, real: Point, control: Point) -> str:
    name = name.replace("_", " ")
    if control[0] == 0:
        return f"Under {name}, not one bit changed outside the window within the front."
    more = "more" if control[1] > real[2] else "less" if control[2] < real[1] else None
    told = f"{more} than" if more else "not told apart from"
    return (
        f"Under {name}, influence there was {control[0] / real[0]:.2f} times the real, {told} it."
    )


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
