"""Operations on the disk, one small function each, so that a test can make any of them fail.

A file becomes visible whole or not at all: written beside its place, flushed, synced, renamed.
"""

import errno
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from flopslab.errors import RunError

# Of a disk that cannot give back what was written there: a bad sector, a damaged structure.
UNREADABLE = {errno.EIO, errno.EBADMSG, getattr(errno, "EUCLEAN", errno.EIO)}
# Of file systems that cannot sync a directory: FUSE, SMB, shared folders of virtual machines.
NO_DIRECTORY_SYNC = {
    errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES,
    errno.EBADF,
}  # fmt: skip
PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)  # seconds between attempts to rename

sleep = time.sleep


def write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()


def sync(file: BinaryIO) -> None:
    os.fsync(file.fileno())


def rename(source: Path, target: Path) -> None:
    """Rename, over a file at `target` too; for a while again and again where it is refused.

    Windows refuses as long as any program, a virus scanner or a viewer, has either file open.
    """
    for pause in PAUSES:
        try:
            return os.replace(source, target)
        except PermissionError:
            sleep(pause)
    os.replace(source, target)


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def symlink(target: str, path: Path) -> None:
    os.symlink(target, path)


def hard_link(source: Path, path: Path) -> None:
    os.link(source, path)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory last, where the system and the file system can."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except PermissionError:  # Windows opens no directory
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_DIRECTORY_SYNC:
            raise
    finally:
        os.close(descriptor)


def make_directory(directory: Path) -> None:
    """Make a directory inside a run; a link or a file in its place is an OSError."""
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise OSError(errno.ENOTDIR, "A link or a file stands where a directory must be", directory)
    if not directory.exists():
        directory.mkdir()
        sync_directory(directory.parent)


def read(path: Path, most: int = -1, linked_directory: bool = False) -> bytes | None:
    """The bytes of a regular file, at most so many; None for nothing and for anything else.

    A file on a bad sector is none. Neither the file nor its directory may be a symbolic link: a run
    does not lead out of itself. `linked_directory`: its directory may be one, as that of a run may.
    An OSError names the file.
    """
    try:
        is_outside = path.parent.is_symlink() and not linked_directory
        if is_outside or not S_ISREG(path.lstat().st_mode):
            return None
        return read_bytes(path, most)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in UNREADABLE:
            return None
        raise OSError(error.errno, error.strerror, str(path)) from error


def read_bytes(path: Path, most: int = -1) -> bytes:
    """The bytes of a file, at most so many. OSError for a pipe or a device, which may never end."""
    with open(path, "rb", opener=_open_without_waiting) as file:
        if not S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "No regular file", str(path))
        return file.read(most)


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


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
    errno.ENOENT: "put back what was moved or removed",
    errno.ENOSPC: "free space on this disk",
    errno.EDQUOT: "free space in your quota",
    errno.EROFS: "make the disk writable or choose another output_dir",
    errno.EACCES: "close every program that has a file of the run open, make the directory "
    "writable, or choose another output_dir",
    errno.EPERM: "make the directory writable or choose another output_dir",
    errno.EEXIST: "move what stands in the way or choose another output_dir",
    errno.ENOTDIR: "move what stands in the way or choose another output_dir",
}
