"""An album: what a run holds, while it is made and afterwards, read without touching it."""

import shutil

import pytest
from painted import WORDS, PaintedGenerator, files, write_words

from flopslab.core.study import Study
from flopslab.errors import RunError
from flopslab.passes import run
from flopslab.progress import NoProgress
from flopslab.viewer.snapshot import THUMBNAIL, Album


@pytest.fixture
def album(paint) -> Album:
    """Twelve positions, two passes, finished."""
    return Album(paint().directory)


def unfinished(album: Album) -> Album:
    """The same run, as it stands before its manifest is written."""
    (album.directory / "visual-manifest.json").unlink()
    return Album(album.directory)


def test_it_knows_every_picture_of_a_finished_run(album):
    assert album.keys == tuple((number, p) for number in (1, 2) for p in range(1, 13))
    assert (album.passes, album.positions) == ((1, 2), tuple(range(1, 13)))
    assert album.complete


def test_looking_writes_nothing(album):
    before = files(album.directory)
    for key in album.keys:
        album.thumbnail(key), album.window(key), album.ancestors(key)
    assert files(album.directory) == before


def test_a_file_is_the_one_on_the_disk_and_a_thumbnail_is_small(album):
    path = album.directory / "pass2" / "frame_000005.png"
    assert album.file((2, 5)) == path.read_bytes()
    assert album.recipe((2, 5)).position == 5
    assert album.thumbnail((2, 5))[:2] == b"\xff\xd8"  # JPEG
    assert max(album.image(2, 5).size) <= THUMBNAIL


def test_the_window_and_the_words_around_it_come_from_the_manifest(album):
    assert album.window((1, 5)) == range(4, 7)
    assert album.window((1, 1)) == range(1, 4)  # shifted inward
    assert album.window((1, 12)) == range(10, 13)
    assert album.words(range(-2, 3)) == {1: "silence", 2: "fire"}


@pytest.mark.parametrize("names", [WORDS, ["same"] * 12, ["a", "b"] * 6, ["a", "a", "b"] * 4])
@pytest.mark.parametrize("parameters", [{}, {"frame_interval": 2}, {"boundary": "clamp"}])
def test_without_a_manifest_the_words_stand_where_they_stood(tmp_path, paint, names, parameters):
    sequence = write_words(tmp_path / "words.json", names)
    finished = Album(paint(sequence=sequence, **parameters).directory)
    known = finished.words(range(1, 13))
    windows = {p: finished.window((1, p)) for p in finished.positions}
    album = unfinished(finished)
    assert not album.complete
    for position in reversed(album.positions):  # the last ones first: nothing is known before
        said = album.words(album.window((1, position)))
        assert list(said.values()) == [known[p] for p in windows[position]]
    if len(set(names)) == 12:
        assert {p: album.window((1, p)) for p in album.positions} == windows


def test_ancestors_are_the_windows_of_windows(paint):
    album = Album(paint(passes=3, context_diameter=2).directory)
    assert album.ancestors((3, 6)) == [(2, 4, 8), (1, 2, 10)]
    assert album.ancestors((3, 1)) == [(2, 1, 3), (1, 1, 5)]
    assert album.ancestors((1, 6)) == []


def test_a_run_that_grows_is_taken_in_by_refresh(study, paint):
    paint(limit=3)
    album = Album(study.output_dir)
    assert album.refresh() == set()
    paint(limit=5)
    new = album.refresh()
    assert {(1, 4), (1, 5), (2, 4), (2, 5)} <= new
    assert album.positions == (1, 2, 3, 4, 5)


def test_a_picture_that_was_made_again_is_read_again(study, album):
    before = album.thumbnail((1, 1)), album.image(1, 1).tobytes()
    shutil.rmtree(album.directory)
    other = PaintedGenerator(guidance_scale=9.0)
    run(study.model_copy(update={"seed": 7}), other, NoProgress())
    assert (1, 1) in album.refresh()
    assert album.recipe((1, 1)).made_with["guidance_scale"] == 9.0
    assert (album.thumbnail((1, 1)), album.image(1, 1).tobytes()) != before


def test_a_damaged_picture_is_an_error_and_has_no_thumbnail(album):
    (album.directory / "pass1" / "frame_000003.png").write_bytes(b"damaged")
    again = Album(album.directory)
    assert again.thumbnail((1, 3)) is None
    for read in (again.file, again.recipe, again.window, lambda key: again.image(*key)):
        with pytest.raises(RunError, match="frame_000003"):
            read((1, 3))
    assert again.window((1, 4)) == range(3, 6)


def test_an_empty_directory_is_an_empty_album(tmp_path):
    album = Album(tmp_path / "nowhere")
    assert (album.keys, album.positions, album.complete) == ((), (), False)


def test_an_album_of_a_run_with_one_frame(tmp_path):
    words = write_words(tmp_path / "one.json", ["alone"])
    study = Study.of(sequence=words, output_dir=str(tmp_path / "one"), passes=1)
    album = Album(run(study, PaintedGenerator(), NoProgress()).directory)
    assert album.window((1, 1)) == range(1, 2)
    assert unfinished(album).window((1, 1)) == range(1, 2)


class Forgetful(dict):
    """What is put in is dropped at once, as by a `refresh` in another thread."""

    def __setitem__(self, key, value):
        pass


def test_what_is_dropped_while_it_is_asked_for_is_given_all_the_same(album):
    album._recipes, album._thumbnails = Forgetful(), Forgetful()
    assert album.recipe((1, 1)).position == 1
    assert album.thumbnail((1, 1))
