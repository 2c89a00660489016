"""What a run tells those who watch it."""

from typing import Protocol


class Progress(Protocol):
    """How far a run has come, for somebody who watches it."""

    def note(self, text: str) -> None:
        """A line about what happens between the passes."""

    def begin(self, pass_number: int, total: int, kept: int) -> None:
        """This pass (from 1) begins: `total` frames, of which `kept` exist already."""

    def step(self, number: int, total: int, frames: int) -> None:
        """Step `number` of `total` is over, of the next `frames` frames together."""

    def advance(self, count: int, words: str) -> None:
        """`count` more frames are made, the last one from these words."""

    def keep(self, count: int) -> None:
        """`count` more frames exist already and cost nothing."""

    def end(self, summary: str = "") -> None:
        """The pass is over, with this summary; or, without one, was interrupted."""


class NullProgress:
    """A progress that shows nothing."""

    def note(self, text: str) -> None: ...
    def begin(self, pass_number: int, total: int, kept: int) -> None: ...
    def step(self, number: int, total: int, frames: int) -> None: ...
    def advance(self, count: int, words: str) -> None: ...
    def keep(self, count: int) -> None: ...
    def end(self, summary: str = "") -> None: ...
