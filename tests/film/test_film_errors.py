"""What goes wrong is an error that says what to do, and leaves every file as it was."""

import os
import sys

import pytest
from cells import cell
from coded import make_run, words
from PIL import Image

from flopslab.errors import FlopslabWarning, ParameterError, RunError
from flopslab.film.assembly import make_film
from flopslab.film.settings import FilmSettings
from flopslab.progress import NullProgress


@pytest.fixture
def check_error(tmp_path):
    """`check_error(error, match, run, ...)`: making this film is that error and leaves no file."""

    def check(kind, match, run_dir, name="film.mp4", **options):
        folder = tmp_path / "films"
        folder.mkdir(exist_ok=True)
        before = sorted(folder.iterdir())
        with pytest.raises(kind, match=match):
            make_film(run_dir, folder / name, progress=NullProgress(), **options)
        assert sorted(folder.iterdir()) == before

    return check


def test_an_unfinished_run(run_dir, check_error):
    (run_dir / "visual-manifest.json").unlink()
    check_error(RunError, "the manifest is written last", run_dir)


def test_a_directory_without_a_run(tmp_path, check_error):
    check_error(RunError, "give the output_dir of a run", tmp_path)


def test_a_missing_picture(run_dir, check_error):
    (run_dir / "pass2" / "frame_000007.png").unlink()
    check_error(RunError, "pass2 at 7", run_dir)


def test_a_picture_that_is_cut_off(run_dir, check_error):
    path = run_dir / "pass2" / "frame_000007.png"
    path.write_bytes(path.read_bytes()[:-20])
    check_error(RunError, "pass2 at 7", run_dir)


class Counter(NullProgress):
    def __init__(self):
        self.total, self.done, self.words, self.ended = 0, 0, [], False

    def start(self, frames):
        (self.total,) = frames

    def advance(self, pass_number, count, words):
        self.done += count
        self.words.append(words)

    def end(self):
        self.ended = True


def test_a_damaged_picture_is_noticed_before_the_first_frame(run_dir, tmp_path):
    path = run_dir / "pass2" / "frame_000012.png"
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)
    progress = Counter()
    with pytest.raises(RunError, match=r"frame_000012\.png"):
        make_film(run_dir, tmp_path / "a.mp4", progress=progress)
    assert progress.total == 0 and not list(tmp_path.glob("*a.*"))


def test_a_picture_of_the_run_in_the_place_of_another(run_dir, check_error):
    pictures = run_dir / "pass2"
    os.replace(pictures / "frame_000008.png", pictures / "frame_000007.png")
    check_error(RunError, "pass2 at 7: the frame of pass 2 at position 8", run_dir)


def test_a_picture_of_another_program(run_dir, check_error):
    Image.new("RGB", (16, 16)).save(run_dir / "pass2" / "frame_000007.png")
    check_error(RunError, "pass2 at 7", run_dir)


def test_a_run_that_lacks_a_picture_of_any_pass_is_not_finished(run_dir, check_error):
    (run_dir / "pass1" / "frame_000007.png").unlink()
    check_error(RunError, "pass1 at 7", run_dir)


@pytest.mark.parametrize("name", ["film.avi", "film", "film.MP3"])
def test_an_unknown_suffix(twelve, check_error, name):
    check_error(ParameterError, r"\.mp4, \.webm", twelve, name)


def test_a_missing_sound(twelve, check_error, tmp_path):
    check_error(ParameterError, "No such file", twelve, sound=tmp_path / "song.wav")


def test_a_place_that_cannot_be_written(twelve, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="make sure that the directory can be written"):
        make_film(twelve, tmp_path / "file" / "film.mp4", progress=NullProgress())


class FullDisk(NullProgress):
    """The disk is full after the first picture."""

    def advance(self, pass_number, count, words):
        raise OSError(28, "No space left on device")


def test_a_full_disk(twelve, tmp_path):
    with pytest.raises(RunError, match="No space left on device"):
        make_film(twelve, tmp_path / "films" / "film.mp4", progress=FullDisk())
    assert list((tmp_path / "films").iterdir()) == []


def test_the_sound_and_the_files_of_others_are_not_replaced(twelve, check_error, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "song.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nmine\n")
    check_error(ParameterError, "song.srt, which is not that of a film", twelve, "song.mp4")
    (folder / "talk.mp4").write_text("")
    check_error(ParameterError, "its own sound", twelve, "talk.mp4", sound=folder / "talk.mp4")


class Interrupt(NullProgress):
    """Somebody presses Ctrl-C after the fifth picture."""

    count = 0

    def advance(self, pass_number, count, words):
        self.count += 1
        if self.count == 5:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["film.mp4", "film.webm"])
def test_an_interrupt_leaves_the_old_film_and_no_half_one(twelve, film, name):
    made = film(twelve, name)
    old = {path: path.read_bytes() for path in made.path.parent.iterdir()}
    settings = FilmSettings(timing="fps")
    with pytest.raises(KeyboardInterrupt):
        make_film(twelve, made.path, settings=settings, sound="tones", progress=Interrupt())
    assert {path: path.read_bytes() for path in made.path.parent.iterdir()} == old
    assert film(twelve, name, timing="fps").frames > 100


def test_without_pyav_the_extra_is_named(twelve, check_error, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    check_error(ParameterError, r"pip install 'flopslab\[film\]'", twelve)


@pytest.mark.parametrize(
    ("names", "match"),
    [
        ({"fps": 0}, "fps: input should be greater than or equal to 1"),
        ({"fps": "25"}, "fps: input should be a valid number"),
        ({"timing": "rough"}, "'exact' or 'fps'"),
        ({"transition": "sharp"}, "'cut', 'crossfade', 'dissolve', 'flow' or 'morph'"),
        ({"transition_ms": [100, 200, 300]}, "transition_ms"),
        ({"passes": "every"}, "passes"),
        ({"frame_mss": 3}, "use frame_ms instead of frame_mss"),
        ({"fps": 0, "quality": 90}, "fps = 0; quality = 90"),
    ],
)
def test_a_parameter_out_of_range_is_named_with_what_is_allowed(names, match):
    with pytest.raises(ParameterError, match=match):
        FilmSettings(**names)


def test_a_cell_of_a_notebook_is_read_with_its_mistakes():
    parameters = {"fps": 12.0, "run_dir": "out"}
    namespace = cell(parameters) | {"mine": 3, "Path": os.PathLike}
    assert FilmSettings.from_cell(namespace, own=["run_dir"]) == FilmSettings(fps=12.0)
    with pytest.raises(ParameterError, match="use transition instead of transitionn"):
        FilmSettings.from_cell(cell(parameters | {"transitionn": "flow"}), own=["run_dir"])


def test_a_remark_is_a_warning_and_stands_in_the_result(tmp_path, film):
    run_dir = make_run(tmp_path / "run", words(8), limit=2)
    with pytest.warns(FlopslabWarning, match="2 pictures for 8 words") as seen:
        made = film(run_dir, end="words")
    assert [str(warning.message) for warning in seen] == list(made.remarks)


def test_progress_counts_every_frame_and_names_every_word(twelve, tmp_path):
    progress, settings = Counter(), FilmSettings(timing="fps")
    made = make_film(twelve, tmp_path / "a.mp4", settings=settings, progress=progress)
    assert progress.total == progress.done == made.frames > 12 and progress.ended
    assert progress.words == [f"w{k}" for k in range(1, 13)]
