"""A snapshot: what a run holds, while it is made and afterwards, read without touching it."""

import errno
import json
import shutil

import pytest
from painted import WORDS, PaintedGenerator, files, write_words

from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.runs import layout
from flopslab.viewer.explorer import Explorer
from flopslab.viewer.snapshot import THUMBNAIL, RunSnapshot
from flopslab.words.sequence import Word

KEY = FrameKey(1, 1)


@pytest.fixture
def snapshot(paint) -> RunSnapshot:
    """Twelve positions, two passes, finished."""
    return RunSnapshot(paint().directory)


def unfinished(snapshot: RunSnapshot) -> RunSnapshot:
    """The same run, as it stands before its manifest is written."""
    (snapshot.directory / "visual-manifest.json").unlink()
    return RunSnapshot(snapshot.directory)


def texts(words: dict[int, Word]) -> dict[int, str]:
    return {position: word.text for position, word in words.items()}


def test_it_has_every_picture_of_a_finished_run(snapshot):
    assert snapshot.keys == tuple((number, p) for number in (1, 2) for p in range(1, 13))
    assert (snapshot.passes, snapshot.positions) == ((1, 2), tuple(range(1, 13)))
    assert snapshot.is_complete


def test_looking_writes_nothing(snapshot):
    before = files(snapshot.directory)
    for key in snapshot.keys:
        snapshot.thumbnail(key), snapshot.words(range(1, 13)), snapshot.ancestors(key)
    assert files(snapshot.directory) == before


def test_a_file_is_the_one_on_the_disk_and_a_thumbnail_is_small(snapshot):
    key = FrameKey(2, 5)
    path = snapshot.directory / "pass2" / "frame_000005.png"
    assert snapshot.file(key) == path.read_bytes()
    assert snapshot.recipe(key).position == 5
    assert snapshot.thumbnail(key)[:2] == b"\xff\xd8"  # JPEG
    assert max(snapshot.image(key).size) <= THUMBNAIL


def test_the_words_of_a_finished_run_come_from_the_manifest(snapshot):
    assert texts(snapshot.words(range(-2, 3))) == {1: "silence", 2: "fire"}


@pytest.mark.parametrize("names", [WORDS, ["same"] * 12, ["a", "a", "b"] * 4])
@pytest.mark.parametrize("parameters", [{}, {"frame_interval": 2}, {"boundary": "clamp"}])
def test_without_a_manifest_the_words_stand_where_the_recipes_say(
    tmp_path, paint, names, parameters
):
    sequence = write_words(tmp_path / "words.json", names)
    finished = RunSnapshot(paint(sequence=sequence, **parameters).directory)
    words = finished.words(range(1, 13))
    snapshot = unfinished(finished)
    assert not snapshot.is_complete
    for position in snapshot.positions:
        window = snapshot.recipe(FrameKey(1, position)).window
        assert snapshot.words(window) == {p: words[p] for p in window}


@pytest.fixture
def partly_silent(paint, tmp_path) -> RunSnapshot:
    """The words at 4 and 12 of twelve are silent, and the run is being made."""
    entries = [{"word": word, "silent": n in (4, 12)} for n, word in enumerate(WORDS, start=1)]
    path = tmp_path / "silent.json"
    path.write_text(json.dumps(entries))
    return unfinished(RunSnapshot(paint(sequence=str(path)).directory))


def test_no_word_of_a_window_with_a_silent_one_is_guessed(partly_silent):
    words = partly_silent.words(range(1, 13))
    assert texts(words) == {n: WORDS[n - 1] for n in (1, 2, 3, 5, 6, 7, 8, 9, 10, 11)}
    assert partly_silent.recipe(FrameKey(1, 12)).window == range(10, 13)


def test_silence_is_known_once_the_run_is_finished(partly_silent, paint, tmp_path):
    paint(sequence=str(tmp_path / "silent.json"))
    partly_silent.refresh()
    words = partly_silent.words(range(3, 5))
    assert words == {3: Word("memory"), 4: Word("ocean", silent=True)}


def test_ancestors_are_the_windows_of_windows(paint):
    snapshot = RunSnapshot(paint(passes=3, context_diameter=2).directory)
    assert snapshot.ancestors(FrameKey(3, 6)) == [(2, 4, 8), (1, 2, 10)]
    assert snapshot.ancestors(FrameKey(3, 1)) == [(2, 1, 3), (1, 1, 5)]
    assert snapshot.ancestors(FrameKey(1, 6)) == []


