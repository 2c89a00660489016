"""Figures that compare: every picture where it belongs, every name legible, lines told apart."""

import io
import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
from generators import same
from matplotlib.figure import Figure
from painted import Painters, silent
from PIL import Image

from flopslab.experiments.sweep import Sweep
from flopslab.plots import comparison as charts
from flopslab.runs.reader import open_run


def colour(row: int, column: int) -> tuple[int, int, int]:
    return 40 * row + 10, 20 * column + 10, 7


def pictures(rows: int, columns: int, size=(16, 8)) -> list[list[Image.Image]]:
    return [[Image.new("RGB", size, colour(y, x)) for x in range(columns)] for y in range(rows)]


def texts(figure: Figure) -> set[str]:
    """Everything that is written on the figure, which draws without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(io.BytesIO(), dpi=20)
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return {text.get_text() for text in found if text.get_text()}


def shown(figure: Figure, row: int, column: int) -> tuple[int, ...]:
    """The colour in the middle of a cell, where its labels stand."""
    (axes,) = figure.axes
    x, y = axes.get_xticks()[column], axes.get_yticks()[row]
    return tuple(int(value) for value in axes.get_images()[0].get_array()[int(y), int(x)])


@pytest.fixture
def sweep(study) -> Sweep:
    sweep = Sweep(study, {"method": ["grid", "blend"], "denoising_strength": [0.3, 0.6, 0.9]})
    sweep.run(Painters(), silent(sweep))
    return sweep


def test_a_sheet_has_every_picture_below_its_column_and_beside_its_row():
    sheet = charts.sheet(pictures(2, 3), ["one", "two"], list("abc"), "title", "across", "down")
    assert texts(sheet) == {"one", "two", "a", "b", "c", "title", "across", "down"}
    for row, column in itertools.product(range(2), range(3)):
        assert shown(sheet, row, column) == colour(row, column)


def test_a_picture_that_is_not_there_leaves_its_place_white():
    grid = pictures(2, 2)
    grid[0][0] = None
    sheet = charts.sheet(grid, ["one", "two"], ["a", "b"])
    assert shown(sheet, 0, 0) == (255, 255, 255)
    assert shown(sheet, 1, 1) == colour(1, 1)


def test_pictures_of_other_sizes_are_fitted_into_the_first_ones():
    grid = pictures(1, 2)
    grid[0][1] = Image.new("RGB", (64, 64), "red")
    sheet = charts.sheet(grid, ["one"], ["a", "b"])
    assert sheet.axes[0].get_images()[0].get_array().shape == (8, 16 + 1 + 16, 3)


@pytest.mark.parametrize("word", ["$x^2$", "$", "a\nb", "<b>", "🌊", "日本", "w" * 500])
def test_any_text_can_be_a_name(word):
    sheet = charts.sheet(pictures(1, 1), [word], [word], word, word, word)
    assert texts(sheet)
    assert len({text.get_parse_math() for text in sheet.axes[0].get_xticklabels()} - {False}) == 0


def test_a_saved_sheet_shows_its_names(tmp_path):
    grid = pictures(1, 2, (64, 64))
    paths = [
        charts.save(charts.sheet(grid, [name], ["a", "b"]), tmp_path / f"{len(name)}.png")
        for name in ("i", "a rather long name of a row")
    ]
    narrow, wide = (Image.open(path).size[0] for path in paths)
    assert wide > narrow + 100


def test_neighbours_side_by_side_are_those_of_the_pass_asked_for(sweep):
    figure = charts.by_position(sweep.variants, 1)
    (words, labels) = (texts(figure), {variant.label for variant in sweep.variants})
    assert labels | {"1 silence", "12 glass", "pass 1"} <= words
    runs = [open_run(variant.study.output_dir) for variant in sweep.variants]
    canvas = figure.axes[0].get_images()[0].get_array()
    (frame, _) = runs[2].frame(1, 3)
    width, height = frame.size
    top, left = 2 * (height + 1), 2 * (width + 1)
    assert (canvas[top : top + height, left : left + width] == np.asarray(frame)).all()


def test_what_is_left_of_a_larger_run_is_not_shown(study):
    for passes, limit in [(2, 12), (1, 3)]:
        sweep = Sweep(study.model_copy(update={"passes": passes, "limit": limit}), {"seed": [0]})
        sweep.run(Painters(), silent(sweep))
    figure = charts.by_position(sweep.variants)
    assert {"1 silence", "3 memory"} <= texts(figure) and len(texts(figure)) == 5
    (frame, _) = open_run(sweep.variants[0].study.output_dir).frame(1, 1)
    canvas = figure.axes[0].get_images()[0].get_array()
    assert (canvas[: frame.height, : frame.width] == np.asarray(frame)).all()


def test_many_positions_are_shown_evenly_spread(sweep, monkeypatch):
    monkeypatch.setattr(charts, "MOST", 4)
    shown = charts.by_position(sweep.variants).axes[0].get_xticklabels()
    assert [text.get_text() for text in shown] == ["1 silence", "5 stone", "8 shadow", "12 glass"]


def test_one_position_is_followed_through_passes_also_where_some_runs_have_fewer(study):
    sweep = Sweep(study, {"passes": [1, 3]})
    sweep.run(Painters(), silent(sweep))
    figure = charts.by_pass(sweep.variants, 5)
    assert {"pass 1", "pass 2", "pass 3", "passes 1", "passes 3", "position 5"} == texts(figure)
    assert shown(figure, 0, 2) == (255, 255, 255)
    assert shown(figure, 1, 2) != (255, 255, 255)


def test_the_first_axis_goes_across_and_the_second_down(sweep):
    figure = charts.by_axes(sweep.planes[0], 5)
    assert texts(figure) == {
        "grid", "blend", "0.3", "0.6", "0.9", "method", "denoising_strength",
        "position 5, last pass",
    }  # fmt: skip
    variant = sweep.variants[4]  # blend, 0.6
    (frame, _) = open_run(variant.study.output_dir).frame(2, 5)
    width, height = frame.size
    canvas = figure.axes[0].get_images()[0].get_array()
    part = canvas[height + 1 : 2 * height + 1, width + 1 : 2 * width + 1]
    assert same(Image.fromarray(np.asarray(part)), frame)


def rows(**more: float) -> list[dict]:
    combined = itertools.product(["grid", "blend"], [0.3, 0.6], [1, 2, 3])
    return [
        {"method": m, "denoising_strength": d, "pass": n, "contrast": n * d, "sharpness": n} | more
        for m, d, n in combined
    ]


AXES = ("method", "denoising_strength")


def test_curves_have_a_panel_for_each_measure_and_a_line_for_each_combination():
    figure = charts.curves(rows(), AXES, {"contrast": "of L*", "sharpness": "of edges"})
    assert len(figure.axes) == 2
    assert {"contrast", "of L*", "grid, denoising_strength 0.3"} <= texts(figure)
    lines = figure.axes[0].get_lines()
    assert [line.get_ydata()[2] for line in lines] == pytest.approx([0.9, 1.8, 0.9, 1.8])


def test_lines_differ_in_more_than_colour():
    lines = charts.curves(rows(), AXES, {"contrast": ""}).axes[0].get_lines()
    looks = {(line.get_color(), line.get_linestyle()) for line in lines}
    assert len(looks) == 4
    assert len({style for _, style in looks}) == 2


def test_an_interval_is_a_band():
    plain = charts.curves(rows(), AXES, {"contrast": ""})
    banded = charts.curves(rows(contrast_low=0.1, contrast_high=3.0), AXES, {"contrast": ""})
    assert [len(figure.axes[0].collections) for figure in (plain, banded)] == [0, 4]


def test_curves_without_axes_or_with_nan_draw(tmp_path):
    one = [{"pass": 1, "contrast": float("nan")}]
    figure = charts.curves(one, [], {"contrast": "of L*"})
    assert charts.save(figure, tmp_path / "curves.svg").stat().st_size > 0
    assert Path(tmp_path / "curves.svg").read_text().startswith("<?xml")
