"""Progress of a run: where it stands, how fast it is, how long it takes, and its current words.

On a terminal and in a notebook it is a bar for each pass. Where there is no terminal (nohup, cron,
a cluster's queue) it is a plain line on stderr now and then, from papermill too, which shows no
output while a cell runs.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from flopslab.progress.outlets import (
    Cell,
    LogFile,
    Outlet,
    Stream,
    TextFile,
    in_kernel,
    in_notebook_server,
)
from flopslab.progress.pace import Pace, State
from flopslab.progress.painters import EVERY, REDRAW, Bar, Lines, Painter
from flopslab.progress.protocol import NullProgress


class PassBars:
    """A bar for each pass, or lines.

    `passes` and `frames` (per pass) are those of the whole run; `costs` is what a frame costs in
    each pass, relative to one another (default: the same in all). `file`: where bars are drawn
    (default: what the process has), `every` so many seconds. `clock` returns seconds. `names`: what
    to call the passes (default: pass 1/3 and so on). `log`: a file that lines with times are
    appended to as soon as there is a frame to make.
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
        log: Path | None = None,
    ) -> None:
        self._costs = list(costs or [1.0] * passes)
        self._names = names or [f"pass {number}/{passes}" for number in range(1, passes + 1)]
        self._frames, self._clock = frames, clock
        self._painters = choose_painters(file, every, clock)
        if log is not None:
            outlet = Outlet(LogFile(log))
            self._painters.append(Lines(outlet, clock=clock, dated=True, patient=True))
        self._run_pace, self._pass_pace = Pace(clock), Pace(clock)
        self._pass_number, self._start = 1, clock()
        self._state: State | None = None

    def note(self, text: str) -> None:
        for painter in self._painters:
            painter.say(text)

    def begin(self, pass_number: int, total: int, kept: int) -> None:
        self.end()
        self._pass_number, self._start = pass_number, self._clock()
        self._pass_pace = Pace(self._clock)
        self._run_pace.restart()
        self._state = State(self._names[pass_number - 1], kept, total)
        for painter in self._painters:
            painter.begin(self._state)

    def step(self, number: int, total: int, frames: int) -> None:
        share = frames * number / total
        self._pass_pace.reach(share)
        self._run_pace.reach(share * self._cost)
        self._draw(0, part=share, step=f"step {number}/{total}")

    def advance(self, count: int, words: str) -> None:
        self._pass_pace.add(count)
        self._run_pace.add(count * self._cost)
        self._draw(count, made=count, words=words)

    def keep(self, count: int) -> None:
        self._pass_pace.restart()
        self._run_pace.restart()
        self._draw(count)

    def end(self, summary: str = "") -> None:
        if self._state is not None:
            state = replace(self._state, elapsed=self._clock() - self._start)
            for painter in self._painters:
                painter.end(state, summary)
        self._state = None

    @property
    def _cost(self) -> float:
        return self._costs[self._pass_number - 1]

    def _draw(
        self, count: int, made: int = 0, part: float = 0, step: str = "", words: str = ""
    ) -> None:
        """Show `count` more frames, and as `part` what is done of the next ones."""
        if self._state is None:
            return
        done = self._state.done + count
        self._state = replace(
            self._state,
            done=done,
            made=self._state.made + made,
            elapsed=self._clock() - self._start,
            seconds_per_frame=self._pass_pace.seconds(1),
            seconds_left=self._run_pace.seconds(self._work(self._state.total - done - part)),
            step=step,
            words=words or self._state.words,
        )
        for painter in self._painters:
            painter.draw(self._state)

    def _work(self, frames: float) -> float:
        """Until the last pass is over, if nothing of the later passes exists yet."""
        return frames * self._cost + self._frames * sum(self._costs[self._pass_number :])


class OverallBar(NullProgress):
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
        self._costs, self._clock, self._pace = costs, clock, Pace(clock)
        self._left = sum(sum(row) * n for row, n in zip(costs, frames, strict=True))
        self._run, self._name, self._cost, self._start = -1, "", 1.0, clock()
        self._painters = choose_painters(file, every, clock)
        total = sum(len(row) * n for row, n in zip(costs, frames, strict=True))
        self._state = State("", 0, total)

    def start(self, name: str) -> None:
        """The next run begins; `name` is shown beside the bar."""
        self._run, self._name = self._run + 1, name
        title = f"run {self._run + 1}/{len(self._costs)}"
        self._state = replace(self._state, title=title, words=name)
        for painter in self._painters:
            painter.begin(self._state)

    def begin(self, pass_number: int, total: int, kept: int) -> None:
        self._cost = self._costs[self._run][pass_number - 1]
        self._pace.restart()
        self._draw(kept, words=f"{self._name}, pass {pass_number}")

    def step(self, number: int, total: int, frames: int) -> None:
        share = frames * number / total
        self._pace.reach(share * self._cost)
        self._draw(0, part=share, step=f"step {number}/{total}")

    def advance(self, count: int, words: str) -> None:
        self._pace.add(count * self._cost)
        self._draw(count, made=count)

    def close(self) -> None:
        """The last run is over, or was interrupted."""
        for painter in self._painters:
            painter.end(self._state, "")

    def _draw(
        self, count: int, made: int = 0, part: float = 0, step: str = "", words: str = ""
    ) -> None:
        self._left -= count * self._cost
        self._state = replace(
            self._state,
            done=self._state.done + count,
            made=self._state.made + made,
            elapsed=self._clock() - self._start,
            seconds_left=self._pace.seconds(self._left - part * self._cost),
            step=step,
            words=words or self._name,
        )
        for painter in self._painters:
            painter.draw(self._state)


def choose_painters(
    file: TextFile | None, every: float | None, clock: Callable[[], float]
) -> list[Painter]:
    """A bar on `file`; without one, a bar or lines wherever somebody may look."""
    redraw = REDRAW if every is None else every
    if file is not None:
        return [Bar(Outlet(file), redraw, clock)]
    stream, painters = Stream(), list[Painter]()
    if in_kernel():
        painters.append(Bar(Outlet(Cell()), redraw, clock))
        if in_notebook_server():
            return painters
    outlet = Outlet(stream)
    if stream.is_terminal:
        return [*painters, Bar(outlet, redraw, clock, stream.columns)]
    return [*painters, Lines(outlet, EVERY if every is None else every, clock)]
