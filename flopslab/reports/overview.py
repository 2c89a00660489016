"""All runs below a folder: where each lies, what it is, and the parameters that tell them apart."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flopslab.errors import RunError
from flopslab.reports.state import run_state
from flopslab.runs import layout
from flopslab.runs.frame_files import FormatError
from flopslab.runs.reader import common_parameters, read_manifest


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
    """The runs in and below a folder, in the order of their paths. RunError if there are none."""
    folder = Path(folder).expanduser()
    directories = {path.parent for path in folder.rglob(layout.MANIFEST)}
    directories |= {path.parent for path in folder.rglob(layout.pass_name(1))}
    rows = []
    for directory in sorted(directories):
        with suppress(RunError):  # a folder of that name, without a frame
            rows.append(_row(directory))
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
            str(row.directory.relative_to(folder)),
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


def _row(directory: Path) -> RunRow:
    try:
        state = run_state(directory)
    except RunError as error:
        if not isinstance(error.__cause__, FormatError):
            raise
        keys = layout.frame_keys(directory)
        passes = len({key.pass_number for key in keys})
        return RunRow(directory, "other format", len(keys), passes, _date(directory), {})
    parameters: dict[str, Any] = {}
    with suppress(RunError):
        parameters = read_manifest(directory)["parameters"]
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
