"""What a run tells those who watch it."""

import warnings
from collections.abc import Sequence
from typing import Protocol

from flopslab.errors import FlopslabWarning


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


class SafeProgress:
    """A progress that ends no run: once it has failed, which a warning says, it shows nothing.

    The caller's own can fail: the widget of a closed notebook, a service that is down.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def note(self, text: str) -> None:
        self._tell("note", text)

    def start(self, frames: Sequence[int]) -> None:
        self._tell("start", frames)

    def keep(self, pass_number: int, count: int) -> None:
        self._tell("keep", pass_number, count)

    def step(self, pass_number: int, number: int, total: int, frames: int) -> None:
        self._tell("step", pass_number, number, total, frames)

    def advance(self, pass_number: int, count: int, words: str) -> None:
        self._tell("advance", pass_number, count, words)

    def finish(self, pass_number: int, summary: str) -> None:
        self._tell("finish", pass_number, summary)

    def end(self) -> None:
        self._tell("end")

    def _tell(self, event: str, *arguments: object) -> None:
        try:
            getattr(self._progress, event)(*arguments)
        except Exception as error:
            kind, self._progress = type(self._progress).__name__, NullProgress()
            sentence = f"the progress {kind} failed in {event} ({error!r}) and shows nothing more"
            warnings.warn(f"{sentence}; the run goes on", FlopslabWarning, stacklevel=3)
