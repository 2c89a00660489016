"""The propagation of one changed word, in pictures: before, after, difference."""

from collections.abc import Sequence

from flopslab.core.windows import FrameKey
from flopslab.experiments.interventions import Intervention, Remove, ReplaceFrame
from flopslab.plots.pictures import (
    MOST,
    Picture,
    amplified_difference,
    frame_captions,
    open_picture,
    picture_sheet,
)
from flopslab.plots.style import DescribedFigure
from flopslab.runs.reader import finished_run


def before_after(intervention: Intervention, columns: int = MOST) -> DescribedFigure:
    """The last pass around a change: before, after, and the difference, 8 times as bright.

    Positions of the cone, every second or third if there are more than `columns`.
    """
    positions = cone_positions(intervention, columns)
    grid = before_after_pictures(intervention, positions)
    captions = frame_captions(finished_run(intervention.base))
    captions[intervention.change.position] += f" → {new_caption(intervention)}"
    return picture_sheet(
        grid,
        ["before", "after", "difference"],
        [captions[position] for position in positions],
        alt=f"Frames around position {intervention.change.position} before a change, after it, "
        "and their difference",
    )


def cone_positions(intervention: Intervention, most: int, margin: int = 0) -> list[int]:
    """The positions of the last pass that the change can reach, the changed one among them.

    Every second or third if there are more than `most`; `margin`: frames more on either side.
    """
    frames = finished_run(intervention.base).positions
    cone = intervention.cone[max(intervention.cone)]
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


def new_caption(intervention: Intervention) -> str:
    """What stands at the changed position afterwards, for people."""
    change = intervention.change
    if isinstance(change, Remove):
        return "(silent)"
    return "(picture)" if isinstance(change, ReplaceFrame) else change.word
