"""Figures that compare runs: sheets of pictures with both edges named, measures pass by pass.

Each function returns a matplotlib Figure and keeps nothing. Colours are Paul Tol's bright scheme,
which readers with any colour vision tell apart; lines differ in more than colour.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from flopslab.experiments.sweep import Variant, said
from flopslab.plots.runs import Picture, cut, opened, sample, write
from flopslab.runs.reader import RunDirectory, finished_run

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P")

CELL = 1.3  # inches of a picture
GAP = 0.03  # between pictures, as a share of one
MOST = 12  # columns


def by_position(variants: Sequence[Variant], number: int = 0) -> Figure:
    """Neighbours side by side: a row for each variant, a column for each position.

    `number`: of the pass; 0 is each variant's last. Positions are those that all have a frame at,
    evenly spread if there are many.
    """
    runs = [finished_run(variant.study.output_dir) for variant in variants]
    common = sorted(set.intersection(*(set(run.positions) for run in runs)))
    shown = [common[index] for index in sample(len(common), MOST)]
    words = {frame["position"]: frame["center_word"] for frame in runs[0].manifest["frames"]}
    pictures = [[_picture(run, number, position) for position in shown] for run in runs]
    columns = [f"{position} {words[position]}" for position in shown]
    return sheet(pictures, [variant.label for variant in variants], columns, _pass(number))


def by_pass(variants: Sequence[Variant], position: int) -> Figure:
    """One position's way through the passes: a row for each variant, a column for each pass."""
    runs = [finished_run(variant.study.output_dir) for variant in variants]
    numbers = range(1, max(run.passes[-1] for run in runs) + 1)
    pictures = [[_picture(run, number, position) for number in numbers] for run in runs]
    columns = [f"pass {number}" for number in numbers]
    rows = [variant.label for variant in variants]
    return sheet(pictures, rows, columns, f"position {position}")


def by_axes(plane: Sequence[Sequence[Variant]], position: int, number: int = 0) -> Figure:
    """One position in one pass: the first axis across, the second down; see `Sweep.planes`."""
    runs = [[finished_run(variant.study.output_dir) for variant in row] for row in plane]
    pictures = [[_picture(run, number, position) for run in row] for row in runs]
    across, down, *others = [*plane[0][0].values, "", ""]
    rows = [str(row[0].values.get(down, "")) for row in plane]
    columns = [str(variant.values.get(across, "")) for variant in plane[0]]
    named = [f"position {position}", _pass(number), plane[0][0].named(*others)]
    return sheet(pictures, rows, columns, ", ".join(filter(None, named)), across, down)


def sheet(
    pictures: Sequence[Sequence[Picture | None]],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str = "",
    across: str = "",
    down: str = "",
) -> Figure:
    """Pictures in a grid, each row and column named; none where there is no picture.

    `pictures`: rows x columns. The first one's size is everyone's: others are fitted into it.
    `across`, `down`: what the columns and the rows differ in.
    """
    first = next(picture for row in pictures for picture in row if picture is not None)
    canvas, middles = _canvas(pictures, opened(first).size)
    figure = Figure(
        figsize=(CELL * len(columns), CELL * len(columns) * canvas.height / canvas.width)
    )
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(canvas, aspect="auto")
    axes.set_xticks(middles[0], [cut(name, CELL) for name in columns], fontsize=8)
    axes.set_yticks(middles[1], [cut(name, 4 * CELL) for name in rows], fontsize=8)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.xaxis.set_label_position("top")
    axes.spines[:].set_visible(False)
    for text in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        text.set_parse_math(False)
    write(axes.set_xlabel, cut(across, 4 * CELL), fontsize=8, color="#555555")
    write(axes.set_ylabel, cut(down, 4 * CELL), fontsize=8, color="#555555")
    write(axes.set_title, cut(title, CELL * len(columns) + 2), loc="left", fontsize=10)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """The path, where the figure now is, labels included: PNG, or what its name ends in."""
    figure.savefig(path, dpi=120, bbox_inches="tight", facecolor="white")
    return path


