"""The map: a cell for each picture, nothing where there is none, measures as colour."""

import numpy as np
import pytest

from flopslab.core.windows import FrameKey
from flopslab.viewer import map_image
from flopslab.viewer.map_image import DIFFERENCE, MEASURES
from flopslab.viewer.snapshot import RunSnapshot


@pytest.fixture
def snapshot(paint) -> RunSnapshot:
    """Five positions, two passes; one picture of pass 2 is missing."""
    snapshot = RunSnapshot(paint(limit=5).directory)
    (snapshot.directory / "pass2" / "frame_000003.png").unlink()
    snapshot.refresh()
    return snapshot


def test_the_map_has_a_square_cell_for_each_picture(snapshot):
    for key in snapshot.keys:
        snapshot.thumbnail(key)
    sheet = np.asarray(map_image.thumbnail_sheet(snapshot))
    side = map_image.CELL
    assert sheet.shape == (2 * side, 5 * side, 4)
    there = sheet.reshape(2, side, 5, side, 4)[..., 3].min(axis=(1, 3)) == 255
    assert there.tolist() == [[True] * 5, [True, True, False, True, True]]


def test_pictures_without_a_thumbnail_wait(snapshot):
    assert np.asarray(map_image.thumbnail_sheet(snapshot))[..., 3].max() == 0


def test_a_long_run_has_narrow_cells(paint, monkeypatch):
    monkeypatch.setattr(map_image, "WIDEST", 24)
    assert map_image.thumbnail_sheet(RunSnapshot(paint().directory)).size == (24, 4)


def test_rows_and_columns_have_names(snapshot):
    assert map_image.row_names(snapshot) == ["pass 1", "pass 2"]
    assert map_image.column_names(snapshot)[4] == "position 5 · stone"


def test_what_went_into_a_picture_is_a_span_of_cells_in_each_row(paint):
    snapshot = RunSnapshot(paint(passes=3, frame_interval=2).directory)
    key = FrameKey(3, 5)  # in the third of six columns
    assert map_image.ancestor_cells(snapshot, key) == [(1, 1, 3), (0, 0, 4)]


def test_a_span_ends_at_pictures_that_are_there(snapshot):
    for number in (1, 2):
        (snapshot.directory / f"pass{number}" / "frame_000005.png").unlink()
    snapshot.refresh()
    assert map_image.ancestor_cells(snapshot, FrameKey(2, 4)) == [(0, 1, 3)]


def test_values_are_colours_from_dark_to_light(snapshot):
    values = {FrameKey(1, 1): 0.0, FrameKey(1, 2): 1.0, FrameKey(2, 5): 2.0}
    pixels = np.asarray(map_image.value_sheet(snapshot, values))
    assert pixels.shape == (2, 5, 4)
    assert (pixels[..., 3] > 0).sum() == 3
    light = pixels[..., :3].sum(axis=2)
    assert light[0, 0] < light[0, 1] < light[1, 4]


def test_the_least_difference_does_not_look_like_none(snapshot):
    values = {FrameKey(1, 1): 0.0, FrameKey(1, 2): 1e-6, FrameKey(1, 3): 1.0}
    zero, tiny = np.asarray(map_image.value_sheet(snapshot, values))[0, :2]
    assert zero.tolist() != tiny.tolist()


@pytest.mark.parametrize("measure", [name for name in MEASURES if name != DIFFERENCE])
def test_every_measure_has_a_value_for_a_picture(snapshot, measure):
    assert map_image.measure_frame(measure, snapshot, None, FrameKey(2, 2)) > 0


def test_a_measure_of_what_is_not_there_is_none(snapshot):
    assert map_image.measure_frame("contrast", snapshot, None, FrameKey(2, 3)) is None
    assert map_image.measure_frame(DIFFERENCE, snapshot, None, FrameKey(1, 1)) is None


def test_the_difference_of_two_runs_is_nothing_where_they_share(snapshot, paint, tmp_path):
    variant = RunSnapshot(paint(limit=5, seed=1, output_dir=str(tmp_path / "other")).directory)
    key = FrameKey(1, 1)
    assert map_image.measure_frame(DIFFERENCE, snapshot, snapshot, key) == 0
    assert map_image.measure_frame(DIFFERENCE, snapshot, variant, key) > 0
