"""Progress of a run: where it stands, how fast it is, how long it takes, and its current words.

On a terminal and in a notebook it is a bar, and a line for each finished pass. Where there is no
terminal (nohup, cron, a cluster's queue) it is a plain line on stderr now and then, from papermill
too, which shows no output while a cell runs.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tqdm.std import tqdm

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


class RunBar:
    """A bar for a run, or lines.

    `costs`: what a frame costs in each pass, relative to one another; without them passes cost the
    same and are not named. `title`: what is shown before the bar. `file`: where bars are drawn
    (default: what the process has), `every` so many seconds. `clock` returns seconds. `log`: a file
    that lines with times are appended to as soon as there is a frame to make.
    """

    def __init__(
        self,
        costs: Sequence[float] = (),
        title: str = "run",
        file: TextFile | None = None,
        every: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        log: Path | None = None,
    ) -> None:
        self._costs, self._title, self._clock = costs, title, clock
        self._painters = choose_painters(file, every, clock)
        if log is not None:
            outlet = Outlet(LogFile(log))
            self._painters.append(Lines(outlet, clock=clock, dated=True, patient=True))
        self._pace, self._start, self._work = Pace(clock), clock(), 0.0
        self._state: State | None = None

    def note(self, text: str) -> None:
        for painter in self._painters:
            painter.say(text)

    def start(self, frames: Sequence[int]) -> None:
        self._work = sum(n * self._cost(number) for number, n in enumerate(frames, 1))
        self._begin(self._title, sum(frames))

    def keep(self, pass_number: int, count: int) -> None:
        self._pace.restart()
        self._draw(pass_number, count)

    def step(self, pass_number: int, number: int, total: int, frames: int) -> None:
        work = frames * number / total * self._cost(pass_number)
        self._pace.reach(work)
        self._draw(pass_number, 0, part=work, step=f"step {number}/{total}")

    def advance(self, pass_number: int, count: int, words: str) -> None:
        self._pace.add(count * self._cost(pass_number))
        self._draw(pass_number, count, made=count, words=words)

    def finish(self, pass_number: int, summary: str) -> None:
        self.note(f"{summary}, after {tqdm.format_interval(self._clock() - self._start)}")

    def end(self) -> None:
        if self._state is not None:
            for painter in self._painters:
                painter.end(self._state)
        self._state = None

    def _begin(self, title: str, total: int) -> None:
        self._start, self._state = self._clock(), State(title, 0, total)
        self._pace.restart()
        for painter in self._painters:
            painter.begin(self._state)

    def _cost(self, pass_number: int) -> float:
        return self._costs[pass_number - 1] if self._costs else 1.0

    def _part(self, pass_number: int) -> str:
        """Where the last batch belongs."""
        return f"pass {pass_number}/{len(self._costs)}" if self._costs else ""

    def _draw(
        self,
        pass_number: int,
        count: int,
        made: int = 0,
        part: float = 0,
        step: str = "",
        words: str = "",
    ) -> None:
        """Show `count` more frames, and as `part` the work that is done of the next ones."""
        if self._state is None:
            return
        cost = self._cost(pass_number)
        self._work -= count * cost
        self._state = replace(
            self._state,
            done=self._state.done + count,
            made=self._state.made + made,
            elapsed=self._clock() - self._start,
            seconds_per_frame=self._pace.seconds(cost),
            seconds_left=self._pace.seconds(self._work - part),
            part=self._part(pass_number),
            step=step,
            words=words or self._state.words,
        )
        for painter in self._painters:
            painter.draw(self._state)


class OverallBar(RunBar):
    """One bar for many runs, with the time left for all of them: `follow` each in turn, `close`.

    `run_costs`: for each run what a frame costs in each of its passes, relative to one another;
    `frames`: how many a pass of each run has; `file`, `every`, `clock` and `log` as in `RunBar`.
    """

    def __init__(
        self,
        run_costs: Sequence[Sequence[float]],
        frames: Sequence[int],
        file: TextFile | None = None,
        every: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        log: Path | None = None,
    ) -> None:
        super().__init__(file=file, every=every, clock=clock, log=log)
        self._run_costs, self._frames = run_costs, frames
        self._run, self._name = 0, ""

    def follow(self, name: str) -> None:
        """The next run begins; `name` is shown beside the bar."""
        self._costs, self._name, self._run = self._run_costs[self._run], name, self._run + 1
        title = f"run {self._run}/{len(self._run_costs)}"
        if self._state is None:
            rows = list(zip(self._run_costs, self._frames, strict=True))
            self._work = sum(sum(row) * n for row, n in rows)
            self._begin(title, sum(len(row) * n for row, n in rows))
        self._state = self._state and replace(self._state, title=title)

    def start(self, frames: Sequence[int]) -> None: ...
    def finish(self, pass_number: int, summary: str) -> None: ...
    def end(self) -> None: ...

    def close(self) -> None:
        """The last run is over, or was interrupted."""
        super().end()

    def _part(self, pass_number: int) -> str:
        return f"{self._name}, {super()._part(pass_number)}"


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
