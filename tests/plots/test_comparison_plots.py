"""Sheets that compare runs: every picture where it belongs."""

import numpy as np
import pytest
from figures import canvas, colour_at, texts
from painted import Painters, silent

from flopslab.core.windows import FrameKey
from flopslab.experiments.sweep import Sweep
from flopslab.plots import comparison as plots
from flopslab.runs.reader import open_run

pytestmark = pytest.mark.slow


@pytest.fixture
def sweep(study) -> Sweep:
    sweep = Sweep(study, {"method": ["grid", "blend"], "denoising_strength": [0.3, 0.6, 0.9]})
    sweep.run(Painters(), silent(sweep))
    return sweep


def test_neighbours_side_by_side_are_those_of_the_pass(sweep):
    figure = plots.position_sheet(sweep, 1)
    labels = {variant.label for variant in sweep.variants}
    assert labels | {"1 silence", "12 glass", "pass 1"} <= set(texts(figure))
    frame = open_run(sweep.variants[2].study.output_dir).image(FrameKey(1, 3))
    width, height = frame.size
    top, left = 2 * (height + 1), 2 * (width + 1)
    assert (canvas(figure)[top : top + height, left : left + width] == np.asarray(frame)).all()


def test_there_is_a_sheet_for_every_pass(sweep):
    sheets = plots.position_sheets(sweep)
    assert [*sheets] == ["pass1", "pass2"]
    assert "pass 2" in texts(sheets["pass2"])


def test_frames_left_over_from_a_larger_run_are_not_shown(study):
    for passes, limit in [(2, 12), (1, 3)]:
        sweep = Sweep(study.replace(passes=passes, limit=limit), {"seed": [0]})
        sweep.run(Painters(), silent(sweep))
    figure = plots.position_sheet(sweep)
    assert {"1 silence", "3 memory"} <= set(texts(figure)) and len(texts(figure)) == 5
    frame = open_run(sweep.variants[0].study.output_dir).image(FrameKey(1, 1))
    assert (canvas(figure)[: frame.height, : frame.width] == np.asarray(frame)).all()


def test_only_the_first_seed_is_shown(study):
    sweep = Sweep(study, {"method": ["grid", "blend"], "seed": [0, 1]})
    sweep.run(Painters(), silent(sweep))
    labels = texts(plots.position_sheet(sweep))
    assert "grid, seed 0" in labels and "grid, seed 1" not in labels


def test_one_position_is_followed_through_passes_also_where_some_runs_have_fewer(study):
    sweep = Sweep(study, {"passes": [1, 3]})
    sweep.run(Painters(), silent(sweep))
    figure = plots.pass_sheet(sweep, 5)
    labels = {"pass 1", "pass 2", "pass 3", "passes 1", "passes 3", "position 5"}
    assert labels == set(texts(figure))
    assert colour_at(figure, 0, 2) == (255, 255, 255)
    assert colour_at(figure, 1, 2) != (255, 255, 255)


def test_by_default_the_position_is_the_one_in_the_middle(sweep):
    assert "position 7" in texts(plots.pass_sheet(sweep))
    assert "position 7, last pass" in texts(plots.axis_sheets(sweep)["axes1"])


def test_the_first_axis_goes_across_and_the_second_down(sweep):
    (figure,) = plots.axis_sheets(sweep, 5).values()
    assert set(texts(figure)) == {
        "grid", "blend", "0.3", "0.6", "0.9", "method", "denoising_strength",
        "position 5, last pass",
    }  # fmt: skip
    variant = sweep.variants[4]  # blend, 0.6
    frame = open_run(variant.study.output_dir).image(FrameKey(2, 5))
    width, height = frame.size
    part = canvas(figure)[height + 1 : 2 * height + 1, width + 1 : 2 * width + 1]
    assert (part == np.asarray(frame)).all()


def test_a_third_axis_gives_a_sheet_for_each_of_its_values(study):
    axes = {"method": ["grid", "blend"], "passes": [1, 2], "seed": [3, 4]}
    sweep = Sweep(study, axes)
    sweep.run(Painters(), silent(sweep))
    sheets = plots.axis_sheets(sweep, 5)
    assert [*sheets] == ["axes1", "axes2"]
    assert "position 5, last pass, seed 4" in texts(sheets["axes2"])


def test_before_and_after_are_pass_1_and_the_last_pass_of_each_value(study):
    axes = {"method": ["grid", "blend"], "denoising_strength": [0.3, 0.5], "seed": [3, 4]}
    sweep = Sweep(study, axes)
    sweep.run(Painters(), silent(sweep))
    figure = plots.before_after_sheet(sweep)
    assert {"pass 1", "grid", "blend"} <= set(texts(figure))
    first, last = (open_run(sweep.variants[i].study.output_dir) for i in (2, 6))  # strength 0.5
    height, width = canvas(figure).shape[0] // 3 + 1, first.image(FrameKey(1, 1)).width
    for row, frame in [(0, first.image(FrameKey(1, 1))), (2, last.image(FrameKey(2, 1)))]:
        part = canvas(figure)[row * height : row * height + frame.height, :width]
        assert (part == np.asarray(frame)).all()
