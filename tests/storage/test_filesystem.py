import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import painted
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from painted import PaintedGenerator, files, pixels
from torn import TEARS, Crash, Disk

from flopslab.core.study import Study
from flopslab.errors import RunError
from flopslab.runs.reader import read_frame
from flopslab.storage import filesystem


@pytest.fixture
def start(paint, tmp_path: Path) -> Path:
    """A run of the first two frames, to be extended to three: new, kept and outdated frames."""
    return paint(limit=2, output_dir=str(tmp_path / "start")).directory


@pytest.fixture
def extended(paint, tmp_path: Path) -> dict[str, bytes]:
    return pixels(paint(limit=3, output_dir=str(tmp_path / "extended")).directory)


@pytest.mark.slow
def test_a_crash_at_any_operation_leaves_each_frame_old_or_new(paint, start, extended, tmp_path):
    legal = {name: {extended[name], pixels(start).get(name)} for name in extended}
    for at, tear, undo in _crashes():
        directory = tmp_path / f"crash{at}"
        shutil.copytree(start, directory, symlinks=True)
        with Disk(at, _crash).in_place() as torn:
            try:
                paint(limit=3, output_dir=str(directory))
                break
            except Crash:
                torn.power_off(TEARS[tear], undo)
        assert all(data in legal[name] for name, data in pixels(directory).items()), torn.log
        generator = PaintedGenerator()
        paint(generator, limit=3, output_dir=str(directory))
        assert pixels(directory) == extended, (torn.log, tear, undo)
        assert generator.calls <= 4, "no frame is made that was there"
    assert at > 20


def _crashes():
    """Each operation in turn, with each kind of tear at each kind of operation somewhere."""
    at = 0
    while True:
        yield at, list(TEARS)[at % 4], at % 8 < 4
        at += 1


def _crash():
    raise Crash


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_failure_of_any_operation_is_explained_and_loses_nothing(
    paint, start, extended, tmp_path, number
):
    def fail():
        raise OSError(number, "the disk says no")

    at, explained = 0, 0
    while True:
        directory = tmp_path / f"failure{at}"
        shutil.copytree(start, directory, symlinks=True)
        with Disk(at, fail).in_place() as counted:
            try:
                paint(limit=3, output_dir=str(directory))
            except RunError as error:
                assert "the disk says no" in error.actual and "kept" in error.hint
                explained += 1
        if counted.count <= at:
            break
        left = [path for path in directory.rglob("*.tmp") if not path.is_symlink()]
        assert not left, "no room is wasted"
        paint(limit=3, output_dir=str(directory))
        assert pixels(directory) == extended
        at += 1
    assert explained > 20


