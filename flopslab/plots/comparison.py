"""Figures that compare the runs of a sweep: sheets of pictures, and measures pass by pass.

Sheets show the runs of the first seed.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from flopslab.analysis.evaluation import MEASURES
from flopslab.core.windows import FrameKey
from flopslab.experiments.sweep import Sweep, Variant, label
from flopslab.plots.pictures import frame_captions, frame_picture, picture_sheet, sample
from flopslab.plots.style import GREY, NORMAL, SMALL, DescribedFigure, line_style, plain, write
from flopslab.runs.reader import RunDirectory, finished_run

Row = Mapping[str, Any]  # of `flopslab.analysis.evaluation`


def position_sheet(sweep: Sweep, pass_number: int = 0) -> DescribedFigure:
    """Neighbours side by side: a row for each variant, a column for each position.

    `pass_number` 0: each variant's last. Only positions at which all have a frame, evenly spread if
    there are many.
    """
    runs = _runs(sweep.first_seed)
    common = _common_positions(runs)
    positions = [common[index] for index in sample(len(common))]
    captions = frame_captions(runs[0])
    return picture_sheet(
        [[_picture(run, pass_number, position) for position in positions] for run in runs],
        _labels(sweep.first_seed),
        [captions[position] for position in positions],
        _pass_label(pass_number),
        alt=f"Frames of {len(runs)} runs in {_pass_label(pass_number)}, a row for each run",
    )


def position_sheets(sweep: Sweep) -> dict[str, DescribedFigure]:
    """`position_sheet` of every pass: `pass1`, `pass2`, ..."""
    passes = max(variant.study.passes for variant in sweep.variants)
    return {f"pass{number}": position_sheet(sweep, number) for number in range(1, passes + 1)}


def pass_sheet(sweep: Sweep, position: int = 0) -> DescribedFigure:
    """One position through the passes: a row for each variant, a column for each pass.

    `position` 0: the one in the middle.
    """
    runs = _runs(sweep.first_seed)
    position = position or _middle(runs)
    numbers = range(1, max(run.passes[-1] for run in runs) + 1)
    return picture_sheet(
        [[_picture(run, number, position) for number in numbers] for run in runs],
        _labels(sweep.first_seed),
        [f"pass {number}" for number in numbers],
        f"position {position}",
        alt=f"The frame at position {position}, a row for each run, a column for each pass",
    )


def axis_sheets(
    sweep: Sweep, position: int = 0, pass_number: int = 0
) -> dict[str, DescribedFigure]:
    """One position in one pass: the first axis across, the second down, a sheet for each plane.

    `position` 0: the one in the middle.
    """
    position = position or _middle(_runs(sweep.first_seed))
    planes = enumerate(sweep.planes, 1)
    return {f"axes{index}": _axis_sheet(plane, position, pass_number) for index, plane in planes}


def measure_curves(
    sweep: Sweep, rows: Sequence[Row], measures: Mapping[str, str] = MEASURES
) -> DescribedFigure:
    """The measures of a sweep's runs pass by pass; see `curves`. `rows`: means over seeds."""
    return curves(rows, [axis for axis in sweep.axes if axis != "seed"], measures)


def curves(
    rows: Sequence[Row], axes: Sequence[str], measures: Mapping[str, str], columns: int = 3
) -> DescribedFigure:
    """Measures pass by pass, a panel for each and a line for each combination of `axes`.

    `rows` with `<measure>_low` and `_high` get a band. `measures`: {name: what it means}. The first
    axis gives a line its colour, the second its dashes, the third its marker; without a second and
    third, the first gives them too.
    """
    lines = -(-len(measures) // columns)
    alt = f"{', '.join(measures)} pass by pass, a panel for each"
    figure = DescribedFigure(4.0 * columns, 2.6 * lines + 0.5, alt, layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    series = _series(rows, axes)
    for panel, (measure, meaning) in zip(panels, measures.items(), strict=False):
        for text, (style, members) in series.items():
            _curve(panel, measure, text, style, members)
        _label_panel(panel, measure, meaning, sorted({row["pass"] for row in rows}))
    for panel in panels[len(measures) :]:
        panel.remove()
    handles = panels[0].get_legend_handles_labels()
    legend = figure.legend(*handles, loc="outside lower center", ncols=4, fontsize=SMALL)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _axis_sheet(
    plane: Sequence[Sequence[Variant]], position: int, pass_number: int
) -> DescribedFigure:
    across, down, *rest = [*plane[0][0].values, "", ""]
    title = f"position {position}, {_pass_label(pass_number)}"
    if constant := plane[0][0].label_of(*rest):
        title += f", {constant}"
    return picture_sheet(
        [[_picture(run, pass_number, position) for run in _runs(row)] for row in plane],
        [str(row[0].values.get(down, "")) for row in plane],
        [str(variant.values.get(across, "")) for variant in plane[0]],
        title,
        alt=f"{title}: a column for each {across}" + (f", a row for each {down}" if down else ""),
        across=across,
        down=down,
    )


def _runs(variants: Iterable[Variant]) -> list[RunDirectory]:
    return [finished_run(variant.study.output_dir) for variant in variants]


def _common_positions(runs: Sequence[RunDirectory]) -> list[int]:
    return sorted(set.intersection(*(set(run.positions) for run in runs)))


def _middle(runs: Sequence[RunDirectory]) -> int:
    common = _common_positions(runs)
    return common[len(common) // 2]


def _labels(variants: Iterable[Variant]) -> list[str]:
    return [variant.label for variant in variants]


def _picture(run: RunDirectory, pass_number: int, position: int) -> Path | None:
    """`pass_number` 0: of the last pass; none if the run has no such pass."""
    return frame_picture(run, FrameKey(pass_number or run.passes[-1], position))


def _pass_label(pass_number: int) -> str:
    return f"pass {pass_number}" if pass_number else "last pass"


def _series(
    rows: Sequence[Row], axes: Sequence[str]
) -> dict[str, tuple[dict[str, str], list[Row]]]:
    """For each combination of the axes' values: {label: (style of its line, its rows)}."""
    choices = [list(dict.fromkeys(str(row[axis]) for row in rows)) for axis in axes]
    series: dict[str, tuple[dict[str, str], list[Row]]] = {}
    for row in rows:
        pairs = zip(choices, axes, strict=True)
        places = [values.index(str(row[axis])) for values, axis in pairs]
        style = line_style(*(places or [0])[:3])
        text = ", ".join(label(axis, row[axis]) for axis in axes) or "all"
        series.setdefault(text, (style, []))[1].append(row)
    return series


def _curve(
    panel: Axes, measure: str, text: str, style: Mapping[str, Any], rows: Sequence[Row]
) -> None:
    passes = [row["pass"] for row in rows]
    panel.plot(passes, [row[measure] for row in rows], label=text, markersize=4, **style)
    if all(f"{measure}_low" in row for row in rows):
        low, high = ([row[f"{measure}_{end}"] for row in rows] for end in ("low", "high"))
        panel.fill_between(passes, low, high, color=style["color"], alpha=0.15, linewidth=0)


def _label_panel(panel: Axes, measure: str, meaning: str, passes: Sequence[int]) -> None:
    write(panel.set_title, measure.replace("_", " "), fontsize=NORMAL, loc="left", pad=18)
    panel.text(0, 1.04, meaning, fontsize=SMALL - 1, color=GREY, transform=panel.transAxes)
    panel.set_xlabel("pass", fontsize=SMALL)
    panel.set_xticks(passes)
    plain(panel)
