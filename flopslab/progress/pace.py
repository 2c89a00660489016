"""How fast a run is, and how long the rest of it takes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tqdm.std import tqdm


class Pace:
    """Seconds for each unit of work, from the work that is done; `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._last = clock, clock()
        self._seconds = self._work = self._part = 0.0

    def restart(self) -> None:
        """What passed until now was no work."""
        self._last, self._part = self._clock(), 0.0

    def add(self, work: float) -> None:
        """So much work was done since the last call."""
        now = self._clock()
        self._seconds, self._last = self._seconds + now - self._last, now
        self._work, self._part = self._work + work, 0.0

    def reach(self, work: float) -> None:
        """So much work was done since the last `add`, which will count it again."""
        self._part = work

    def seconds(self, work: float) -> float | None:
        """How long so much work takes; None before any was done."""
        if self._part:
            spent = self._seconds + self._clock() - self._last
            return work * spent / (self._work + self._part)
        return work * self._seconds / self._work if self._work else None


@dataclass(frozen=True)
class State:
    """How far a run, or a series of runs, has come.

    `seconds_left` and `seconds_per_frame` are None while they are not known.
    """

    title: str
    done: int  # frames that are there
    total: int
    made: int = 0  # of them, those that did not exist before
    elapsed: float = 0.0  # seconds
    seconds_per_frame: float | None = None
    seconds_left: float | None = None
    part: str = ""  # of the run, that the last frames belong to
    step: str = ""  # within the frames that are being made
    words: str = ""

    @property
    def rate(self) -> str:
        """Frames a second, or seconds a frame; empty while it is not known."""
        seconds = self.seconds_per_frame
        if not seconds:
            return ""
        if seconds <= 1:
            return f"{1 / seconds:.{1 if seconds > 0.1 else 0}f} frames/s"
        return f"{seconds:.{1 if seconds < 10 else 0}f} s a frame"

    @property
    def left(self) -> str:
        """The time left; empty while it is not known."""
        if self.seconds_left is None:
            return ""
        return f"{tqdm.format_interval(self.seconds_left)} left"

    @property
    def facts(self) -> list[str]:
        """Rate, time left, part and step, as far as they are known."""
        return [text for text in (self.rate, self.left, self.part, self.step) if text]

    @property
    def last(self) -> "State":
        """The state in which a run ends, or breaks off."""
        return replace(self, seconds_left=None, part="", step="", words="")
