"""Figures of influence: how far changed words reach, how strongly, and what the controls say.

For print, `style.export` writes them as PDF or SVG, in vectors.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator

from flopslab.experiments.influence import (
    DecayCurve,
    Influence,
    agreement,
)
from flopslab.experiments.summary import Estimate
from flopslab.plots.style import (
    AMOUNTS,
    COLUMN,
    GREY,
    PAGE,
    SMALL,
    VERMILION,
    DescribedFigure,
    line_style,
    mark_style,
    new_panel,
    plain,
)

DISTANCE = "distance from the changed word, in positions"
INFLUENCE = "influence: mean pixel difference"
GAIN = "gain in similarity to the new word (cosine)"
GAIN_LINEAR = 0.01  # up to here a gain is drawn to a linear scale
INFLUENCE_LINEAR = 1e-3  # so is influence, where an exact 0 must be seen
RUNS = {
    "none": "real neighbours",
    "shuffled": "shuffled neighbours",
    "constant": "one constant neighbour",
    "no_images": "no images",
    "no_text": "no words after pass 1",
    "seed": "another seed, no change",
}  # the controls, for people


def influence_map(influence: Influence, reaches: Sequence[int], row: int = 0) -> DescribedFigure:
    """Position by pass: what one change (`row`) did, with the predicted cone around it.

    `reaches`: how far the cone reaches, by pass. Cells that did not change by a bit stay white.
    """
    values = np.ma.masked_equal(influence.values[row], 0)
    centre = influence.centres[row]
    alt = f"Influence of a change at position {centre} on every position, pass by pass"
    figure, axes = new_panel(PAGE, 0.9 + 0.4 * len(values), alt)
    edges = _edges(influence.positions)
    heights = np.arange(len(values) + 1) + 0.5
    mesh = axes.pcolormesh(edges, heights, values, cmap=AMOUNTS, norm=_log_scale(values))
    for number, reach in enumerate(reaches, 1):
        sides = [max(centre - reach - 0.5, edges[0]), min(centre + reach + 0.5, edges[-1])]
        for side in sides:
            axes.plot([side, side], [number - 0.5, number + 0.5], color=VERMILION, lw=2)
    axes.plot([], [], color=VERMILION, lw=2, label="predicted cone")
    axes.set(xlabel="position", ylabel="pass", yticks=range(1, len(values) + 1))
    axes.invert_yaxis()
    figure.legend(loc="outside upper right", frameon=False, fontsize=SMALL)
    figure.colorbar(mesh, ax=axes, label=INFLUENCE.replace(": ", ":\n"), pad=0.02)
    return figure


def decay(curve: DecayCurve, reaches: Sequence[int]) -> DescribedFigure:
    """Influence against distance, a line for each pass with its interval and predicted front."""
    figure, axes = new_panel(COLUMN * 1.3, 3.2, "Influence against distance, a line for each pass")
    for number, (mean, low, high) in enumerate(zip(curve.mean, curve.low, curve.high, strict=True)):
        distances = np.flatnonzero(np.nan_to_num(mean) > 0)
        style = line_style(number)
        axes.plot(distances, mean[distances], label=f"pass {number + 1}", lw=1.2, ms=4, **style)
        _band(axes, distances, low, high, style["color"])
        axes.axvline(reaches[number] + 0.5, color=style["color"], ls=style["ls"], lw=0.8)
    axes.plot([], [], color=GREY, lw=0.8, label="predicted front,\nin its pass's colour")
    yscale = "log" if np.nanmax(curve.mean) > 0 else "linear"  # else there is nothing to draw
    axes.set(xlabel=DISTANCE, ylabel=INFLUENCE, yscale=yscale, xlim=(-0.5, max(reaches) + 2))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside right upper", frameon=False, fontsize=SMALL)
    return figure


def prediction(measured: Influence, predicted: Influence) -> DescribedFigure:
    """Measured influence against predicted, a panel for each pass with its correlation."""
    correlations = agreement(measured, predicted)
    alt = "Measured influence against predicted, pass by pass"
    figure = DescribedFigure(PAGE, PAGE / 3 + 0.3, alt, layout="constrained")
    panels = figure.subplots(1, len(correlations), squeeze=False)[0]
    for number, (axes, correlation) in enumerate(zip(panels, correlations, strict=True)):
        x, y = predicted.values[:, number].ravel(), measured.values[:, number].ravel()
        mask = (x > 0) | (y > 0)
        axes.plot(x[mask], y[mask], ms=4, alpha=0.6, **mark_style(number))
        axes.set_title(f"pass {number + 1}, r = {correlation:.2f}", fontsize=SMALL + 1)
        axes.set(xlabel="predicted share", xlim=(0, 1.08 * x.max()), ylim=(0, None))
        plain(axes)
    panels[0].set_ylabel(INFLUENCE)
    return figure


def control_comparison(points: Mapping[str, tuple[Estimate, Estimate]]) -> DescribedFigure:
    """For each control the influence inside the predicted front and outside it, with intervals.

    nan leaves a mark out.
    """
    alt = "Influence inside the predicted front and outside it, under each control"
    figure, axes = new_panel(PAGE, 0.9 + 0.42 * len(points), alt)
    rows = np.arange(len(points))
    for index, (side, shift) in enumerate([("inside the front", -0.12), ("outside it", 0.12)]):
        mean, low, high = np.array([pair[index] for pair in points.values()], dtype=float).T
        bars = np.clip([mean - low, high - mean], 0, None)
        axes.errorbar(
            mean, rows + shift, xerr=bars, label=side, ms=6, capsize=3, **mark_style(index)
        )
    axes.set(yticks=rows, yticklabels=[_run_label(name) for name in points], xlabel=INFLUENCE)
    axes.set_ylim(len(points) - 0.5, -0.5)
    axes.set_xscale("symlog", linthresh=INFLUENCE_LINEAR)
    axes.set_xlim(-INFLUENCE_LINEAR / 3, 2 * axes.get_xlim()[1])
    axes.grid(axis="x", lw=0.3)
    figure.legend(loc="outside right upper", frameon=False, fontsize=SMALL)
    return figure


def arrival(curves: Mapping[str, DecayCurve], radius: int, reach: int) -> DescribedFigure:
    """How much the new word shows in the last pass against distance, a line with its interval each.

    Begins outside the word window (`radius`), where the prompt does not contain the word; the
    vertical line is the front, at `reach`.
    """
    figure, axes = new_panel(COLUMN * 1.3, 3.2, "How much the new word shows, by distance")
    for index, (name, curve) in enumerate(curves.items()):
        mean, low, high = curve.mean[-1], curve.low[-1], curve.high[-1]
        distances = np.arange(radius + 1, min(len(mean), 2 * reach))
        style = line_style(index)
        axes.plot(distances, mean[distances], label=_run_label(name), lw=1.2, ms=4, **style)
        _band(axes, distances, low, high, style["color"])
    axes.set(xlabel=DISTANCE, ylabel=GAIN)
    axes.set_yscale("symlog", linthresh=GAIN_LINEAR)
    _mark_end(axes, reach, "front")
    figure.legend(loc="outside right upper", frameon=False, fontsize=SMALL)
    return figure


def _run_label(name: str) -> str:
    return RUNS.get(name, name)


def _band(
    axes: Axes, distances: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str
) -> None:
    axes.fill_between(
        distances, low[distances], high[distances], color=colour, alpha=0.2, linewidth=0
    )


def _mark_end(axes: Axes, last: int, label: str) -> None:
    """Zero, and the end of a range of whole distances."""
    axes.axvline(last + 0.5, color=GREY, lw=0.8, label=label)
    axes.axhline(0, color=GREY, lw=0.4)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _edges(positions: np.ndarray) -> np.ndarray:
    """The borders between neighbouring positions."""
    half = (positions[1] - positions[0]) / 2 if len(positions) > 1 else 0.5
    return np.append(positions - half, positions[-1] + half)


def _log_scale(values: np.ma.MaskedArray) -> LogNorm | None:
    return LogNorm(values.min(), values.max()) if values.count() > 1 else None
