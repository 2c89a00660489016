"""What a run tells those who watch it."""

from collections.abc import Sequence
from typing import Protocol


class Progress(Protocol):
    """How far a run has come, for somebody who watches it. Its passes overlap."""

    def note(self, text: str) -> None:
        """A line about what happens before the first frame."""

    def start(self, frames: Sequence[int]) -> None:
        """The run begins, with so many frames in each of its passes."""

    def keep(self, pass_number: int, count: int) -> None:
        """`count` more frames of a pass (from 1) exist already and cost nothing."""

    def step(self, pass_number: int, number: int, total: int, frames: int) -> None:
        """Step `number` of `total` is over, of the next `frames` frames of a pass together."""

    def advance(self, pass_number: int, count: int, words: str) -> None:
        """`count` more frames of a pass are made, the last one from these words."""

    def finish(self, pass_number: int, summary: str) -> None:
        """All frames of a pass are there."""

    def end(self) -> None:
        """The run is over, or was interrupted."""


class NullProgress:
    """A progress that shows nothing."""

    def note(self, text: str) -> None: ...
    def start(self, frames: Sequence[int]) -> None: ...
    def keep(self, pass_number: int, count: int) -> None: ...
    def step(self, pass_number: int, number: int, total: int, frames: int) -> None: ...
    def advance(self, pass_number: int, count: int, words: str) -> None: ...
    def finish(self, pass_number: int, summary: str) -> None: ...
    def end(self) -> None: ...