def test_a_file_reaches_the_disk_before_its_name_and_the_name_before_all_that_follows(
    tmp_path, quick_disk, monkeypatch
):
    rename, order = filesystem.rename, []
    monkeypatch.setattr(
        filesystem, "rename", lambda *paths: order.append(len(quick_disk)) or rename(*paths)
    )
    filesystem.replace({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    files_then_directory = [tmp_path / "a", tmp_path / "b", tmp_path]
    assert quick_disk == [path.stat().st_ino for path in files_then_directory]
    assert order == [2, 2]


def test_a_move_and_a_new_directory_last(tmp_path, quick_disk):
    source, target = tmp_path / "one", tmp_path / "two"
    filesystem.make_directory(source)
    filesystem.make_directory(target)
    assert quick_disk == [tmp_path.stat().st_ino] * 2
    (source / "a").write_bytes(b"1")
    filesystem.move(source / "a", target / "b")
    assert set(quick_disk[2:]) == {source.stat().st_ino, target.stat().st_ino}


def test_a_failed_write_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(filesystem, "sync", _fail)
    with pytest.raises(OSError, match="no room"):
        filesystem.replace({tmp_path / "a": b"1"})
    assert list(tmp_path.iterdir()) == []


def _fail(*_arguments):
    raise OSError(errno.ENOSPC, "no room")


def test_a_link_is_read_and_written_through_nowhere(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"mine")
    (tmp_path / "directory").symlink_to("real")
    (tmp_path / "real" / "link").symlink_to("file")
    for path in (tmp_path / "directory" / "file", tmp_path / "real" / "link"):
        assert filesystem.read(path) is None
        with pytest.raises(OSError, match="No regular file"):
            filesystem.read_ends(path, 1, 1)
    with pytest.raises(OSError, match="A link"):
        filesystem.make_directory(tmp_path / "directory")
    assert filesystem.read_ends(tmp_path / "real" / "file", 2, 1) == (b"mi", b"e")


def test_a_full_disk_names_the_remedy():
    with pytest.raises(RunError, match="free space"), filesystem.explained(Path("run")):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_where_the_run_directory_should_be_is_refused(paint, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="file"):
        paint(output_dir=str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


# Processes


@contextlib.contextmanager
def process(study: Study, delay: float):
    """The study run by a process of its own, killed at the end if it still lives."""
    arguments = [painted.__file__, study.model_dump_json(), str(delay)]
    child = subprocess.Popen([sys.executable, *arguments])
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def wait_for(child: subprocess.Popen, condition: Callable[[], bool]) -> None:
    while child.poll() is None and not condition():
        time.sleep(0.001)
    assert child.returncode in (None, 0)


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_like_an_undisturbed_one(paint, study, undisturbed):
    directory = Path(study.output_dir)
    for frames in (3, 8, 17):
        with process(study, 0.02) as child:
            wait_for(child, lambda: len(list(directory.glob("pass*/frame*"))) >= frames)  # noqa: B023
            child.send_signal(signal.SIGKILL)
    half = pixels(directory)
    assert 17 <= len(half) < 24 and half.items() <= undisturbed.items()
    generator = PaintedGenerator()
    paint(generator)
    assert generator.calls == 24 - len(half)
    assert pixels(directory) == undisturbed


@pytest.mark.slow
def test_one_process_writes_a_run_and_its_death_frees_it(paint, study):
    directory = Path(study.output_dir)
    with process(study, 30) as child:
        wait_for(child, (directory / "pass1").is_dir)  # it has the lock, and computes
        before = files(directory)
        with pytest.raises(RunError, match=f"pid {child.pid} "):
            paint()
        assert files(directory) == before
        child.kill()
        child.wait()
        paint()


def test_the_lock_is_free_after_an_error(paint):
    class Broken(PaintedGenerator):
        def generate(self, requests, strength=1.0):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        paint(Broken())
    paint()
    assert caught.traceback, "a notebook keeps it, and with it all that the run held"


# Stories

ACTIONS = st.one_of(
    st.tuples(st.just("run"), st.integers(1, 5), st.integers(1, 3)),
    st.tuples(st.just("crash"), st.integers(1, 5), st.integers(1, 3), st.integers(0, 60)),
    st.tuples(st.sampled_from(["flip", "cut", "delete"]), st.integers(0, 99), st.integers(0, 9999)),
    st.tuples(st.just("swap"), st.integers(0, 99), st.integers(0, 99)),
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(ACTIONS, max_size=6), st.integers(1, 5), st.integers(1, 3))
def test_whatever_happens_the_next_run_ends_like_an_undisturbed_one(
    paint, tmp_path_factory, story, limit, passes
):
    directory = tmp_path_factory.mktemp("story") / "run"
    for action in story:
        _act(paint, directory, *action)
    expected = _undisturbed(paint, tmp_path_factory, limit, passes)
    with Disk().in_place():
        paint(limit=limit, passes=passes, output_dir=str(directory))
    found = {name: read_frame(directory / name)[0].tobytes() for name in expected}
    assert found == expected


def _act(paint, directory: Path, kind: str, *numbers: int) -> None:
    frames = sorted(directory.glob("pass*/frame_*.png"))
    if kind in ("run", "crash"):
        at = numbers[2] if kind == "crash" else None
        with Disk(at, _crash).in_place() as torn:
            try:
                paint(limit=numbers[0], passes=numbers[1], output_dir=str(directory))
            except Crash:
                torn.power_off(TEARS["half"], undo=at % 2 == 0)
    elif frames:
        _damage(kind, frames[numbers[0] % len(frames)], numbers[1], frames)


def _damage(kind: str, path: Path, at: int, frames: list[Path]) -> None:
    data = path.read_bytes()
    at = at % (len(data) or 1)
    if kind == "delete":
        path.unlink()
    elif kind == "swap":
        other = frames[at % len(frames)]
        path.write_bytes(other.read_bytes())
        other.write_bytes(data)
    elif kind == "cut":
        path.write_bytes(data[:at])
    elif data:
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])


_KNOWN: dict[tuple[int, int], dict[str, bytes]] = {}


def _undisturbed(paint, tmp_path_factory, limit: int, passes: int) -> dict[str, bytes]:
    if (limit, passes) not in _KNOWN:
        directory = tmp_path_factory.mktemp("undisturbed") / "run"
        with Disk().in_place():
            paint(limit=limit, passes=passes, output_dir=str(directory))
        _KNOWN[limit, passes] = pixels(directory)
    return _KNOWN[limit, passes]


# Foreign file systems and bad sectors


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EPERM, errno.EBADF])
def test_a_directory_that_cannot_be_synced_is_no_error(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "fsync", lambda _file: raise_error(number))
    assert filesystem.sync_directory(tmp_path) is None  # else an OSError


