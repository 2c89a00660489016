"""Figures: every pass in a row, evenly sampled where there is no room, words as they are."""

import io
import itertools
import warnings

import pytest
from matplotlib.figure import Figure
from PIL import Image

from flopslab.plots import runs as figures


def pictures(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (16, 8), (index, 0, 0)) for index in range(count)]


def texts(figure: Figure) -> list[str]:
    """Everything that is written on the figure, which draws without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(io.BytesIO(), dpi=20)
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return [text.get_text() for text in found if text.get_text()]


@pytest.mark.parametrize(("count", "most"), [(1, 12), (12, 12), (13, 12), (700, 12), (700, 1)])
def test_a_sample_is_even_and_has_the_first_and_the_last(count, most):
    shown = figures.sample(count, most)
    assert len(shown) == min(count, most)
    assert shown[0] == 0
    assert shown[-1] == (count - 1 if most > 1 else 0)
    gaps = {after - before for before, after in itertools.pairwise(shown)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_contact_sheet_has_a_row_per_pass_and_a_column_per_frame():
    sheet = figures.contact_sheet([pictures(5)] * 3, list("abcde"))
    assert len(sheet.axes) == 15
    assert {"pass 1", "pass 2", "pass 3", *"abcde"} == set(texts(sheet))


def test_a_contact_sheet_that_shows_only_some_frames_says_so():
    sheet = figures.contact_sheet([pictures(200)], [f"{n}" for n in range(200)], columns=8)
    assert len(sheet.axes) == 8
    assert "8 of 200 frames, evenly spread" in texts(sheet)
    shown = [place.get_images()[0].get_array()[0, 0, 0] for place in sheet.axes]
    assert shown == figures.sample(200, 8)


def test_pictures_are_read_from_paths_as_well(tmp_path):
    pictures(1)[0].save(tmp_path / "a.png")
    assert "a" in texts(figures.contact_sheet([[tmp_path / "a.png"]], ["a"]))


@pytest.mark.parametrize("passes", [1, 3, 6])
def test_one_position_is_shown_in_every_pass(passes):
    figure = figures.through_passes(pictures(passes), "position 1: silence")
    numbers = range(1, passes + 1)
    assert {"position 1: silence", *(f"pass {n}" for n in numbers)} == set(texts(figure))
    assert len(figure.axes) == passes


def test_timing_tells_frames_made_from_frames_kept():
    found = texts(figures.timing([10.0, 0.01], made=[40, 0], kept=[8, 48]))
    assert "40 made, 4.00 frames/s, 8 kept" in found
    assert "48 kept" in found


@pytest.mark.parametrize("word", ["$x^2$", "$", "a\nb", "<b>", "🌊", "日本", "w" * 500])
def test_any_word_can_be_a_caption(word):
    assert len(texts(figures.contact_sheet([pictures(1)], [word]))) == 2


def test_dollar_signs_make_no_formula():
    sheet = figures.contact_sheet([pictures(1)], ["$x^2$"])
    assert not sheet.axes[0].title.get_parse_math()
