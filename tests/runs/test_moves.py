"""What others do to a run directory while a run is at work in it, and a disk that fills up then."""

import errno
import itertools
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from painted import PaintedGenerator, files, pixels

from flopslab.errors import RunError
from flopslab.reports.state import run_state
from flopslab.reports.verification import verify_run
from flopslab.runs import layout
from flopslab.runs.reader import finished_run
from flopslab.storage import filesystem


class Disturbed(PaintedGenerator):
    """Does something once, when it has painted `frames`."""

    def __init__(self, frames: int, disturb: Callable[[], object]) -> None:
        super().__init__()
        self._frames, self._disturb = frames, disturb

    def generate(self, requests, strength=1.0):
        if self.calls == self._frames:
            self._disturb()
        return super().generate(requests, strength)


@pytest.mark.parametrize("frames", [0, 2, 12, 20])
def test_a_run_writes_nothing_into_what_lies_in_its_place_now(
    paint, study, undisturbed, tmp_path, frames
):
    directory, moved = Path(study.output_dir), tmp_path / "moved"
    another = paint(seed=9, output_dir=str(tmp_path / "another")).directory
    before = files(another)

    def swap() -> None:
        directory.rename(moved)
        another.rename(directory)

    with pytest.raises(RunError, match="was moved"):
        paint(Disturbed(frames, swap))
    assert files(directory) == before
    assert run_state(moved).state == "interrupted"
    paint(output_dir=str(moved))
    assert pixels(moved) == undisturbed


@pytest.mark.parametrize("frames", [0, 14])
def test_a_run_without_its_lock_ends_and_can_go_on(paint, study, undisturbed, frames):
    directory = Path(study.output_dir)
    with pytest.raises(RunError, match="lock removed"):
        paint(Disturbed(frames, (directory / layout.LOCK).unlink))
    assert run_state(directory).state == "interrupted"
    assert pixels(paint().directory) == undisturbed


def test_a_lock_of_another_process_names_it(paint, study):
    lock = Path(study.output_dir) / layout.LOCK
    with pytest.raises(RunError, match="that of pid 7 on elsewhere"):
        paint(Disturbed(0, lambda: lock.write_text("\n7 elsewhere\n")))


@pytest.mark.parametrize("time", [1, 2])  # it is written twice: as running, and as complete
@pytest.mark.parametrize("start", [0, 2])
def test_a_disk_that_is_full_for_the_manifest_alone(paint, study, monkeypatch, start, time):
    directory, create, count = Path(study.output_dir), filesystem.create, itertools.count(1)

    def full(path: Path, data: bytes) -> None:
        if layout.MANIFEST in path.name and next(count) == time:
            path.write_bytes(data[:9])
            raise OSError(errno.ENOSPC, "no room")
        create(path, data)

    if start:
        paint(limit=start)
    before = files(directory)
    with monkeypatch.context() as patch, pytest.raises(RunError, match="no room"):
        patch.setattr(filesystem, "create", full)
        paint(limit=3)
    if start and time == 1:
        assert finished_run(directory).manifest["total_frames"] == start
        assert files(directory).keys() == before.keys()
    else:
        with pytest.raises(RunError):
            finished_run(directory)
    assert not [*directory.glob(".*.tmp")]
    paint(limit=3)
    assert verify_run(directory).frames == 6 and not verify_run(directory).faults


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_of_either_form_make_the_same_run(paint, undisturbed, tmp_path, form):
    name = unicodedata.normalize(form, "été")
    run = paint(output_dir=str(tmp_path / name))
    assert pixels(run.directory) == undisturbed
    assert all(path.isascii() for path in files(run.directory)), "no file system changes them"
    assert [row.made for row in paint(output_dir=str(tmp_path / name)).passes] == [0, 0]
