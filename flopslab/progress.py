"""Progress of a run: one bar per pass, with frames/s, time left for the whole run, current words.

In a notebook a bar is one line of plain text that is rewritten in place: it needs no browser, and
the saved notebook keeps its last state. papermill shows no output while a cell runs, so a kernel
that was started from a terminal draws the bar there too.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TextIO

from tqdm.std import tqdm

WIDTH = 110  # columns of a bar, at most
WORDS = 24  # characters of the current words, at most
WHOLE = "{desc} {bar:12} {n_fmt}/{total_fmt} in {elapsed}{postfix}"
MADE = "{desc} {bar:12} {n_fmt}/{total_fmt} in {elapsed}, {rate_noinv_fmt}{postfix}"
KEPT = "{desc} {bar:12} {n_fmt}/{total_fmt} kept"


class TextFile(Protocol):
    """Where a bar is drawn."""

    def isatty(self) -> bool: ...
    def write(self, text: str, /) -> object: ...
    def flush(self) -> None: ...


class Progress(Protocol):
    """How far a run has come, for somebody who watches it."""

    def begin(self, pass_number: int, total: int, kept: int) -> None:
        """This pass (from 1) begins: `total` frames, of which `kept` exist already."""

    def advance(self, count: int, words: str) -> None:
        """`count` more frames are made, the last one from these words."""

    def keep(self, count: int) -> None:
        """`count` more frames exist already and cost nothing."""

    def end(self) -> None:
        """The pass is over, or was interrupted."""


class NullProgress:
    """A progress that shows nothing."""

    def start(self, frames: Sequence[int]) -> None: ...
    def keep(self, pass_number: int, count: int) -> None: ...
    def advance(self, pass_number: int, count: int, words: str) -> None: ...
    def end(self) -> None: ...


class PassBars:
    """A bar for each pass, on the terminal or under the notebook's running cell.

    `passes` and `frames` (per pass) are those of the whole run; `costs` is what a frame costs in
    each pass, relative to one another (default: the same in all). `every`: seconds between
    redraws (default: 0.2, or 10 where a line cannot be rewritten). `clock` returns seconds.
    `names`: what to call the passes (default: pass 1/3 and so on).
    """

    def __init__(
        self,
        passes: int,
        frames: int,
        costs: Sequence[float] | None = None,
        file: TextFile | None = None,
        every: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        names: Sequence[str] | None = None,
    ) -> None:
        self._costs = list(costs or [1.0] * passes)
        self._names = names or [f"pass {number}/{passes}" for number in range(1, passes + 1)]
        self._frames, self._file, self._every, self._clock = frames, file, every, clock
        self._seconds = self._work = 0.0
        self._pass_number, self._last = 1, clock()
        self._bar: tqdm | None = None

    def begin(self, pass_number: int, total: int, kept: int) -> None:
        self.end()
        self._pass_number, self._last = pass_number, self._clock()
        file, columns = (self._file, WIDTH) if self._file else _open()
        every = 0.2 if file.isatty() else 10
        self._bar = tqdm(
            desc=self._names[pass_number - 1],
            total=total,
            initial=kept,
            unit=" frames",
            file=file,
            ncols=columns,
            mininterval=every if self._every is None else self._every,
            miniters=1,
            bar_format=KEPT if kept == total else MADE,
        )

    def advance(self, count: int, words: str) -> None:
        if self._bar is None:
            return
        now, cost = self._clock(), self._costs[self._pass_number - 1]
        self._seconds, self._last = self._seconds + now - self._last, now
        self._work += count * cost
        left = tqdm.format_interval(self._seconds_left(self._bar.total - self._bar.n - count))
        self._bar.set_postfix_str(f"{left} left in all: {_shorten(words)}", refresh=False)
        self._bar.update(count)

    def keep(self, count: int) -> None:
        if self._bar is not None:
            self._bar.update(count)
            self._last = self._clock()

    def end(self) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str("", refresh=False)
            self._bar.close()
            self._bar = None

    def _seconds_left(self, frames: int) -> float:
        """Until the last pass is over, if nothing of the later passes exists yet."""
        here = frames * self._costs[self._pass_number - 1]
        later = self._frames * sum(self._costs[self._pass_number :])
        return (here + later) * self._seconds / self._work


class OverallBar:
    """One bar for many runs, with the time left for all of them: `start` each in turn, `close`.

    `costs`: for each run what a frame costs in each of its passes, relative to one another;
    `frames`, `file`, `every` and `clock` as in `PassBars`.
    """

    def __init__(
        self,
        costs: Sequence[Sequence[float]],
        frames: Sequence[int],
        file: TextFile | None = None,
        every: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._costs, self._clock = costs, clock
        self._left = sum(sum(row) * n for row, n in zip(costs, frames, strict=True))
        self._seconds = self._work = 0.0
        self._run, self._name, self._cost, self._last = -1, "", 1.0, clock()
        file, columns = (file, WIDTH) if file else _open()
        rhythm = 0.2 if file.isatty() else 10
        self._bar = tqdm(
            total=sum(len(row) * n for row, n in zip(costs, frames, strict=True)),
            file=file,
            ncols=columns,
            mininterval=rhythm if every is None else every,
            miniters=1,
            bar_format=WHOLE,
        )

    def start(self, name: str) -> None:
        """The next run begins; `name` is shown beside the bar."""
        self._run, self._name = self._run + 1, name
        self._bar.set_description_str(f"run {self._run + 1}/{len(self._costs)}", refresh=False)

    def begin(self, pass_number: int, total: int, kept: int) -> None:
        self._cost = self._costs[self._run][pass_number - 1]
        self._last = self._clock()
        self._step(kept, f"{self._name}, pass {pass_number}")

    def advance(self, count: int, words: str) -> None:
        now = self._clock()
        self._seconds, self._last = self._seconds + now - self._last, now
        self._work += count * self._cost
        left = (self._left - count * self._cost) * self._seconds / self._work
        self._step(count, f"{tqdm.format_interval(left)} left in all: {self._name}")

    def keep(self, count: int) -> None: ...
    def end(self) -> None: ...

    def close(self) -> None:
        """The last run is over, or was interrupted."""
        self._bar.set_postfix_str("", refresh=False)
        self._bar.close()

    def _step(self, count: int, text: str) -> None:
        self._left -= count * self._cost
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(count)


def _shorten(words: str) -> str:
    """Words cut to fit, without characters that would move a terminal's cursor."""
    words = "".join(letter if letter.isprintable() else " " for letter in words)
    return words if len(words) <= WORDS else words[: WORDS - 1] + "…"