def test_a_failure_to_sync_a_directory_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _file: raise_error(errno.EIO))
    with pytest.raises(OSError, match=r"\[Errno 5\]"):
        filesystem.sync_directory(tmp_path)


def raise_error(number: int):
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("name", ["pass1/frame_000005.png", "pass2/frame_000005.safetensors"])
def test_a_frame_on_a_bad_sector_is_quarantined_and_made_again(paint, name, monkeypatch):
    method = "latent" if name.endswith("safetensors") else "grid"
    directory = paint(method=method).directory
    before = pixels(directory)
    with bad_sector(directory / name, monkeypatch):
        run = paint(method=method)
    assert sum(done.made for done in run.passes) == 1
    assert {path.name[:18] for path in run.quarantined} == {f"{name[:5]}.frame_000005"}
    assert pixels(directory) == before


@contextlib.contextmanager
def bad_sector(bad: Path, monkeypatch, number: int = errno.EIO):
    """The file that is at this path now cannot be read."""
    inode, read_bytes = bad.stat().st_ino, filesystem.read_bytes

    def read(path: Path, most: int = -1) -> bytes:
        return raise_error(number) if path.stat().st_ino == inode else read_bytes(path, most)

    with monkeypatch.context() as patch:
        patch.setattr(filesystem, "read_bytes", read)
        yield


def test_an_error_of_reading_names_the_file(paint, monkeypatch):
    directory = paint().directory
    bad = directory / "pass1" / "frame_000005.png"
    with (
        bad_sector(bad, monkeypatch, errno.EACCES),
        pytest.raises(RunError, match=r"frame_000005\.png"),
    ):
        paint()
    assert not (directory / "quarantine").exists()


# Windows, by simulation


class OpenFiles:
    """Windows refuses to rename over a file that a program has open: `attempts` times."""

    def __init__(self, attempts: int, monkeypatch) -> None:
        self._replace, self._left, self.pauses = os.replace, attempts, []
        monkeypatch.setattr(os, "replace", self)
        monkeypatch.setattr(filesystem, "sleep", self.pauses.append)

    def __call__(self, source, target):
        self._left -= 1
        if self._left >= 0:
            raise PermissionError(errno.EACCES, "Access is denied", str(source), None, str(target))
        self._replace(source, target)


def test_a_file_that_another_program_has_open_for_a_moment_is_waited_for(tmp_path, monkeypatch):
    files = OpenFiles(3, monkeypatch)
    filesystem.replace({tmp_path / "a": b"1"})
    assert (tmp_path / "a").read_bytes() == b"1" and files.pauses == list(filesystem.PAUSES[:3])


def test_a_file_that_stays_open_is_named_with_what_to_do(paint, tmp_path, monkeypatch):
    files = OpenFiles(10**6, monkeypatch)
    with pytest.raises(RunError, match=r"\.visual-manifest\.json") as caught:
        paint()
    assert "close every program" in caught.value.hint and sum(files.pauses) < 1


@pytest.fixture
def windows(monkeypatch):
    """No directory can be opened, no symbolic link made; what is open cannot be renamed over."""
    opened, replace = os.open, os.replace

    def open_file(path, flags, *arguments, **options):
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, flags, *arguments, **options)

    def replace_closed(source, target):
        handles = [os.path.realpath(entry.path) for entry in os.scandir("/proc/self/fd")]
        assert os.path.realpath(target) not in handles, "an open file cannot be renamed over"
        assert os.path.realpath(source) not in handles, "an open file cannot be renamed"
        replace(source, target)

    monkeypatch.setattr(os, "open", open_file)
    monkeypatch.setattr(os, "replace", replace_closed)
    monkeypatch.setattr(os, "symlink", lambda *_: raise_error(errno.EPERM))
    monkeypatch.setattr(os, "O_NOFOLLOW", 0)


def test_a_run_on_windows_ends_like_any_other(paint, undisturbed, windows):
    directory = paint().directory
    (directory / "pass1" / "frame_000005.png").write_bytes(b"damaged")
    run = paint(limit=8)
    assert next(path.name for path in run.quarantined) == "pass1.frame_000005.1.png"
    assert pixels(paint().directory) == undisturbed
    final, source = (directory / name / "frame_000003.png" for name in ("final", "pass2"))
    assert final.samefile(source) and not final.is_symlink()


@pytest.mark.slow
def test_a_run_needs_no_fcntl(study, undisturbed):
    code = (
        "import sys; sys.modules['fcntl'] = None\nimport runpy, warnings\n"
        "warnings.simplefilter('ignore')\nimport flopslab.cli\n"
        "sys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    )
    arguments = [painted.__file__, study.model_dump_json(), "0"]
    command = [sys.executable, "-c", code, *arguments]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert pixels(Path(study.output_dir)) == undisturbed
