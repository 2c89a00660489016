"""What an experiment measured, in numbers and in sentences that are computed from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flopslab.analysis.metrics import bootstrap
from flopslab.experiments.decomposition import Decomposition
from flopslab.experiments.influence import (
    Influence,
    agreement,
    by_distance,
    front,
    group_means,
    half_life,
    mean_within,
    nan_mean,
    share_outside,
)
from flopslab.experiments.transport import Transport

Estimate = tuple[float, float, float]  # mean, and its bootstrap interval
ENOUGH = 5  # changes for an interval to mean anything


@dataclass(frozen=True)
class PassSummary:
    """What was measured in one pass, and what was predicted."""

    number: int
    fronts: tuple[int, ...]  # for each change
    predicted_fronts: tuple[int, ...]
    share: Estimate  # of influence, from words outside a frame's window
    predicted_share: float
    half_life: float  # positions, beyond the window
    predicted_half_life: float
    agreement: float  # Pearson's r of measured influence and predicted

    def __str__(self) -> str:
        predicted, measured = map(_range, (self.predicted_fronts, self.fronts))
        text = f"pass {self.number}: front {predicted} predicted, {measured} measured; "
        if self.predicted_share:
            share = "{:.3f} ({:.3f} to {:.3f})".format(*self.share)
            text += f"share from outside {self.predicted_share:.3f}, {share}; "
            text += f"half-life {self.predicted_half_life:.2f}, {self.half_life:.2f}; "
        return text + f"r = {self.agreement:.2f}"


def summarise_passes(
    measured: Influence,
    predicted: Influence,
    radius: int,
    random: np.random.Generator,
    groups: np.ndarray | None = None,
) -> list[PassSummary]:
    """The summary of each pass. `radius`: of the word window. `groups`: as in `group_means`."""
    values, model = group_means(by_distance(measured), groups), by_distance(predicted)
    fronts, predicted_fronts = front(measured), front(predicted)
    return [
        PassSummary(
            number=k + 1,
            fronts=tuple(fronts[:, k].tolist()),
            predicted_fronts=tuple(predicted_fronts[:, k].tolist()),
            share=_share(values[:, k], radius, random),
            predicted_share=share_outside(model[:, k], radius),
            half_life=half_life(nan_mean(values[:, k]), radius + 1),
            predicted_half_life=half_life(nan_mean(model[:, k]), radius + 1),
            agreement=float(fit),
        )
        for k, fit in enumerate(agreement(measured, predicted))
    ]


def inside_outside_front(
    influence: Influence,
    predicted: Influence,
    random: np.random.Generator,
    groups: np.ndarray | None = None,
) -> tuple[Estimate, Estimate]:
    """The last pass's mean influence inside the predicted front, and outside it.

    Frames inside are those that do not contain the changed word themselves; frames outside lie
    beyond the front. `predicted` is for the same changes; nan where there are no frames. `groups`:
    as in `group_means`.
    """
    contains, reached = predicted.differs[:, 0], predicted.differs[:, -1]
    inside, outside = (
        group_means(mean_within(influence, mask), groups)
        for mask in (reached & ~contains, ~reached)
    )
    return _mean(inside[~np.isnan(inside)], random), _mean(outside[~np.isnan(outside)], random)


def describe_propagation(
    passes: Sequence[PassSummary], inside: Mapping[str, Estimate], count: int = 0
) -> list[str]:
    """The propagation in sentences.

    `inside`: the first value of `inside_outside_front`, by control, `none` among them. `count`: of
    the changes under a control; fewer than `ENOUGH` cannot tell anything apart.
    """
    last = passes[-1]
    fronts = [zip(item.fronts, item.predicted_fronts, strict=True) for item in passes]
    hits = [measured == predicted for pairs in fronts for measured, predicted in pairs]
    lines = [f"The front stood where it was predicted in {sum(hits)} of {len(hits)} cases."]
    if np.isnan(inside["none"][0]):
        return [*lines, "No frame is so placed that pictures alone could bring it a word."]
    lines.append(
        f"In pass {last.number}, {_percent(last.share)} of a frame's influence came from words "
        f"outside its window; the weights predict {last.predicted_share:.0%} (r = "
        f"{last.agreement:.2f} over all frames)."
    )
    if np.isfinite(last.half_life):
        lines.append(
            f"Beyond the window influence halved every {last.half_life:.1f} positions; the "
            f"weights predict {last.predicted_half_life:.1f}."
        )
    controls = ((name, point) for name, point in inside.items() if name != "none")
    return lines + [_compare(name, inside["none"], point, count) for name, point in controls]


def prompt_slope(arrival: Influence, share: Influence) -> float:
    """How much a word shows for its share of the prompt, in the first pass."""
    return float(arrival.values[:, 0].sum() / share.values[:, 0].sum())


def describe_transport(
    prompt: float, transports: Mapping[str, Transport], lead: Estimate
) -> list[str]:
    """Whether the word itself arrives, in sentences.

    `prompt`: as from `prompt_slope`. `transports`: by control. `lead`: of real neighbours over
    shuffled ones, as from `transport.transport_difference`.
    """
    first = f"For its share of the prompt a new word shows by {prompt:+.2f}; outside the window"
    lines = [f"{first}, for the share that pictures bring:"]
    lines += [f"- {name}: {item}." for name, item in transports.items()]
    if np.isfinite(lead[1]):
        text = "- real less shuffled: {:+.2f} ({:+.2f} to {:+.2f}), ".format(*lead)
        lines.append(text + ("more." if lead[1] > 0 else "not to be told apart."))
    return lines


def describe_decomposition(
    parts: Decomposition, random: np.random.Generator, groups: np.ndarray | None = None
) -> list[str]:
    """How much of the changes was carried, pass by pass, in sentences; empty if nothing can be.

    `groups`: as in `group_means`.
    """
    lines = []
    values = [group_means(parts.by_pass(v), groups) for v in (parts.kept, parts.carried)]
    for index, (kept, carried) in enumerate(zip(*(v.T for v in values), strict=True)):
        valid = ~np.isnan(kept)
        if valid.any():
            numbers = *_mean(kept[valid], random), *_mean(carried[valid], random)
            text = (
                "keeps {:.2f} ({:.2f} to {:.2f}) of its start's change, {:.0%} ({:.0%} to {:.0%})"
            )
            lines.append(f"Pass {index + 1} {text.format(*numbers)} of its own is carried.")
    return lines


def _compare(name: str, real: Estimate, control: Estimate, count: int) -> str:
    name = name.replace("_", " ")
    if np.isnan(control[0]):
        return f"Under {name}, no frame is so placed."
    if control[0] == 0:
        return f"Under {name}, not one bit changed outside the window within the front."
    if real[0] == 0:
        return f"Under {name}, influence there was {control[0]:.2g}; the real had none."
    text = f"Under {name}, influence there was {control[0] / real[0]:.2f} times the real"
    if count < ENOUGH:
        return f"{text}; {count} of the changes are too few to tell them apart."
    apart = control[1] > real[2] or control[2] < real[1]
    return f"{text}; the intervals are {'apart' if apart else 'not apart'}."


def _range(values: Sequence[int]) -> str:
    """`2`, or `1 to 2`."""
    return " to ".join(map(str, sorted({min(values), max(values)})))


def _percent(estimate: Estimate) -> str:
    return "{:.0%} ({:.0%} to {:.0%})".format(*estimate)


def _share(values: np.ndarray, radius: int, random: np.random.Generator) -> Estimate:
    def share(rows: np.ndarray) -> float:
        return share_outside(rows, radius)

    return share(values), *bootstrap(values, random, share)


def _mean(values: np.ndarray, random: np.random.Generator) -> Estimate:
    if not values.size:
        return np.nan, np.nan, np.nan
    return float(values.mean()), *bootstrap(values, random)
