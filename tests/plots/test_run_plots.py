"""Figures of a run: every pass in a row, evenly sampled where there is no room."""

from pathlib import Path

import numpy as np
import pytest
from figures import canvas, texts

from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.passes import Pass, Run
from flopslab.plots import runs as plots
from flopslab.runs.reader import finished_run, open_run


def test_a_contact_sheet_has_a_row_per_pass_and_a_column_per_position(paint):
    run = finished_run(paint(limit=5).directory)
    sheet = plots.contact_sheet(run)
    words = "1 silence", "2 fire", "3 memory", "4 ocean", "5 stone"
    assert set(texts(sheet)) == {"pass 1", "pass 2", *words}
    frame = run.image(FrameKey(2, 3))
    top, left = frame.height + 1, 2 * (frame.width + 1)
    part = canvas(sheet)[top : top + frame.height, left : left + frame.width]
    assert (part == np.asarray(frame)).all()


def test_a_contact_sheet_that_leaves_frames_out_says_so(paint):
    sheet = plots.contact_sheet(finished_run(paint().directory), columns=4)
    labels = texts(sheet)
    assert "4 of 12 frames, evenly spread" in labels
    assert {"1 silence", "5 stone", "8 shadow", "12 glass"} < set(labels)


def test_an_unfinished_run_is_shown_as_far_as_it_is(paint):
    directory = paint(limit=3).directory
    (directory / "visual-manifest.json").unlink()
    (directory / "pass2" / "frame_000002.png").unlink()
    run = open_run(directory)
    sheet = plots.contact_sheet(run)
    assert set(texts(sheet)) == {"pass 1", "pass 2", "1", "2", "3"}
    height, width = canvas(sheet).shape[0], run.image(FrameKey(1, 1)).width
    assert (canvas(sheet)[height // 2 + 1 :, width + 1 : 2 * width + 1] == 255).all()


@pytest.mark.parametrize("passes", [1, 3, 6])
def test_one_position_is_shown_in_every_pass_with_its_words(paint, passes):
    figure = plots.pass_column(finished_run(paint(passes=passes, limit=6).directory), 2)
    numbers = {f"pass {number}" for number in range(1, passes + 1)}
    assert {"position 2: silence fire memory", *numbers} == set(texts(figure))


def test_a_position_without_a_frame_is_refused(paint):
    run = finished_run(paint(frame_interval=4).directory)
    with pytest.raises(RunError, match="position 2") as caught:
        plots.pass_column(run, 2)
    assert caught.value.hint == "give one of its positions, 1 to 9"


def test_timing_tells_frames_made_from_frames_kept(study):
    passes = Pass(1, made=40, kept=6, copied=2, seconds=10.0), Pass(2, 0, 48, 0, 0.01)
    run = Run(study, Path(), passes, (), Path())
    labels = texts(plots.timing(run))
    assert "40 made, 4.00 frames/s, 8 kept" in labels
    assert "48 kept" in labels
