"""Figures that compare runs: every picture where it belongs, lines told apart."""

import itertools
from typing import Any

import numpy as np
import pytest
from figures import canvas, colour_at, texts
from painted import Painters, silent

from flopslab.core.windows import FrameKey
from flopslab.experiments.sweep import Sweep
from flopslab.plots import comparison as plots
from flopslab.plots.style import save
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


def rows(**measures: float) -> list[dict[str, Any]]:
    combinations = itertools.product(["grid", "blend"], [0.3, 0.6], [1, 2, 3])
    return [
        {"method": m, "denoising_strength": d, "pass": n, "contrast": n * d, "sharpness": n}
        | measures
        for m, d, n in combinations
    ]


AXES = ("method", "denoising_strength")


def test_curves_have_a_panel_for_each_measure_and_a_line_for_each_combination():
    figure = plots.curves(rows(), AXES, {"contrast": "of L*", "sharpness": "of edges"})
    assert len(figure.axes) == 2
    assert {"contrast", "of L*", "grid, denoising_strength 0.3"} <= set(texts(figure))
    lines = figure.axes[0].get_lines()
    ends = [np.asarray(line.get_ydata())[2] for line in lines]
    assert ends == pytest.approx([0.9, 1.8, 0.9, 1.8])


def test_lines_differ_in_more_than_colour():
    lines = plots.curves(rows(), AXES, {"contrast": ""}).axes[0].get_lines()
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 4
    assert len({line.get_linestyle() for line in lines}) == 2
    lines = plots.curves(rows(), ["method"], {"contrast": ""}).axes[0].get_lines()
    assert len({line.get_linestyle() for line in lines}) == 2


def test_an_interval_is_a_band():
    figures = (
        plots.curves(rows(), AXES, {"contrast": ""}),
        plots.curves(rows(contrast_low=0.1, contrast_high=3.0), AXES, {"contrast": ""}),
    )
    assert [len(figure.axes[0].collections) for figure in figures] == [0, 4]


def test_the_curves_of_a_sweep_leave_seeds_out(study):
    sweep = Sweep(study, {"method": ["grid", "blend"], "seed": [0, 1]})
    labels = texts(plots.measure_curves(sweep, rows(), {"contrast": ""}))
    assert {"grid", "blend"} <= set(labels) and not any("seed" in label for label in labels)


def test_curves_without_axes_or_with_nan_draw(tmp_path):
    figure = plots.curves([{"pass": 1, "contrast": float("nan")}], [], {"contrast": "of L*"})
    assert save(figure, tmp_path / "curves.svg").read_text().startswith("<?xml")