def _open() -> tuple[TextFile, int]:
    """(where a bar is drawn, its width in columns)."""
    if _kernel():
        terminal = _starting_terminal()
        return _Cell(terminal), _columns(terminal)
    return sys.stderr, _columns(sys.stderr)


def _columns(file: TextIO | None) -> int:
    """WIDTH, or what a narrower terminal has room for."""
    with contextlib.suppress(OSError, ValueError):
        if file and (columns := os.get_terminal_size(file.fileno()).columns):
            return min(WIDTH, columns - 1)
    return WIDTH


def _kernel() -> bool:
    """Is this process the kernel of a notebook?"""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


def _starting_terminal() -> TextIO | None:
    """The terminal that a kernel was started from, unless a notebook server did it."""
    if "JPY_SESSION_NAME" not in os.environ:  # set by notebook servers
        with contextlib.suppress(OSError, ValueError):
            # a kernel's stderr writes to the notebook, but its file number is that of the process
            if os.isatty(number := sys.stderr.fileno()):
                return open(number, "w", encoding="utf-8", errors="replace", closefd=False)
    return None


class _Cell:
    """The text file of one bar in a notebook: whatever is written replaces the line before."""

    encoding = "utf-8"

    def __init__(self, terminal: TextIO | None) -> None:
        self._terminal, self._handle = terminal, None

    def isatty(self) -> bool:
        return True  # a line can be rewritten, as on a terminal

    def write(self, text: str) -> None:
        from IPython.display import DisplayHandle

        if self._terminal:
            self._terminal.write(text)
        if line := text.strip("\r\n"):
            data = {"text/plain": line.rstrip()}
            if self._handle is None:
                self._handle = DisplayHandle()
                self._handle.display(data, raw=True)
            else:
                self._handle.update(data, raw=True)

    def flush(self) -> None:
        if self._terminal:
            self._terminal.flush()
