"""One changed word in pictures: before, after, difference, and how far it reaches."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.experiments.influence import Influence, influence
from flopslab.experiments.interventions import Insert, Intervention, Remove, ReplaceFrame
from flopslab.plots.pictures import (
    GAP,
    MOST,
    Picture,
    amplified_difference,
    compose_grid,
    frame_captions,
    open_picture,
    picture_sheet,
)
from flopslab.plots.style import (
    GREY,
    NORMAL,
    PALE,
    SMALL,
    VERMILION,
    DescribedFigure,
    line_style,
    plain,
    shorten,
    write,
)
from flopslab.runs.reader import finished_run

ROWS = ("before", "after", "difference")
STORY, HEAD, CURVES = 10.5, 0.95, 2.6  # inches: its width, its title, the curves below it
TRAVEL = """Pass 1 reads only the words
around each position. Later
passes also look at their
neighbours’ pictures, so the
change travels on."""


def before_after(intervention: Intervention, columns: int = MOST) -> DescribedFigure:
    """The last pass around a change: before, after, and the difference, 8 times as bright.

    Positions of the cone, every second or third if there are more than `columns`.
    """
    positions = cone_positions(intervention, columns)
    grid = before_after_pictures(intervention, positions)
    captions = frame_captions(finished_run(intervention.base))
    centre = intervention.change.position
    captions[centre] = f"{centre} → {_new_text(intervention)}"
    return picture_sheet(
        grid,
        ROWS,
        [captions[position] for position in positions],
        alt=f"{describe_change(intervention)} Frames around it before, after, and their difference",
    )


def propagation_story(intervention: Intervention, columns: int = 17) -> DescribedFigure:
    """One change at a glance: three rows of pictures, and below each its influence, by pass.

    The last pass before, after, and the difference, 8 times as bright, over the positions of the
    cone and the first ones outside it. Meant for one change in a run with room around it. RunError
    if no picture differs.
    """
    positions = cone_positions(intervention, columns, margin=1)
    measured = influence([intervention])
    if not measured.values.any():
        hint = "change to a word that the model paints otherwise"
        raise RunError(f"pictures that {intervention.change} changes", "not one bit differs", hint)
    passes = measured.values.shape[1]
    title = describe_change(intervention)
    width, height = 0.9 * STORY, 0.9 * STORY * 3 / len(positions)  # inches of the pictures
    total = height + HEAD + CURVES
    figure = DescribedFigure(STORY, total, f"{title} The difference fades with distance.")
    left, bottom = 1 - width / STORY - 0.005, CURVES / total
    pictures = figure.add_axes((left, bottom, width / STORY, height / total))
    _draw_pictures(pictures, intervention, positions)
    below = plain(figure.add_axes((left, 0.16 * bottom, width / STORY, 0.82 * bottom)))
    _draw_influence(below, measured, positions, intervention.change.position)
    below.set_xlim(pictures.get_xlim())
    heading = f"Run again with the same seeds. Pictures of the last of {passes} passes:"
    write(figure.suptitle, title, x=left, y=0.99, ha="left", fontsize=NORMAL + 4, weight="bold")
    figure.text(left, 1 - 0.38 / total, heading, va="top", fontsize=NORMAL, color=GREY)
    return figure


def describe_change(intervention: Intervention) -> str:
    """The change in a sentence."""
    change, run = intervention.change, finished_run(intervention.base)
    word = f"“{run.manifest['sequence'][change.position - 1]['word']}”"
    if isinstance(change, Remove):
        return f"One word falls silent: {word}."
    if isinstance(change, ReplaceFrame):
        return f"One picture is replaced: that of {word}."
    verb = "is joined by" if isinstance(change, Insert) else "becomes"
    return f"One word is changed: {word} {verb} “{change.word}”."


def cone_positions(intervention: Intervention, most: int, margin: int = 0) -> list[int]:
    """The positions of the last pass that the change can reach, the changed one among them.

    Every second or third if there are more than `most`; `margin`: frames more on either side.
    RunError if it reaches none.
    """
    frames = finished_run(intervention.base).positions
    cone = intervention.cone[max(intervention.cone)]
    if not cone:
        hint = "change a word in the window of a frame"
        raise RunError(f"pictures that {intervention.change} can reach", "none", hint)
    first, last = frames.index(cone[0]), frames.index(cone[-1])
    wide = frames[max(first - margin, 0) : last + 1 + margin]
    centre = min(wide, key=lambda position: abs(position - intervention.change.position))
    step = -(-len(wide) // max(most - 1, 1)) if len(wide) > most else 1
    return list(wide[wide.index(centre) % step :: step])


def before_after_pictures(
    intervention: Intervention, positions: Sequence[int]
) -> list[list[Picture]]:
    """Three rows of the last pass: before, after, difference."""
    runs = finished_run(intervention.base), finished_run(intervention.directory)
    keys = [FrameKey(runs[0].passes[-1], position) for position in positions]
    before, after = ([open_picture(run.path(key)) for key in keys] for run in runs)
    return [[*before], [*after], [*map(amplified_difference, before, after)]]


def _new_text(intervention: Intervention) -> str:
    """What stands at the changed position afterwards, for people."""
    change = intervention.change
    if isinstance(change, Remove):
        return "(silent)"
    return "(picture)" if isinstance(change, ReplaceFrame) else change.word


def _draw_pictures(axes: Axes, intervention: Intervention, positions: Sequence[int]) -> None:
    """Three rows of pictures, columns at 0, 1, ..., the changed position with an outline."""
    grid = before_after_pictures(intervention, positions)
    canvas, _ = compose_grid(grid, open_picture(grid[0][0]).size)
    half, count = 0.5 / (1 + GAP), len(positions)
    axes.imshow(canvas, extent=(-half, count - 1 + half, 2 + half, -half), aspect="auto")
    words = finished_run(intervention.base).manifest["sequence"]
    labels = [shorten(words[position - 1]["word"], 0.75) for position in positions]
    centre = min(
        range(count), key=lambda index: abs(positions[index] - intervention.change.position)
    )
    labels[centre] += f" →\n{shorten(_new_text(intervention), 0.75)}"
    axes.set_xticks(range(count), labels, fontsize=SMALL + 1, parse_math=False)
    axes.set_yticks(range(3), ["before", "after", "difference\n× 8"], fontsize=NORMAL)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.get_xticklabels()[centre].set(color=VERMILION, weight="bold")
    axes.spines[:].set_visible(False)
    outline = Rectangle((centre - 0.5, -0.5), 1, 3, fill=False, color=VERMILION, lw=2)
    axes.add_patch(outline).set_clip_on(False)


def _draw_influence(axes: Axes, measured: Influence, positions: Sequence[int], centre: int) -> None:
    """A line for each pass over the same columns, and what is outside the cone."""
    columns = np.searchsorted(measured.positions, positions)
    _draw_passes(axes, measured.values[0][:, columns])
    _mark_outside(axes, np.flatnonzero(~measured.differs[0, -1, columns]).tolist())
    axes.set(yscale="log", ylabel="influence:\nmean pixel difference")
    axes.set_xlabel("distance from the changed word, in positions")
    distances = [f"{position - centre:+d}".replace("+0", "0") for position in positions]
    axes.set_xticks(range(len(positions)), distances)
    axes.set_ylim(bottom=measured.values[measured.values > 0].min() / 3)
    style = {"fontsize": SMALL + 1, "color": GREY}
    axes.text(0.065, 0.97, TRAVEL, None, transform=axes.transAxes, va="top", **style)


def _draw_passes(axes: Axes, values: np.ndarray) -> None:
    """A line for each row of values [passes, columns], its name where earlier ones do not reach."""
    start = None
    for index, row in enumerate(values):
        extent, style = np.flatnonzero(row > 0), line_style(index)
        axes.plot(extent, row[extent], ms=5, lw=1.6, **style)
        axes.fill_between(extent, row[extent], color=style["color"], alpha=0.08, lw=0)
        middle = ((extent[0] if start is None else start) + extent[-1]) / 2
        label = {"color": style["color"], "weight": "bold", "ha": "center"}
        place = middle, 0.03, f"pass {index + 1}"
        axes.text(*place, None, transform=axes.get_xaxis_transform(), **label)
        start = extent[-1]


def _mark_outside(axes: Axes, columns: Sequence[int]) -> None:
    """Columns whose frames are the same as before."""
    for column in columns:
        axes.axvspan(column - 0.5, column + 0.5, color=PALE, alpha=0.35, lw=0)
        axes.text(
            *(column, 0.5), "not one bit differs", rotation=90, ha="center", va="center",
            transform=axes.get_xaxis_transform(), fontsize=SMALL + 1, color=GREY,
        )  # fmt: skip
