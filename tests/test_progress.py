"""RunBar: a bar for a run, with frames/s, the time left, the current pass and words."""

import errno
import io
import os
import pty
import subprocess
import sys

import nbformat
import pytest
from painted import PaintedGenerator

from flopslab.errors import FlopslabWarning
from flopslab.passes import run
from flopslab.progress import NullProgress, OverallBar, RunBar
from flopslab.progress.outlets import WIDTH, Outlet
from flopslab.progress.painters import Lines


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lines(file: io.StringIO) -> list[str]:
    """Every state that the bars had, in order."""
    return [line.rstrip() for line in file.getvalue().replace("\n", "\r").split("\r") if line]


def watch(clock: Clock, costs=(), **options) -> tuple[RunBar, io.StringIO]:
    file = io.StringIO()
    return RunBar(costs, file=file, every=0, clock=clock, **options), file


def test_one_bar_shows_all_passes_and_a_line_when_one_is_complete(clock):
    progress, file = watch(clock, [1.0, 1.0])
    progress.start([4, 4])
    progress.advance(1, 4, "silence")
    progress.advance(2, 2, "silence")
    clock.now += 63
    progress.finish(1, "pass 1: 4 made")
    progress.advance(2, 2, "fire")
    progress.finish(2, "pass 2: 4 made")
    progress.end()
    ended = [line.rsplit("\r", 1)[-1].rstrip() for line in file.getvalue().splitlines()]
    assert file.getvalue().count("\n") == 3
    assert [line for line in lines(file) if line.startswith("pass")] == [
        "pass 1: 4 made, after 01:03",
        "pass 2: 4 made, after 01:03",
    ]
    assert ended[-1].startswith("run ") and "8/8" in ended[-1] and "left" not in ended[-1]


def test_a_bar_shows_frames_per_second_the_pass_and_the_current_words(clock):
    progress, file = watch(clock, [1.0, 0.5])
    progress.start([4, 4])
    clock.now += 1
    progress.advance(1, 2, "silence fire")
    assert "2.0 frames/s" in lines(file)[-1]
    assert lines(file)[-1].endswith("pass 1/2: silence fire")
    clock.now += 1
    progress.advance(2, 4, "memory")
    assert "4.0 frames/s" in lines(file)[-1], "a frame of pass 2 costs half"
    assert lines(file)[-1].endswith("pass 2/2: memory")


def test_the_time_left_is_that_of_the_whole_run_at_each_pass_own_cost(clock):
    progress, file = watch(clock, [1.0, 0.5, 0.5])
    progress.start([10, 10, 10])
    clock.now += 2
    progress.advance(1, 2, "")
    assert "00:18 left" in lines(file)[-1]  # 8 x 1 s + 20 x 0.5 s
    clock.now += 2
    progress.advance(2, 4, "")
    assert "00:16 left" in lines(file)[-1]  # 8 x 1 s + 16 x 0.5 s


def test_frames_that_are_there_cost_no_time(clock):
    progress, file = watch(clock)
    progress.start([10])
    clock.now += 2
    progress.advance(1, 1, "a")
    clock.now += 50
    progress.keep(1, 7)
    clock.now += 2
    progress.advance(1, 1, "b")
    assert "9/10" in lines(file)[-1] and "00:02 left" in lines(file)[-1]


def test_a_run_of_kept_frames_says_so(clock):
    progress, file = watch(clock)
    progress.start([10])
    progress.keep(1, 10)
    progress.end()
    assert lines(file)[-1].endswith("10/10 kept")


def test_a_bar_can_have_another_name(clock):
    progress, file = watch(clock, title="3 interventions")
    progress.start([4])
    progress.advance(1, 1, "silence")
    progress.end()
    assert lines(file)[-1].startswith("3 interventions ") and "pass" not in file.getvalue()


def test_a_run_that_breaks_off_keeps_its_last_state(clock):
    progress, file = watch(clock)
    progress.start([10])
    progress.advance(1, 3, "silence")
    progress.end()
    assert "3/10" in lines(file)[-1]


@pytest.mark.parametrize("words", ["a\r\nb\x1b[2Jc\u202ed", "{bar} {0} %s <b>", "w" * 1000])
def test_words_of_any_kind_stay_on_their_line(clock, words):
    progress, file = watch(clock)
    progress.start([2])
    progress.advance(1, 1, words)
    last = lines(file)[-1]
    assert last.startswith("run ")
    assert last.isprintable()
    assert len(last) <= WIDTH


