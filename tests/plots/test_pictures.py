"""Sheets of pictures: every picture where it belongs, every label legible, words as they are."""

import itertools

import numpy as np
import pytest
from figures import canvas, colour_at, texts
from matplotlib.text import Text
from PIL import Image

from flopslab.errors import RunError
from flopslab.plots import pictures, style

AWKWARD = ["$x^2$", "$", "a\nb", "<b>", "🌊", "日本", "w" * 500]


def colour(row: int, column: int) -> tuple[int, int, int]:
    return 40 * row + 10, 20 * column + 10, 7


def grid(
    rows: int, columns: int, size: tuple[int, int] = (16, 8)
) -> list[list[pictures.Picture | None]]:
    return [[Image.new("RGB", size, colour(y, x)) for x in range(columns)] for y in range(rows)]


def test_a_sheet_has_every_picture_below_its_column_and_beside_its_row():
    sheet = pictures.picture_sheet(
        grid(2, 3), ["one", "two"], list("abc"), "title", across="across", down="down", note="note"
    )
    assert set(texts(sheet)) == {*"abc", "one", "two", "title", "across", "down", "note"}
    for row, column in itertools.product(range(2), range(3)):
        assert colour_at(sheet, row, column) == colour(row, column)


def test_a_missing_picture_leaves_its_place_white():
    incomplete = grid(2, 2)
    incomplete[0][0] = None
    sheet = pictures.picture_sheet(incomplete, ["one", "two"], ["a", "b"])
    assert colour_at(sheet, 0, 0) == (255, 255, 255)
    assert colour_at(sheet, 1, 1) == colour(1, 1)


def test_a_sheet_without_any_picture_is_refused():
    with pytest.raises(RunError, match="pictures for a sheet"):
        pictures.picture_sheet([[None, None]], ["one"], ["a", "b"])


def test_pictures_of_another_size_are_fitted_into_that_of_the_first():
    mixed = grid(1, 2)
    mixed[0][1] = Image.new("RGB", (64, 64), "red")
    sheet = pictures.picture_sheet(mixed, ["one"], ["a", "b"])
    assert canvas(sheet).shape == (8, 16 + 1 + 16, 3)


def test_pictures_are_read_from_paths_as_well(tmp_path):
    Image.new("RGB", (16, 8), colour(0, 0)).save(tmp_path / "a.png")
    sheet = pictures.picture_sheet([[tmp_path / "a.png"]], ["one"], ["a"])
    assert colour_at(sheet, 0, 0) == colour(0, 0)


@pytest.mark.parametrize("word", AWKWARD)
def test_any_text_can_be_a_label(word):
    sheet = pictures.picture_sheet(grid(1, 1), [word], [word], word, across=word, down=word)
    assert texts(sheet)
    labels = [artist for artist in sheet.findobj(Text) if isinstance(artist, Text)]
    visible = [label for label in labels if label.get_text() and label.get_visible()]
    assert {label.get_parse_math() for label in visible} == {False}


@pytest.mark.parametrize(("count", "most"), [(1, 12), (12, 12), (13, 12), (700, 12), (700, 1)])
def test_a_sample_is_even_and_has_the_first_and_the_last(count, most):
    indices = pictures.sample(count, most)
    assert len(indices) == min(count, most)
    assert indices[0] == 0
    assert indices[-1] == (count - 1 if most > 1 else 0)
    gaps = {after - before for before, after in itertools.pairwise(indices)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_difference_is_amplified_and_black_where_there_is_none():
    before = Image.new("RGB", (2, 1), (10, 10, 10))
    after = before.copy()
    after.putpixel((0, 0), (12, 10, 110))
    difference = pictures.amplified_difference(before, after)
    assert [difference.getpixel((x, 0)) for x in (0, 1)] == [(16, 0, 255), (0, 0, 0)]


def test_a_saved_sheet_includes_its_labels(tmp_path):
    widths = []
    for label in ("i", "a rather long name of a row"):
        sheet = pictures.picture_sheet(grid(1, 2, (64, 64)), [label], ["a", "b"])
        with Image.open(style.save(sheet, tmp_path / "sheet.png")) as file:
            widths.append(file.width)
    assert widths[1] > widths[0] + 100


def test_figures_are_exported_in_vectors(tmp_path):
    sheet = pictures.picture_sheet(grid(1, 1), ["one"], ["a"])
    pdf, svg = style.export({"sheet": sheet}, tmp_path / "new" / "figures", "pdf", "svg")
    assert pdf.read_bytes().startswith(b"%PDF") and b"<svg" in svg.read_bytes()


def test_a_notebook_shows_the_alt_text_of_a_figure():
    sheet = pictures.picture_sheet(grid(1, 1), ["one"], ["a"], alt="One <b>picture</b>")
    data, metadata = sheet._repr_mimebundle_()
    assert data["text/plain"] == metadata["image/png"]["alt"] == "One <b>picture</b>"
    assert data["image/png"].startswith("iVBOR")  # a PNG in base64


def test_categories_differ_in_colour_marker_and_line():
    assert len(set(style.COLOURS)) == len(set(style.MARKERS)) == 7
    styles = [style.line_style(index) for index in range(4)]
    for part in ("color", "ls", "marker"):
        assert len({item[part] for item in styles}) == 4
    assert style.line_style(8)["color"] == style.COLOURS[1]  # more than there are begin again


def test_a_line_can_take_colour_line_and_marker_from_three_axes():
    first, last = style.line_style(0, 1, 2), style.line_style(3, 1, 2)
    assert first["color"] != last["color"]
    assert (first["ls"], first["marker"]) == (last["ls"], last["marker"])
    assert np.unique([first["ls"], style.LINES[1]]).size == 1
