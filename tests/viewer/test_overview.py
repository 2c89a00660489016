"""The map: a cell for each picture, nothing where there is none, measures as colour."""

import numpy as np
import pytest

from flopslab.viewer import overview
from flopslab.viewer.overview import DIFFERENCE, MEASURES
from flopslab.viewer.snapshot import Album


@pytest.fixture
def album(paint) -> Album:
    """Five positions, two passes; one picture of pass 2 is missing."""
    found = Album(paint(limit=5).directory)
    (found.directory / "pass2" / "frame_000003.png").unlink()
    found.refresh()
    return found


def test_the_map_has_a_square_cell_for_each_picture(album):
    for key in album.keys:
        album.thumbnail(key)
    sheet = np.asarray(overview.of_pictures(album))
    side = overview.CELL
    assert sheet.shape == (2 * side, 5 * side, 4)
    there = sheet.reshape(2, side, 5, side, 4)[..., 3].min(axis=(1, 3)) == 255
    assert there.tolist() == [[True] * 5, [True, True, False, True, True]]


def test_pictures_without_a_thumbnail_wait(album):
    assert np.asarray(overview.of_pictures(album))[..., 3].max() == 0


def test_a_long_run_has_narrow_cells(paint, monkeypatch):
    monkeypatch.setattr(overview, "WIDEST", 24)
    assert overview.of_pictures(Album(paint().directory)).size == (24, 4)


def test_values_are_colours_from_dark_to_light(album):
    pixels = np.asarray(overview.of_values(album, {(1, 1): 0.0, (1, 2): 1.0, (2, 5): 2.0}))
    assert pixels.shape == (2, 5, 4)
    assert (pixels[..., 3] > 0).sum() == 3
    light = pixels[..., :3].sum(axis=2)
    assert light[0, 0] < light[0, 1] < light[1, 4]


def test_the_least_difference_does_not_look_like_none(album):
    drawn = overview.of_values(album, {(1, 1): 0.0, (1, 2): 1e-6, (1, 3): 1.0})
    nothing, little = np.asarray(drawn)[0, :2]
    assert nothing.tolist() != little.tolist()


@pytest.mark.parametrize("measure", [name for name in MEASURES if name != DIFFERENCE])
def test_every_measure_has_a_value_for_a_picture(album, measure):
    assert overview.measured(measure, album, None, (2, 2)) > 0


def test_a_measure_of_what_is_not_there_is_none(album):
    assert overview.measured("contrast", album, None, (2, 3)) is None
    assert overview.measured(DIFFERENCE, album, None, (1, 1)) is None


def test_the_difference_of_two_runs_is_nothing_where_they_share(album, paint, tmp_path):
    other = Album(paint(limit=5, seed=1, output_dir=str(tmp_path / "other")).directory)
    assert overview.measured(DIFFERENCE, album, album, (1, 1)) == 0
    assert overview.measured(DIFFERENCE, album, other, (1, 1)) > 0
