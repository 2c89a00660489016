"""Figures of a run: every pass, one position through the passes, and the time it took."""

from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.passes import Pass, Run
from flopslab.plots.pictures import (
    MOST,
    frame_captions,
    frame_picture,
    picture_sheet,
    sample,
)
from flopslab.plots.style import BLUE, PAGE, PALE, SMALL, DescribedFigure, new_panel
from flopslab.runs.reader import RunDirectory

LARGE = 3.0  # inches of a picture, where there are few


def contact_sheet(run: RunDirectory, columns: int = MOST) -> DescribedFigure:
    """One row per pass, one column per position, with its centre word.

    Says so if there are more positions than `columns`: then some are left out, evenly.
    """
    indices = sample(len(run.positions), columns)
    positions, captions = [run.positions[index] for index in indices], frame_captions(run)
    rows = [f"pass {number}" for number in run.passes]
    keys = [[FrameKey(number, position) for position in positions] for number in run.passes]
    note = f"{len(positions)} of {len(run.positions)} frames, evenly spread"
    return picture_sheet(
        [[frame_picture(run, key) for key in row] for row in keys],
        rows,
        [captions[position] for position in positions],
        alt=f"The frames of {len(rows)} passes, one row for each",
        note=note if len(positions) < len(run.positions) else "",
    )


def pass_column(run: RunDirectory, position: int) -> DescribedFigure:
    """The frame at one position in every pass, large, first pass first, with its words.

    RunError if there is no frame at this position.
    """
    keys = [FrameKey(number, position) for number in run.passes]
    if keys[0] not in run.frames:
        hint = f"give one of its positions, {run.positions[0]} to {run.positions[-1]}"
        raise RunError(f"position {position} of {run.directory}", "no frame there", hint)
    title = f"position {position}: {' '.join(run.recipe(keys[0]).prompt_words)}"
    labels = [f"pass {number}" for number in run.passes]
    alt = f"The frame at position {position} in {len(keys)} passes"
    pictures = [frame_picture(run, key) for key in keys]
    return picture_sheet([pictures], [""], labels, title, alt=alt, cell=LARGE)


def timing(run: Run) -> DescribedFigure:
    """Seconds of each pass as bars, with frames made, frames kept and frames per second."""
    alt = "; ".join(f"pass {item.number}: {item.seconds:.1f} seconds" for item in run.passes)
    figure, axes = new_panel(PAGE, 0.5 + 0.4 * len(run.passes), alt)
    names = [f"pass {item.number}" for item in run.passes]
    seconds = [item.seconds for item in run.passes]
    colours = [BLUE if item.made else PALE for item in run.passes]
    bars = axes.barh(names, seconds, color=colours)
    axes.bar_label(bars, [_pace(item) for item in run.passes], padding=4, fontsize=SMALL)
    axes.set(xlabel="seconds", xlim=(0, max([*seconds, 0.1]) * 1.6))
    axes.invert_yaxis()
    return figure


def _pace(item: Pass) -> str:
    kept = item.kept + item.copied
    parts = [f"{kept} kept"] if kept else []
    if item.made:
        parts = [f"{item.made} made, {item.made / max(item.seconds, 1e-3):.2f} frames/s", *parts]
    return ", ".join(parts)
