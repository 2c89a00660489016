"""Operations on the disk, one small function each, so that a test can make any of them fail.

A file becomes visible whole or not at all: written beside its place, flushed, synced, renamed.
"""

import errno
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from flopslab.errors import RunError


def write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()


def sync(file: BinaryIO) -> None:
    os.fsync(file.fileno())


def rename(source: Path, target: Path) -> None:
    os.replace(source, target)


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def symlink(target: str, path: Path) -> None:
    os.symlink(target, path)


def hard_link(source: Path, path: Path) -> None:
    os.link(source, path)


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(directory: Path) -> None:
    """Make a directory inside a run; a link or a file in its place is an OSError."""
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise OSError(errno.ENOTDIR, "A link or a file stands where a directory must be", directory)
    if not directory.exists():
        directory.mkdir()
        sync_directory(directory.parent)


def read(path: Path) -> bytes | None:
    """The bytes of a regular file; None for nothing and for anything else.

    Neither the file nor its directory may be a symbolic link: a run does not lead out of itself.
    """
    try:
        regular = S_ISREG(path.lstat().st_mode) and not path.parent.is_symlink()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return path.read_bytes() if regular else None


def read_ends(path: Path, head: int, tail: int) -> tuple[bytes, bytes]:
    """The first and last bytes of a regular file, at most so many; OSError for anything else."""
    if not S_ISREG(path.lstat().st_mode) or path.parent.is_symlink():
        raise OSError(errno.EINVAL, "No regular file of the run", str(path))
    with path.open("rb") as file:
        start = file.read(head)
        file.seek(-min(tail, file.seek(0, os.SEEK_END)), os.SEEK_END)
        return start, file.read(tail)


def create(path: Path, data: bytes) -> None:
    """Write a new file, all of it, down to the disk."""
    with open(path, "xb") as file:
        write(file, data)
        sync(file)


def replace(files: Mapping[Path, bytes]) -> None:
    """Put each content under its path; after a crash each path holds the old or the new one."""
    try:
        for path, data in files.items():
            remove(temporary_path(path))
            create(temporary_path(path), data)
        for path in files:
            rename(temporary_path(path), path)
    except OSError:
        for path in files:  # leave room on a full disk
            temporary_path(path).unlink(missing_ok=True)
        raise
    for directory in {path.parent for path in files}:
        sync_directory(directory)


def move(source: Path, target: Path) -> None:
    """Rename, lastingly, within the run; nothing may stand at `target`."""
    rename(source, target)
    for directory in {source.parent, target.parent}:
        sync_directory(directory)


def temporary_path(path: Path) -> Path:
    """The temporary name of a file; one process writes a run, so that one name is enough."""
    return path.with_name(f".{path.name}.tmp")


@contextmanager
def explained(directory: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a RunError that says what is safe."""
    try:
        yield
    except OSError as error:
        file = f" ({error.filename})" if error.filename else ""
        raise RunError(
            f"write the run directory {directory}",
            f"{error.strerror or error}{file}",
            f"{_HINTS.get(error.errno or 0, 'remove the cause')}, then run again: "
            "the frames already there are whole and will be kept",
        ) from error


_HINTS = {
    errno.ENOSPC: "free space on this disk",
    errno.EDQUOT: "free space in your quota",
    errno.EROFS: "make the disk writable or choose another output_dir",
    errno.EACCES: "make the directory writable or choose another output_dir",
    errno.EPERM: "make the directory writable or choose another output_dir",
    errno.EEXIST: "move what stands in the way or choose another output_dir",
    errno.ENOTDIR: "move what stands in the way or choose another output_dir",
}


class Lock:
    """Holds a run for this process; the operating system lets go when the process dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process holds the run through this lock."""
        return self._file is not None

    def acquire(self) -> None:
        """Hold the run. RunError that names the holder if another process has it."""
        file = open(self.path, "a+b", opener=_open_no_link)  # noqa: SIM115 - open until release
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)
            write(file, str(os.getpid()).encode())
        except BlockingIOError:
            file.seek(0)
            holder = file.read().decode() or "unknown"
            file.close()
            raise RunError(
                f"write the run directory {self.path.parent}",
                f"the process with pid {holder} is writing it",
                "wait until it is done, stop it, or choose another output_dir",
            ) from None
        except OSError:
            file.close()
            raise
        self._file = file

    def release(self) -> None:
        """Let go of the run, if it is held."""
        if self._file is not None:
            self._file.truncate(0)  # a run that made nothing leaves no byte changed
            self._file.close()
            self._file = None


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)
