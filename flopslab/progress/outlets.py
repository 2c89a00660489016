"""Where progress is shown: terminal, log, notebook cell. None of them can end a run."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG
from typing import Protocol

WIDTH = 110  # columns of a bar, at most


class TextFile(Protocol):
    """Where text is written."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class Outlet:
    """A text file that cannot fail: closed, broken or full, it is silent from then on.

    Everything that shows progress writes through one.
    """

    def __init__(self, file: TextFile | None) -> None:
        self._file = file

    def write(self, text: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except Exception:  # a pipe, a disk and a notebook's connection fail in many ways
            self._file = None


class Stream:
    """The stderr of this process, or that of the notebook's kernel, which papermill shows.

    A kernel's `sys.stderr` leads into the notebook, but its file number is that of the process.
    Written without a buffer: what a full disk or a broken pipe refuses would be tried again when
    Python ends, and change its exit status.
    """

    def __init__(self) -> None:
        self._file, self._number = sys.stderr, _file_number()
        self._lead = "\n" if in_kernel() and not self.is_terminal else ""  # after papermill's bar

    @property
    def is_terminal(self) -> bool:
        """Whether a line can be rewritten there."""
        with contextlib.suppress(OSError):
            return self._number is not None and os.isatty(self._number)
        return False

    @property
    def columns(self) -> int:
        """WIDTH, or what a narrower terminal has room for."""
        with contextlib.suppress(OSError):
            if self._number is not None and (width := os.get_terminal_size(self._number).columns):
                return min(WIDTH, width - 1)
        return WIDTH

    def write(self, text: str) -> None:
        if self._number is None:
            self._file.write(text)
            return
        data, self._lead = (self._lead + text).encode("utf-8", "backslashreplace"), ""
        while data:
            data = data[os.write(self._number, data) :]

    def flush(self) -> None:
        if self._number is None:
            self._file.flush()


class Cell:
    """The output of a notebook's running cell: a line is rewritten in place until it ends.

    It is plain text, so that it needs no browser and the saved notebook keeps its last state.
    """

    def __init__(self) -> None:
        self._handle = None

    def write(self, text: str) -> None:
        from IPython.display import DisplayHandle

        if line := text.strip("\r\n").rstrip():
            data = {"text/plain": line}
            if self._handle is None:
                self._handle = DisplayHandle()
                self._handle.display(data, raw=True)
            else:
                self._handle.update(data, raw=True)
        if text.endswith("\n"):
            self._handle = None

    def flush(self) -> None: ...


class LogFile:
    """A file that lines are appended to; it is open only while one is written.

    A symbolic link there is not followed, and nothing but a regular file is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, text: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        with open(os.open(self._path, flags, 0o666), "ab", buffering=0) as file:
            if not S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError("not a regular file")
            file.write(text.encode("utf-8", "replace"))

    def flush(self) -> None: ...


def in_kernel() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


def in_notebook_server() -> bool:
    """Whether a notebook server started this kernel: what it shows, the browser shows."""
    return "JPY_SESSION_NAME" in os.environ


@contextlib.contextmanager
def open_stderr() -> Iterator[None]:
    """While it is entered, a stderr that is closed swallows what libraries write there.

    Python's own warnings, for one, would end the run.
    """
    if sys.stderr is not None and not getattr(sys.stderr, "closed", False):
        yield
        return
    with contextlib.redirect_stderr(io.StringIO()):
        yield


def _file_number() -> int | None:
    """That of stderr; None where it has none, as in a test that captures it."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return None
