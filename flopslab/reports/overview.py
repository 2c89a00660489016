"""All runs below a folder: where each lies, what it is, and the parameters that tell them apart."""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flopslab.errors import FlopslabWarning, RunError
from flopslab.reports.state import run_state
from flopslab.runs import layout
from flopslab.runs.frame_files import FormatError
from flopslab.runs.reader import common_parameters, read_manifest, recorded_study

MOST_NAMES = 4  # of folders in a warning


@dataclass(frozen=True)
class RunRow:
    """One run of a table."""

    directory: Path
    state: str
    frames: int
    passes: int
    date: str  # of the newest file of a pass: UTC, ISO 8601, to the minute
    parameters: dict[str, Any]  # every one that is known

    @property
    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return vars(self) | {"directory": str(self.directory)}


def find_runs(folder: str | Path) -> list[RunRow]:
    """The runs in and below a folder, in the order of their paths.

    RunError if there are none. FlopslabWarning for folders that may not be read.
    """
    folder = Path(folder).expanduser()
    refused: list[OSError] = []
    rows = []
    for directory in sorted(_run_directories(folder, refused)):
        with suppress(RunError):  # a folder of that name, without a frame
            rows.append(_row(directory))
    if refused:
        warnings.warn(_describe(refused), FlopslabWarning, stacklevel=2)
    if not rows:
        raise RunError(f"runs in or below {folder}", "none", "give the folder that holds them")
    return rows


def distinct_parameters(rows: Sequence[RunRow]) -> list[str]:
    """The names of the parameters in which the runs differ, in the order of a study's."""
    names = dict.fromkeys(name for row in rows for name in row.parameters)
    return [n for n in names if len({repr(row.parameters.get(n)) for row in rows}) > 1]


def format_table(rows: Sequence[RunRow], folder: str | Path) -> str:
    """The runs as a table for a terminal: only the parameters that differ have a column."""
    names = distinct_parameters(rows)
    lines = [["run", "state", "frames", "passes", "date", *names]]
    lines += [
        [
            os.path.relpath(row.directory, Path(folder).expanduser()),
            row.state,
            f"{row.frames:,}",
            str(row.passes),
            row.date,
            *(_cell(row.parameters.get(name)) for name in names),
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [map(str.ljust, line, widths) for line in lines]
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _run_directories(folder: Path, refused: list[OSError]) -> Iterator[Path]:
    """Those that look like a run's; adds what cannot be listed to `refused`."""
    for root, directories, names in os.walk(folder, onerror=refused.append):
        if layout.MANIFEST in names or layout.pass_name(1) in directories:
            yield Path(root)
            directories[:] = [name for name in directories if not layout.is_part(name)]


def _describe(refused: Sequence[OSError]) -> str:
    """What could not be listed, and why: the first few by name."""
    lines = [f"{error.filename} ({error.strerror})" for error in refused[:MOST_NAMES]]
    more = f" and {len(refused) - MOST_NAMES} more" if len(refused) > MOST_NAMES else ""
    return f"not looked into, and runs may lie there: {', '.join(lines)}{more}"


def _row(directory: Path) -> RunRow:
    try:
        state = run_state(directory)
    except RunError as error:
        if isinstance(error.__cause__, OSError):
            return RunRow(directory, "unreadable", 0, 0, "", {})
        if not isinstance(error.__cause__, FormatError):
            raise
        keys = layout.frame_keys(directory)
        passes = len({key.pass_number for key in keys})
        return RunRow(directory, "other format", len(keys), passes, _date(directory), {})
    parameters: dict[str, Any] = {}
    with suppress(RunError):
        manifest = read_manifest(directory)
        recorded_study(directory, manifest)  # one that was edited says nothing
        parameters = manifest["parameters"]
    if not parameters:
        with suppress(RunError):
            parameters = common_parameters(directory)
    return RunRow(
        directory, state.state, state.frames, len(state.passes), _date(directory), parameters
    )


def _date(directory: Path) -> str:
    times = []
    for path in directory.glob("pass*/frame_*.png"):
        with suppress(OSError):  # a run that is at work may just have moved it
            times.append(path.lstat().st_mtime)
    newest = max(times, default=directory.stat().st_mtime)
    return datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _cell(value: Any, most: int = 24) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return text if len(text) <= most else f"{text[: most - 1]}…"