def test_words_that_find_no_room_are_cut_and_say_so(clock):
    progress, file = watch(clock)
    progress.start([2])
    progress.advance(1, 1, "silence " * 10)
    assert lines(file)[-1].endswith(": silence silence silence…")


def test_many_runs_have_one_bar_and_the_time_left_of_all(clock):
    file = io.StringIO()
    progress = OverallBar([[1.0, 0.5], [1.0, 0.1]], [10, 10], file=file, every=0, clock=clock)
    progress.follow("grid")
    progress.start([10, 10])
    clock.now += 10
    progress.advance(1, 10, "silence")
    assert "10/40" in lines(file)[-1]
    assert "00:16 left, grid, pass 1/2: silence" in lines(file)[-1]  # 10 x (0.5 + 1 + 0.1) s
    progress.keep(2, 10)
    progress.finish(2, "pass 2: 10 kept")
    progress.end()
    assert lines(file)[-1].startswith("run 1/2") and "20/40" in lines(file)[-1]
    progress.follow("blend")
    progress.start([10, 10])
    progress.keep(1, 10)  # shared, so it takes no time
    clock.now += 0.5
    progress.advance(2, 5, "silence")
    assert "35/40" in lines(file)[-1]
    assert "00:00 left, blend, pass 2/2" in lines(file)[-1]  # 5 x 0.1 s
    progress.advance(2, 5, "silence")
    progress.end()
    progress.close()
    assert "40/40" in lines(file)[-1] and "left" not in lines(file)[-1]
    assert file.getvalue().count("\n") == 1


def test_no_progress_shows_nothing(capfd):
    progress = NullProgress()
    progress.start([2])
    progress.advance(1, 2, "silence")
    progress.end()
    assert capfd.readouterr() == ("", "")


SOURCE = """
from flopslab.progress import RunBar
progress = RunBar([1.0, 1.0], every=0)
progress.start([3, 3])
for number in (1, 2):
    for word in ("silence", "<b>fire</b>", "memory"):
        progress.advance(number, 1, word)
    progress.finish(number, f"pass {number}: 3 made")
progress.end()
"""


