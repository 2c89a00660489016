"""What the refinement does to a sequence: measures against its dose, and pass by pass."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from flopslab.experiments.comparison.measures import MEASURES
from flopslab.experiments.comparison.report import is_last
from flopslab.experiments.sweep import label
from flopslab.plots.style import (
    GREY,
    NORMAL,
    SMALL,
    DescribedFigure,
    line_style,
    mark_style,
    plain,
    write,
)

Row = Mapping[str, Any]  # of a comparison's table, see `experiments.comparison`

PANELS = {
    "coherence": "likeness of neighbours (colours)",
    "own_words": "own words told from others",
    "sharpness": "sharpness, pass 1 is 1",
}
PREDICTED = "informed"  # beside the measured coherence
NAMES = ("baseline", "pass", "units")  # columns of a mean that are neither axis nor measure


def responses(means: Sequence[Row]) -> DescribedFigure:
    """Measures of a table's means, a column each: above against the dose, below pass by pass.

    `means`: of `experiments.comparison.intervals.summarise`. The dose is the first axis of several
    numbers: above it is shown in the last pass, below at its middle value; without such an axis
    there is only the row below. A line for each combination of the other axes, with its interval;
    dashed, what was predicted of coherence from the calibration and pass 1. Baselines are marks.
    """
    runs, baselines = ([r for r in means if bool(r["baseline"]) is side] for side in (False, True))
    dose = dose_of(runs)
    lines = [name for name in axes_of(runs) if name != dose]
    rows = [dose, "pass"] if dose else ["pass"]
    alt = f"{', '.join(PANELS)} against {' and '.join(rows)}, a line for each kind of run"
    figure = DescribedFigure(11.0, 2.7 * len(rows) + 0.6, alt, layout="constrained")
    grid = figure.subplots(len(rows), len(PANELS), squeeze=False)
    for panels, across in zip(grid, rows, strict=True):
        chosen = _chosen(runs, across, dose)
        for panel, measure in zip(panels, PANELS, strict=True):
            _draw_lines(panel, chosen, measure, across, lines)
            _draw_baselines(panel, baselines, measure, across)
            _label(panel, measure, across)
    _legend(figure, grid[-1][0])
    return figure


def axes_of(runs: Sequence[Row]) -> list[str]:
    """The columns that tell runs apart."""
    return [name for name in runs[0] if name not in NAMES and not name.startswith((*MEASURES,))]


def dose_of(runs: Sequence[Row]) -> str:
    """The first axis of several numbers; empty if there is none."""
    for name in axes_of(runs):
        values = {row[name] for row in runs}
        numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        if len(numbers) == len(values) > 1:
            return name
    return ""


def _chosen(runs: Sequence[Row], across: str, dose: str) -> list[Row]:
    """What one row of panels shows: the last pass, or the middle dose."""
    if across != "pass":
        return [row for row in runs if is_last(row, runs)]
    if not dose:
        return list(runs)
    values = sorted({row[dose] for row in runs})
    return [row for row in runs if row[dose] == values[len(values) // 2]]


def _draw_lines(
    panel: Axes, rows: Sequence[Row], measure: str, across: str, lines: Sequence[str]
) -> None:
    series: dict[str, list[Row]] = {}
    for row in rows:
        name = ", ".join(label(axis, row[axis]) for axis in lines) or "measured"
        series.setdefault(name, []).append(row)
    for index, (name, members) in enumerate(series.items()):
        members = sorted(members, key=lambda row: row[across])
        places, style = [row[across] for row in members], line_style(index)
        panel.plot(places, [r[measure] for r in members], label=name, markersize=4, **style)
        _draw_band(panel, places, members, measure, style["color"])
        if measure == "coherence" and not all(math.isnan(r[PREDICTED]) for r in members):
            predicted = [row[PREDICTED] for row in members]
            panel.plot(places, predicted, color=style["color"], ls=(0, (4, 2)), lw=1, alpha=0.8)


def _draw_band(
    panel: Axes, places: Sequence[float], rows: Sequence[Row], measure: str, colour: str
) -> None:
    if all(f"{measure}_low" in row for row in rows):
        low, high = ([row[f"{measure}_{end}"] for row in rows] for end in ("low", "high"))
        panel.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)


def _draw_baselines(panel: Axes, rows: Sequence[Row], measure: str, across: str) -> None:
    """Marks at the pass that a baseline stands beside; against the dose, a line across."""
    for index, name in enumerate(dict.fromkeys(row["baseline"] for row in rows)):
        members = [row for row in rows if row["baseline"] == name]
        style = mark_style(index + 1) | {"color": GREY}
        places, values = [r["pass"] for r in members], [r[measure] for r in members]
        options: dict[str, Any] = {"label": name, "markersize": 5}
        if across != "pass":
            places, values = [1.0], values[-1:]
            options |= {"transform": panel.get_yaxis_transform(), "clip_on": False}
            panel.axhline(values[0], color=GREY, lw=0.8, ls=":", zorder=0)
        panel.plot(places, values, **style, **options)


def _label(panel: Axes, measure: str, across: str) -> None:
    write(panel.set_title, PANELS[measure], fontsize=NORMAL, loc="left")
    panel.set_xlabel("pass" if across == "pass" else f"{across}, last pass", fontsize=SMALL)
    if across == "pass":
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain(panel)


def _legend(figure: DescribedFigure, panel: Axes) -> None:
    handles, names = panel.get_legend_handles_labels()
    legend = figure.legend(handles, names, loc="outside lower center", ncols=5, fontsize=SMALL)
    for text in legend.get_texts():
        text.set_parse_math(False)
