"""The order of a run: every frame as soon as what it looks at is there.

A pass need not wait for the one before it: a frame looks R positions far, so that its batch is
ready when the pass before is R positions ahead. Batches are taken in the order
position + R (pass - 1), which brings the first frames of the last pass early.
"""

from collections.abc import Callable, Sequence

from flopslab.core.plan import Frame, Plan
from flopslab.core.windows import FrameKey
from flopslab.runs.store import Store

MOST = 32  # frames that are looked up at once, where one after the other is there


class Wavefront:
    """The batches of a run's missing frames, in passes of these numbers.

    `on_check(pass_number, kept)` is called as frames are looked up: with how many are verified.
    """

    def __init__(
        self,
        plan: Plan,
        passes: Sequence[int],
        store: Store,
        batch_size: int,
        on_check: Callable[[int, int], object],
    ) -> None:
        self._plan, self._store, self._on_check = plan, store, on_check
        self._positions = plan.windowing.positions
        self._size = batch_size
        self._look_ups = dict.fromkeys(passes, batch_size)  # how many frames to look up at once
        self._checked = dict.fromkeys(passes, 0)  # how many of its frames were looked up
        self._chunks: dict[int, list[Frame]] = {}  # planned, to be looked up next
        self._missing: dict[int, list[Frame]] = {number: [] for number in passes}

    def next_batch(self) -> list[Frame]:
        """Missing frames of one pass to be made together; none if none is ready, or all is done.

        Some are ready whenever no batch is being made and not all is done: what the first
        incomplete pass looks at is there, so that it is looked up to its end.
        """
        while (number := self._full_pass()) is None:
            if (ready := self._ready_pass()) is None:
                return []
            self._look_up(ready)
        return self._take(number)

    def _full_pass(self) -> int | None:
        """The first pass of which a batch is missing, or its rest."""
        for number, frames in self._missing.items():
            if len(frames) >= self._size or (frames and self._is_checked(number)):
                return number
        return None

    def _ready_pass(self) -> int | None:
        """The pass whose next frames can be looked up and come first in the order."""
        passes = [number for number in self._checked if not self._is_checked(number)]
        for number in sorted(passes, key=self._order):
            if all(map(self._store.is_verified, self._needs(number))):
                return number
        return None

    def _order(self, number: int) -> int:
        reach = self._plan.windowing.image_reach
        return self._positions[self._checked[number]] + reach * (number - 1)

    def _needs(self, number: int) -> set[FrameKey]:
        """The frames that the next frames of a pass look at."""
        if number not in self._chunks:
            start = self._checked[number]
            positions = self._positions[start : start + self._look_ups[number]]
            self._chunks[number] = [self._plan.frame(FrameKey(number, p)) for p in positions]
        return {key for frame in self._chunks[number] for key in frame.needs}

    def _look_up(self, number: int) -> None:
        frames = self._chunks.pop(number)
        missing = self._store.find_missing(frames)
        self._missing[number] += missing
        doubled = min(2 * self._look_ups[number], MOST)
        self._look_ups[number] = self._size if missing else max(doubled, self._size)
        self._checked[number] += len(frames)
        self._on_check(number, len(frames) - len(missing))

    def _is_checked(self, number: int) -> bool:
        return self._checked[number] == len(self._positions)

    def _take(self, number: int) -> list[Frame]:
        frames = self._missing[number]
        self._missing[number] = frames[self._size :]
        return frames[: self._size]