@pytest.fixture(scope="module")
def papermill(tmp_path_factory) -> tuple[nbformat.NotebookNode, str]:
    """(the saved copy, what the terminal showed) of a notebook that shows progress."""
    directory = tmp_path_factory.mktemp("papermill")
    cells = [nbformat.v4.new_code_cell(SOURCE)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), directory / "in.ipynb")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb"]
    env = {name: os.environ[name] for name in os.environ if name != "PYTEST_CURRENT_TEST"}
    # with it, ipykernel leaves its streams alone
    with subprocess.Popen(command, cwd=directory, env=env, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = _all(ours)
    assert process.returncode == 0, shown
    return nbformat.read(directory / "out.ipynb", 4), shown


def _all(descriptor: int) -> str:
    """What is written to a terminal until its other end is closed."""
    found = b""
    try:
        while part := os.read(descriptor, 4096):
            found += part
    except OSError:  # how Linux says that the other end is closed
        os.close(descriptor)
    return found.decode()


@pytest.mark.slow
def test_the_saved_copy_holds_a_line_of_text_per_pass_the_last_bar_and_no_widget(papermill):
    saved, _ = papermill
    outputs = saved.cells[0].outputs
    assert [list(output.data) for output in outputs] == [["text/plain"]] * 3
    texts = [output.data["text/plain"] for output in outputs]
    assert texts[0].startswith("pass 1: 3 made") and texts[1].startswith("pass 2: 3 made")
    assert "6/6" in texts[2]
    assert "widgets" not in saved.metadata


@pytest.mark.slow
def test_the_terminal_that_papermill_runs_in_shows_the_bars(papermill):
    _, shown = papermill
    assert "pass 1/2" in shown
    assert "pass 2/2" in shown


def test_a_bar_that_has_not_begun_ignores_frames():
    bars, file = watch(Clock())
    bars.advance(1, 1, "sea")
    bars.keep(1, 1)
    bars.end()
    assert file.getvalue() == ""


class Broken(io.StringIO):
    """A file that refuses every text."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error, self.refusals = error, 0

    def write(self, text: str) -> int:
        self.refusals += 1
        raise self.error


ERRORS = [
    ValueError("I/O operation on closed file"),
    BrokenPipeError(errno.EPIPE, "Broken pipe"),
    OSError(errno.ENOSPC, "No space left on device"),
    RuntimeError("the comm is closed"),
]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_an_output_that_fails_ends_nothing(error):
    files = Broken(error), Broken(error)
    bars, overall = RunBar(file=files[0]), OverallBar([[1.0]], [4], files[1])
    overall.follow("grid")
    for progress in (bars, overall):
        progress.note("loading the model tiny")
        progress.start([4])
        progress.step(1, 1, 2, 4)
        progress.advance(1, 4, "sea")
        progress.finish(1, "pass 1: 4 made")
        progress.end()
    overall.close()
    assert all(file.refusals for file in files), "both tried to write, and were refused"


@pytest.mark.parametrize("event", ["start", "keep", "advance", "finish", "end"])
def test_a_progress_of_somebody_else_that_fails_ends_no_run(event, study):
    class Widget(NullProgress):
        def __getattribute__(self, name):
            if name == event:
                raise RuntimeError("the comm is closed")
            return super().__getattribute__(name)

    run(study.replace(passes=1, limit=2), PaintedGenerator(), NullProgress())
    with pytest.warns(FlopslabWarning, match=f"the progress Widget failed in {event} .*comm"):
        finished = run(study.replace(passes=1, limit=4), PaintedGenerator(), Widget())
    assert finished.passes[0].made == 2


CLOSED = """
import os, sys, warnings
sys.path[:0] = [{tests!r}]
from pathlib import Path
from painted import PaintedGenerator, write_words
from flopslab.core.study import Study
from flopslab.passes import run
{how}
words = write_words(Path("words.json"))
study = Study(sequence=words, output_dir="run", passes=2, denoising_strength=0.5)  # wide reach
finished = run(study, PaintedGenerator())
os.write(1, str(finished.passes[1].made).encode())
"""
WAYS = {
    "closed": "sys.stderr.close()",
    "none": "sys.stderr = None",
    "its file is closed": "os.close(2)",
    "full": "os.dup2(os.open('/dev/full', os.O_WRONLY), 2)",
    "pipe": "reader, writer = os.pipe(); os.close(reader); os.dup2(writer, 2)",
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_run_ends_well_whatever_happened_to_stderr(tmp_path, way):
    source = CLOSED.format(tests=os.path.dirname(__file__), how=WAYS[way])
    command = [sys.executable, "-c", source]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("12", "")
    assert done.returncode == 0


def plain(clock: Clock, costs=(), **options) -> tuple[RunBar, io.StringIO]:
    """Progress in lines, as without a terminal."""
    progress, file = watch(clock, costs)
    progress._painters = [Lines(Outlet(file), clock=clock, **options)]
    return progress, file


def test_lines_come_at_most_every_thirty_seconds_and_at_both_ends_of_a_run(clock):
    progress, file = plain(clock, [1.0, 1.0])
    progress.start([8, 8])
    for _ in range(8):
        clock.now += 5
        progress.advance(1, 1, "silence")
    progress.finish(1, "pass 1: 8 made")
    progress.end()
    assert lines(file) == [
        "run: 0/16 frames",
        "run: 6/16 frames, 5.0 s a frame, 00:50 left, pass 1/2: silence",
        "pass 1: 8 made, after 00:40",
        "run: 8/16 frames, 5.0 s a frame",
    ]


def test_steps_show_in_a_slow_batch_and_tell_the_time_left_before_its_end(clock):
    progress, file = plain(clock)
    progress.start([8])
    clock.now += 60
    progress.step(1, 1, 10, frames=4)
    assert lines(file)[-1] == "run: 0/8 frames, 150 s a frame, 19:00 left, step 1/10"
    clock.now += 540
    progress.advance(1, 4, "silence")
    assert "4/8 frames, 150 s a frame, 10:00 left" in lines(file)[-1]


def test_steps_of_the_next_pass_cost_what_its_frames_cost(clock):
    progress, file = plain(clock, [1.0, 0.1], every=0)
    progress.start([4, 4])
    clock.now += 40
    progress.advance(1, 4, "silence")
    clock.now += 2
    progress.step(2, 1, 2, frames=4)
    assert lines(file)[-1].startswith("run: 4/8 frames") and "00:02 left" in lines(file)[-1]
    assert lines(file)[-1].endswith("pass 2/2, step 1/2: silence")


@pytest.mark.parametrize("begins", ["step", "advance"])
def test_a_patient_log_begins_with_the_first_frame(clock, begins):
    progress, file = plain(clock, patient=True)
    progress.note("loading the model tiny")
    progress.start([8])
    progress.keep(1, 4)
    assert file.getvalue() == ""
    clock.now += 30
    progress.step(1, 1, 2, frames=4) if begins == "step" else progress.advance(1, 4, "silence")
    assert lines(file)[:2] == ["loading the model tiny", "run: 0/8 frames"]
