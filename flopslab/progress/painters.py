"""How progress looks: a bar that is rewritten in place, or plain lines."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from tqdm.std import tqdm
from tqdm.utils import disp_len

from flopslab.progress.outlets import WIDTH, Outlet
from flopslab.progress.pace import State

WORDS = 24  # characters of the current words, at most
REDRAW = 0.2  # seconds between two states of a bar
EVERY = 30.0  # seconds between two lines
KEPT = "{desc} {bar:12} {n_fmt}/{total_fmt} kept"
MADE = "{desc} {bar:12} {n_fmt}/{total_fmt} in {elapsed}{postfix}"


class Painter(Protocol):
    """What shows the states of a run, one after the other."""

    def say(self, text: str) -> None:
        """Show a line of its own."""

    def begin(self, state: State) -> None:
        """Show the first state of a bar."""

    def draw(self, state: State) -> None:
        """Show the state, if the last one is old enough."""

    def end(self, state: State) -> None:
        """Show the last state; what follows is a new line."""


class Bar:
    """One line that is rewritten; `every` is in seconds, as the clock returns them."""

    def __init__(
        self,
        outlet: Outlet,
        every: float = REDRAW,
        clock: Callable[[], float] = time.monotonic,
        columns: int = WIDTH,
    ) -> None:
        self._outlet, self._every, self._clock, self._columns = outlet, every, clock, columns
        self._last, self._length = clock(), 0

    def say(self, text: str) -> None:
        self._write(text)
        self._outlet.write("\n")
        self._length = 0

    def begin(self, state: State) -> None:
        self._paint(state)

    def draw(self, state: State) -> None:
        if self._clock() - self._last >= self._every:
            self._paint(state)

    def end(self, state: State) -> None:
        self._paint(state.last)
        self._outlet.write("\n")
        self._length = 0

    def _paint(self, state: State) -> None:
        self._last = self._clock()
        line = tqdm.format_meter(
            state.done,
            state.total,
            state.elapsed,
            ncols=self._columns,
            prefix=state.title,
            bar_format=MADE if state.made or state.done < state.total else KEPT,
            postfix=_describe(state.facts, state.words),
        )
        self._write(line)

    def _write(self, line: str) -> None:
        length = disp_len(line)
        self._outlet.write(f"\r{line}{' ' * max(0, self._length - length)}")
        self._length = length


class Lines:
    """A plain line at most every so many seconds, and at the beginning and end.

    `dated`: each line begins with its time, in UTC. `patient`: nothing is written before a
    frame is being made, so that a run that finds all its frames leaves no trace.
    """

    def __init__(
        self,
        outlet: Outlet,
        every: float = EVERY,
        clock: Callable[[], float] = time.monotonic,
        dated: bool = False,
        patient: bool = False,
    ) -> None:
        self._outlet, self._every, self._clock, self._dated = outlet, every, clock, dated
        self._last, self._patient = clock(), patient
        self._waiting: list[str] = []

    def say(self, text: str) -> None:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ ") if self._dated else ""
        self._waiting.append(f"{stamp}{text}\n")
        if not self._patient:
            self._outlet.write("".join(self._waiting))
            self._waiting.clear()

    def begin(self, state: State) -> None:
        self._paint(state)

    def draw(self, state: State) -> None:
        self._patient = self._patient and not (state.made or state.step)
        if self._clock() - self._last >= self._every:
            self._paint(state)

    def end(self, state: State) -> None:
        self._paint(state.last)

    def _paint(self, state: State) -> None:
        self._last = self._clock()
        count = f"{state.title}: {state.done}/{state.total} frames"
        self.say(_describe([count, *state.facts], state.words))


def _describe(facts: Sequence[str], words: str) -> str:
    text = ", ".join(facts)
    return ": ".join(filter(None, [text, _shorten(words)]))


def _shorten(words: str) -> str:
    """Words cut to fit, without characters that would move a terminal's cursor."""
    words = "".join(letter if letter.isprintable() else " " for letter in words)
    return words if len(words) <= WORDS else words[: WORDS - 1] + "…"
