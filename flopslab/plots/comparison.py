"""Sheets of pictures that compare the runs of a sweep: those of its first sequence and seed."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from flopslab.core.windows import FrameKey
from flopslab.experiments.sweep import Sweep, Variant
from flopslab.plots.pictures import frame_captions, frame_picture, picture_sheet, sample
from flopslab.plots.style import DescribedFigure
from flopslab.runs.reader import RunDirectory, finished_run


def position_sheet(sweep: Sweep, pass_number: int = 0) -> DescribedFigure:
    """Neighbours side by side: a row for each variant, a column for each position.

    `pass_number` 0: each variant's last. Only positions at which all have a frame, evenly spread if
    there are many.
    """
    runs = _runs(sweep.first_unit)
    common = _common_positions(runs)
    positions = [common[index] for index in sample(len(common))]
    captions = frame_captions(runs[0])
    return picture_sheet(
        [[_picture(run, pass_number, position) for position in positions] for run in runs],
        _labels(sweep.first_unit),
        [captions[position] for position in positions],
        _pass_label(pass_number),
        alt=f"Frames of {len(runs)} runs in {_pass_label(pass_number)}, a row for each run",
    )


def before_after_sheet(sweep: Sweep) -> DescribedFigure:
    """Neighbours side by side: pass 1, and below it the last pass of each value of the first axis.

    The other axes are at the study's own values; see `Sweep.first_axis`.
    """
    variants = sweep.first_axis
    runs = _runs(variants)
    common = _common_positions(runs)
    positions = [common[index] for index in sample(len(common))]
    rows = [(runs[0], 1)] + [(run, 0) for run in runs]
    captions = frame_captions(runs[0])
    return picture_sheet(
        [[_picture(run, number, position) for position in positions] for run, number in rows],
        ["pass 1", *(variant.label_of(*list(sweep.axes)[:1]) for variant in variants)],
        [captions[position] for position in positions],
        alt=f"Frames of pass 1, and below them of the last pass of {len(runs)} runs",
    )


def position_sheets(sweep: Sweep) -> dict[str, DescribedFigure]:
    """`position_sheet` of every pass: `pass1`, `pass2`, ..."""
    passes = max(variant.study.passes for variant in sweep.variants)
    return {f"pass{number}": position_sheet(sweep, number) for number in range(1, passes + 1)}


def pass_sheet(sweep: Sweep, position: int = 0) -> DescribedFigure:
    """One position through the passes: a row for each variant, a column for each pass.

    `position` 0: the one in the middle.
    """
    runs = _runs(sweep.first_unit)
    position = position or _middle(runs)
    numbers = range(1, max(run.passes[-1] for run in runs) + 1)
    return picture_sheet(
        [[_picture(run, number, position) for number in numbers] for run in runs],
        _labels(sweep.first_unit),
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
    position = position or _middle(_runs(sweep.first_unit))
    planes = enumerate(sweep.planes, 1)
    return {f"axes{index}": _axis_sheet(plane, position, pass_number) for index, plane in planes}


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