def test_a_frame_that_looked_at_nothing_has_no_ancestors(paint):
    snapshot = RunSnapshot(paint(control="no_images").directory)
    assert snapshot.ancestors(FrameKey(2, 6)) == []


def test_a_run_that_grows_is_taken_in_by_refresh(study, paint):
    paint(limit=3)
    snapshot = RunSnapshot(study.output_dir)
    assert snapshot.refresh() == set()
    paint(limit=5)
    assert {(1, 4), (1, 5), (2, 4), (2, 5)} <= snapshot.refresh()
    assert snapshot.positions == (1, 2, 3, 4, 5)
    assert snapshot.is_complete
    assert snapshot.manifest["total_frames"] == 5


class Stopping(PaintedGenerator):
    """Stops like a user after two frames."""

    def generate(self, requests, strength=1.0):
        if self.calls == 2:
            raise KeyboardInterrupt
        return super().generate(requests, strength)


@pytest.mark.parametrize("parameters", [{"limit": 8}, {"limit": 3, "passes": 3}])
def test_a_run_that_is_being_extended_is_not_complete(study, paint, parameters):
    paint(limit=3)
    snapshot = RunSnapshot(study.output_dir)
    assert snapshot.is_complete
    with pytest.raises(KeyboardInterrupt):
        paint(Stopping(), **parameters)
    snapshot.refresh()
    assert not snapshot.is_complete and snapshot.manifest is None


def test_what_is_left_over_of_a_longer_run_does_not_make_it_incomplete(study, paint):
    paint()
    paint(limit=3)
    assert RunSnapshot(study.output_dir).is_complete


def test_a_picture_that_was_made_again_is_read_again(study, snapshot):
    before = snapshot.thumbnail(KEY), snapshot.image(KEY).tobytes()
    shutil.rmtree(snapshot.directory)
    run(study.replace(seed=7), PaintedGenerator(guidance_scale=9.0), NullProgress())
    assert KEY in snapshot.refresh()
    assert snapshot.recipe(KEY).parameters["guidance_scale"] == 9.0
    assert (snapshot.thumbnail(KEY), snapshot.image(KEY).tobytes()) != before


def test_a_damaged_picture_is_an_error_and_has_no_thumbnail(snapshot):
    (snapshot.directory / "pass1" / "frame_000003.png").write_bytes(b"damaged")
    again = RunSnapshot(snapshot.directory)
    assert again.thumbnail(FrameKey(1, 3)) is None
    for read in (again.file, again.recipe, again.image):
        with pytest.raises(RunError, match="frame_000003"):
            read(FrameKey(1, 3))
    assert again.recipe(FrameKey(1, 4)).window == range(3, 6)


def test_an_empty_directory_is_an_empty_snapshot(tmp_path):
    snapshot = RunSnapshot(tmp_path / "nowhere")
    assert (snapshot.keys, snapshot.positions, snapshot.is_complete) == ((), (), False)


def test_a_run_with_one_frame(tmp_path):
    sequence = write_words(tmp_path / "one.json", ["alone"])
    study = Study(sequence=sequence, output_dir=str(tmp_path / "one"), passes=1)
    snapshot = RunSnapshot(run(study, PaintedGenerator(), NullProgress()).directory)
    assert texts(snapshot.words(range(1, 9))) == {1: "alone"}
    assert texts(unfinished(snapshot).words(range(1, 9))) == {1: "alone"}


class Forgetful(dict):
    """What is put in is dropped at once, as by a `refresh` in another thread."""

    def __setitem__(self, key, value):
        pass


def test_what_is_dropped_while_it_is_read_is_returned_all_the_same(snapshot):
    snapshot._recipes, snapshot._thumbnails = Forgetful(), Forgetful()
    assert snapshot.recipe(KEY).position == 1
    assert snapshot.thumbnail(KEY)


def test_a_directory_that_may_not_be_read_is_a_problem_until_it_may(snapshot, monkeypatch):
    keys = snapshot.keys
    with monkeypatch.context() as patch:
        patch.setattr(layout.os, "listdir", refuse)
        assert snapshot.refresh() == set()
        assert "Permission denied" in str(snapshot.problem)
        with pytest.raises(RunError, match="Permission denied"):
            Explorer(snapshot.directory)
    assert snapshot.refresh() == set()
    assert (snapshot.keys, snapshot.problem) == (keys, None)


def refuse(directory):
    raise PermissionError(errno.EACCES, "Permission denied", str(directory))
