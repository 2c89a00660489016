"""One process writes a directory at a time: a lock on a file that names the process.

The lock is the operating system's, which lets go of it when the process dies. Where the file system
has none, a marker file takes its place: its existence is the lock, and that of a dead process of
this machine is taken over.
"""

import errno
import os
import re
import socket
import warnings
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO

from flopslab.errors import FlopslabWarning, RunError
from flopslab.storage import filesystem

if TYPE_CHECKING:  # it reads files of the system when it is loaded
    from filelock import SoftFileLock

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}  # of a file system

_RECORD = re.compile(r"(\d+)[ \n](\S+)\s")  # pid and host, in a lock and in a marker file
_UNKNOWN = "unknown pid"
_FLAGS = os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Lock:
    """Holds the directory of the file `path` for this process, from `acquire` to `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._marker: SoftFileLock | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process holds the directory through this lock."""
        return self._file is not None or self._marker is not None

    @property
    def marker_path(self) -> Path:
        """The file that is the lock where the file system has none."""
        return self.path.with_name(f"{self.path.name}.holder")

    def acquire(self) -> None:
        """Hold the directory.

        RunError that names the holder if another process has it, and for anything but a file at
        `path`. FlopslabWarning if a marker file is the lock.
        """
        _require_file(self.path)
        file = open(self.path, "r+b", opener=_open_no_link)  # noqa: SIM115 - open until release
        try:
            if not lock_file(file):
                raise _held(self.path.parent, _holder(self.path, start=1))
            _write_record(file)
        except OSError as error:
            file.close()
            if error.errno not in NO_LOCKS:
                raise
            self._acquire_marker()
        except RunError:
            file.close()
            raise
        else:
            self._file = file

    def require_held(self) -> None:
        """RunError unless the directory at this path is still the one that is held.

        One that was moved away, and another process's in its place, must not be written.
        """
        path, start = (self.path, 1) if self._file else (self.marker_path, 0)
        holder = _holder(path, start)
        if holder == _describe(str(os.getpid()), socket.gethostname()):
            return
        actual = "it was moved, or its lock removed"
        raise RunError(
            f"write the run directory {self.path.parent}, which this process holds",
            actual if holder == _UNKNOWN else f"{actual}: the lock there is that of {holder}",
            "run again where it lies now: the frames already there are whole and will be kept",
        )

    def release(self) -> None:
        """Let go of the directory, if it is held. Never raises: a dying disk frees it too."""
        file, self._file = self._file, None
        marker, self._marker = self._marker, None
        if file is not None:
            with suppress(OSError):
                file.truncate(0)  # a run that made nothing leaves no byte changed
            with suppress(OSError):
                file.close()
        if marker is not None:
            with suppress(OSError):
                marker.release()

    def _acquire_marker(self) -> None:
        import filelock

        marker = filelock.SoftFileLock(self.marker_path, blocking=False)
        try:
            marker.acquire()
        except filelock.Timeout:
            hint = f"if that process is dead, remove {self.marker_path}"
            raise _held(self.path.parent, _holder(self.marker_path, start=0), hint) from None
        self._marker = marker
        warnings.warn(
            f"the file system of {self.path.parent} has no locks: the file {self.marker_path.name} "
            "takes their place",
            FlopslabWarning,
            stacklevel=4,
        )


def lock_file(file: BinaryIO) -> bool:
    """Whether this process has the operating system's lock on an open file now."""
    with warnings.catch_warnings(action="ignore"):  # that there is none is for us to say
        from filelock import lock_descriptor
    return lock_descriptor(file.fileno(), blocking=False)


def is_locked(path: Path) -> bool:
    """Whether a process holds the operating system's lock on the file at `path`; True in doubt.

    A record alone does not tell: a killed process leaves its own, and its pid goes to another. A
    lock that nobody holds is taken for a moment.
    """
    try:
        with open(path, "r+b") as file:
            return not lock_file(file)
    except OSError:  # no right to write there, or a file system without locks
        return True


def _write_record(file: BinaryIO) -> None:
    """Write who holds the lock. Windows lets nobody read a lock's first byte: it says nothing."""
    file.truncate(0)
    filesystem.write(file, f"\n{os.getpid()} {socket.gethostname()}\n".encode())


def _holder(path: Path, start: int) -> str:
    """Who holds the lock, as its file says from byte `start`: `pid 12 on host`."""
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(start)
            record = _RECORD.search(file.read(1024).decode("utf-8", "replace"))
    except OSError:
        record = None
    return _describe(record[1], record[2]) if record else _UNKNOWN


def _describe(pid: str, host: str) -> str:
    return f"pid {pid} on {host}"


def _held(directory: Path, holder: str, hint: str = "") -> RunError:
    return RunError(
        f"write the run directory {directory}",
        f"the process with {holder} is writing it",
        "wait until it is done, stop it, or choose another output_dir" + f"; {hint}" * bool(hint),
    )


def _require_file(path: Path) -> None:
    """RunError if anything but a file is at `path`: it is neither followed nor changed."""
    with suppress(FileNotFoundError):
        if not S_ISREG(path.lstat().st_mode):
            raise RunError(
                f"write the run directory {path.parent}, whose lock is the file {path.name}",
                "a link, a directory or a device of this name, which stays as it is",
                "move it away or choose another output_dir",
            )


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | _FLAGS, 0o666)
