"""The lock of a directory: the operating system's, or a marker file where there is none."""

import errno
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from painted import PaintedGenerator, files

from flopslab.errors import FlopslabWarning, RunError
from flopslab.storage import lock as locks
from flopslab.storage.lock import Lock


@pytest.fixture
def lock(tmp_path: Path):
    lock = Lock(tmp_path / ".lock")
    yield lock
    lock.release()


def without_locks(monkeypatch: pytest.MonkeyPatch, number: int = errno.ENOSYS) -> None:
    def refuse(_file):
        raise OSError(number, "no locks here")

    monkeypatch.setattr(locks, "lock_file", refuse)


def holding(path: Path, code: str) -> subprocess.Popen:
    """A process that holds the lock at `path` until its input ends; `code` runs before."""
    script = (
        f"import sys, pathlib\n{code}\nfrom flopslab.storage.lock import Lock\n"
        "lock = Lock(pathlib.Path(sys.argv[1]))\nlock.acquire()\n"
        "print('held', flush=True)\nsys.stdin.read()"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, str(path)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout and child.stdout.readline() == b"held\n"
    return child


NO_FCNTL = "sys.modules['fcntl'] = None"


def test_a_lock_that_is_not_held_can_be_released(lock):
    lock.release()
    lock.acquire()
    assert lock.is_held
    lock.release()
    lock.release()
    assert not lock.is_held


@pytest.mark.parametrize("code", ["", NO_FCNTL])
def test_an_error_names_the_holder_and_its_death_frees_the_lock(lock, code, monkeypatch):
    if code:
        without_locks(monkeypatch)
        warnings.simplefilter("ignore", FlopslabWarning)
    child = holding(lock.path, code)
    with pytest.raises(RunError, match=f"pid {child.pid} on {os.uname().nodename} "):
        lock.acquire()
    assert not lock.is_held
    child.kill()
    child.communicate()
    lock.acquire()
    assert lock.is_held


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_a_marker_file_is_one(lock, number, monkeypatch):
    without_locks(monkeypatch, number)
    with pytest.warns(FlopslabWarning, match="has no locks") as caught:
        lock.acquire()
    assert len(caught) == 1 and lock.is_held
    with pytest.raises(RunError, match=f"pid {os.getpid()} on "):
        Lock(lock.path).acquire()
    lock.release()
    assert [path.name for path in lock.path.parent.iterdir()] == [".lock"]


def test_the_marker_of_another_machine_is_never_taken_over(lock, monkeypatch):
    without_locks(monkeypatch)
    lock.marker_path.write_text("4194305\nelsewhere\n")  # no process here can have this pid
    with pytest.raises(RunError, match="pid 4194305 on elsewhere ") as caught:
        lock.acquire()
    assert str(lock.marker_path) in caught.value.hint
    assert lock.marker_path.read_text() == "4194305\nelsewhere\n"


def test_a_run_works_without_locks(paint, undisturbed, monkeypatch):
    without_locks(monkeypatch)
    with pytest.warns(FlopslabWarning, match="has no locks"):
        before = files(paint().directory)
    generator = PaintedGenerator()
    with pytest.warns(FlopslabWarning, match="has no locks"):
        assert files(paint(generator).directory) == before
    assert generator.calls == 0


def put_link(path: Path) -> None:
    path.symlink_to(path.with_name("precious"))


def put_dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nothing"))


STRANGERS = {
    "link": put_link, "dangling": put_dangling_link, "directory": Path.mkdir, "fifo": os.mkfifo
}  # fmt: skip


@pytest.mark.parametrize("stranger", STRANGERS)
def test_what_is_no_file_is_refused_and_stays_as_it_is(lock, stranger):
    precious = lock.path.with_name("precious")
    precious.write_text("mine")
    STRANGERS[stranger](lock.path)
    before = lock.path.lstat()
    with pytest.raises(RunError, match="stays as it is") as caught:
        lock.acquire()
    assert "move it away" in caught.value.hint
    assert lock.path.lstat() == before and precious.read_text() == "mine"
    assert not lock.path.with_name("nothing").exists()


def test_a_link_put_there_at_the_last_moment_is_not_followed(lock, monkeypatch):
    monkeypatch.setattr(locks, "_require_file", put_link)
    precious = lock.path.with_name("precious")
    precious.write_text("mine")
    with pytest.raises(OSError, match="symbolic links"):
        lock.acquire()
    assert precious.read_text() == "mine"


class Dying:
    """A file on a disk that fails when the lock is released."""

    def __init__(self, file, number):
        self._file, self._number = file, number

    def truncate(self, size):
        raise OSError(self._number, "the disk is dying")

    def close(self):
        self._file.close()
        raise OSError(self._number, "the disk is dying")


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS])
def test_a_release_on_a_dying_disk_frees_the_lock_and_hides_no_error(lock, number):
    lock.acquire()
    lock._file = Dying(lock._file, number)
    with pytest.raises(RunError, match="the real one"):
        try:
            raise RunError("a run", "the real one", "nothing")
        finally:
            lock.release()
    again = Lock(lock.path)
    again.acquire()
    again.release()