def _canvas(
    pictures: Sequence[Sequence[Picture | None]], size: tuple[int, int]
) -> tuple[Image.Image, tuple[list[float], list[float]]]:
    """(all pictures in one, (middles of the columns, middles of the rows) in its pixels)."""
    gap = max(round(GAP * size[0]), 1)
    steps = [length + gap for length in size]
    counts = len(pictures[0]), len(pictures)
    canvas = Image.new(
        "RGB", tuple(n * step - gap for n, step in zip(counts, steps, strict=True)), "white"
    )
    for (y, row), x in itertools.product(enumerate(pictures), range(counts[0])):
        if row[x] is not None:
            image = ImageOps.contain(opened(row[x]), size)
            canvas.paste(image, (x * steps[0], y * steps[1]))
    middles = [
        [n * step + length / 2 for n in range(count)]
        for count, step, length in zip(counts, steps, size, strict=True)
    ]
    return canvas, tuple(middles)


def _picture(run: RunDirectory, number: int, position: int) -> Path | None:
    """`number` 0: of the last pass; none if the run has no such pass."""
    number = number or run.passes[-1]
    return run.path(number, position) if number in run.passes else None


def _pass(number: int) -> str:
    return f"pass {number}" if number else "last pass"


def curves(
    rows: Sequence[Mapping], axes: Sequence[str], measures: Mapping[str, str], columns: int = 3
) -> Figure:
    """Measures pass by pass, a panel for each and a line for each combination of `axes`.

    `rows`: of `flopslab.analysis.evaluation`; one with `<measure>_low` and `_high` gets a band.
    `measures`: {name: what it means}. The first axis gives a line its colour, the second its
    dashes, the third its marker.
    """
    lines = -(-len(measures) // columns)
    figure = Figure(figsize=(4.0 * columns, 2.6 * lines + 0.5), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    series = _series(rows, axes)
    for panel, (name, meaning) in zip(panels, measures.items(), strict=False):
        for label, (style, of_line) in series.items():
            _curve(panel, name, label, style, of_line)
        write(panel.set_title, name.replace("_", " "), fontsize=10, loc="left", pad=18)
        panel.text(0, 1.04, meaning, fontsize=7, color="#555555", transform=panel.transAxes)
        panel.set_xlabel("pass", fontsize=8)
        panel.set_xticks(sorted({row["pass"] for row in rows}))
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(measures) :]:
        panel.remove()
    legend = figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _series(
    rows: Sequence[Mapping], axes: Sequence[str]
) -> dict[str, tuple[dict[str, str], list[Mapping]]]:
    """For each combination of the axes' values: {label: (style of its line, its rows)}."""
    values = [list(dict.fromkeys(str(row[axis]) for row in rows)) for axis in axes]
    found: dict[str, tuple[dict[str, str], list[Mapping]]] = {}
    for row in rows:
        places = [every.index(str(row[axis])) for every, axis in zip(values, axes, strict=True)]
        looks = zip(("color", "linestyle", "marker"), (COLOURS, DASHES, MARKERS), strict=True)
        pairs = itertools.zip_longest(looks, places[:3], fillvalue=0)
        style = {name: choices[place % len(choices)] for (name, choices), place in pairs}
        label = ", ".join(said(axis, row[axis]) for axis in axes) or "all"
        found.setdefault(label, (style, []))[1].append(row)
    return found


def _curve(
    panel: Axes, name: str, label: str, style: Mapping[str, str], rows: Sequence[Mapping]
) -> None:
    passes = [row["pass"] for row in rows]
    panel.plot(passes, [row[name] for row in rows], label=label, markersize=4, **style)
    if all(f"{name}_low" in row for row in rows):
        low, high = ([row[f"{name}_{end}"] for row in rows] for end in ("low", "high"))
        panel.fill_between(passes, low, high, color=style["color"], alpha=0.15, linewidth=0)
