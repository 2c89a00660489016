"""quarantine/: where a run puts what it cannot keep, why, and how a frame comes back from there.

Nothing is ever deleted or overwritten there. A reason is one of

    damaged    a frame of a run that is not whole any more, or has lost its latents
    outdated   a whole frame, but something in its recipe is not what is needed now
    stale      a whole frame, made from frames that have changed since
    foreign    nothing that a run has made
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from flopslab.runs import layout
from flopslab.runs.checks.differences import differences
from flopslab.runs.frame_files import decode_frame, is_foreign, is_occupied, move_frame
from flopslab.storage import filesystem

Reason = Literal["damaged", "outdated", "stale", "foreign"]


@dataclass(frozen=True)
class QuarantineEntry:
    """One frame (or what stood in its place) that was moved to quarantine/."""

    origin: Path  # where it was
    paths: tuple[Path, ...]  # where it is now: the picture last, its latents before it
    reason: Reason
    detail: str  # the field that differs, or the damage

    def __str__(self) -> str:
        return f"{self.origin}: {self.reason} ({self.detail}), now {self.paths[-1]}"


class Quarantine:
    """The quarantine of the run in `directory`, and what went there since it was opened.

    `before_change` is called before anything moves.
    """

    def __init__(self, directory: Path, before_change: Callable[[], None]) -> None:
        self.entries: list[QuarantineEntry] = []
        self._directory, self._before_change = directory, before_change

    def put(self, path: Path, reason: Reason, detail: str) -> None:
        """Move what stands at `path`, and the latents beside it, under a name of its own."""
        self._before_change()
        names = layout.quarantine_paths(self._directory, path)
        target = next(name for name in names if not is_occupied(name))
        filesystem.make_directory(target.parent)
        paths = tuple(move_frame(path, target))
        self.entries.append(QuarantineEntry(path, paths, reason, detail))

    def candidates(self, path: Path) -> Iterator[Path]:
        """What stood at `path` before, in the order in which it was put here."""
        return takewhile(is_occupied, layout.quarantine_paths(self._directory, path))

    def take_back(self, candidate: Path, path: Path) -> None:
        """Move one of the candidates to its place again, where nothing stands now."""
        self._before_change()
        move_frame(candidate, path)

    def entries_of(self, pass_number: int) -> tuple[QuarantineEntry, ...]:
        """The entries that were frames of this pass."""
        name = layout.pass_name(pass_number)
        return tuple(entry for entry in self.entries if entry.origin.parent.name == name)


def diagnose(data: bytes | None, expected: dict[str, Any]) -> tuple[Reason, str]:
    """(why a file is not the frame that is needed, the detail).

    `data`: of the picture, None for what is no file. `expected`: what determines the pixels of the
    frame that is needed, see `RunContext.pixels`.
    """
    if data is None:
        return "foreign", "no regular file"
    try:
        _, recipe = decode_frame(data)
    except ValueError as error:
        return ("foreign" if is_foreign(data) else "damaged"), str(error)
    changes = differences(expected, recipe.pixels)
    if not changes:
        return "damaged", "its latents are missing or not those that its recipe records"
    stale = all(change.is_input for change in changes)
    return ("stale" if stale else "outdated"), "; ".join(map(str, changes))


def describe_entries(entries: Iterable[QuarantineEntry]) -> str:
    """`3 set aside (2 damaged, 1 outdated) in quarantine/`; empty if there are none."""
    counts = Counter(entry.reason for entry in entries)
    if not counts:
        return ""
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    return f"{counts.total()} set aside ({reasons}) in {layout.QUARANTINE}/"
