"""The state of a run, derived from what lies in its directory: nothing is locked or written."""

import os
import re
import socket
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from flopslab.core.windows import FrameKey, Windowing
from flopslab.errors import RunError
from flopslab.runs import layout
from flopslab.runs.frame_files import FormatError, read_recipe
from flopslab.runs.manifest import RUNNING
from flopslab.runs.reader import finished_run, read_manifest, recorded_study
from flopslab.storage import filesystem
from flopslab.storage.lock import is_locked

SAMPLE = 20  # frames of a pass whose times tell how long a frame takes

StateName = Literal["complete", "running", "interrupted", "damaged"]

_HOLDER = re.compile(r"(\d{1,10})(?:[ \n](\S+))?")  # pid and host, in the lock's file


@dataclass(frozen=True)
class PassState:
    """How far a pass has come; `total` is None where nothing tells how long the run is to be."""

    pass_number: int
    frames: int  # files there, not verified
    total: int | None

    def __str__(self) -> str:
        total = "" if self.total is None else f" of {self.total:,}"
        return f"pass {self.pass_number}: {self.frames:,}{total} frames"


@dataclass(frozen=True)
class RunState:
    """What `flopslab status` says.

    `damaged`: the directory claims to be complete, and is not. `seconds_left`: of what is missing,
    by the times of the frames there; None if nothing tells.
    """

    directory: Path
    state: StateName
    passes: tuple[PassState, ...]
    holder: str  # the process that writes it; empty if there is none
    seconds_left: float | None
    problem: str  # why it is not complete

    @property
    def frames(self) -> int:
        """How many frames are there."""
        return sum(entry.frames for entry in self.passes)

    @property
    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self) | {"directory": str(self.directory), "frames": self.frames}

    def __str__(self) -> str:
        lines = [f"{self.directory}: {self.state}" + f", by {self.holder}" * bool(self.holder)]
        lines += [f"  {entry}" for entry in self.passes]
        if self.seconds_left:
            lines.append(f"  about {duration(self.seconds_left)} left, by the frames there")
        if self.state == "damaged":
            lines.append(f"  {self.problem}")
        return "\n".join(lines)


def run_state(directory: str | Path) -> RunState:
    """The state of the run in `directory`.

    RunError if there is none, it may not be read, or has another format.
    """
    directory = Path(directory).expanduser()
    process, problem, manifest = holder(directory), "", None
    keys = layout.frame_keys(directory)
    if not keys and not os.path.exists(directory / layout.MANIFEST) and not process:
        hint = "give the output_dir of a run"
        raise RunError(f"the run in {directory}", "neither frames nor a manifest", hint)
    try:
        manifest = finished_run(directory).manifest
    except RunError as error:
        if isinstance(error.__cause__, (FormatError, PermissionError)):
            raise
        problem = error.actual
    with suppress(RunError):
        manifest = manifest or read_manifest(directory)
    windowing = _windowing(directory, manifest) if manifest else None
    passes = _passes(keys, windowing)
    return RunState(
        directory=directory,
        state=_name(problem, process, directory, manifest),
        passes=passes,
        holder=process,
        seconds_left=_seconds_left(directory, keys, windowing, passes) if problem else 0.0,
        problem=problem,
    )


def holder(directory: Path) -> str:
    """The living process that writes a run, `pid 12 on host`; empty if there is none.

    Of a process on another machine only the lock's own file tells.
    """
    for name in (layout.LOCK, f"{layout.LOCK}.holder"):
        with suppress(OSError):
            path = directory / name
            data = filesystem.read(path, 1024, linked_directory=True) or b""
            record = _HOLDER.search(data.decode("utf-8", "replace"))
            if record and _writes(path, int(record[1]), record[2] or socket.gethostname()):
                return f"pid {record[1]}" + f" on {record[2]}" * bool(record[2])
    return ""


def duration(seconds: float) -> str:
    """Seconds for people: `2 h 05 min`, `3 min 10 s`, `8 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _writes(path: Path, pid: int, host: str) -> bool:
    """Whether the process that a lock or marker file names still has the run."""
    if host != socket.gethostname():
        return True
    return _is_alive(pid) and (path.name != layout.LOCK or is_locked(path))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's process
        return True
    return True


def _name(
    problem: str, process: str, directory: Path, manifest: Mapping[str, Any] | None
) -> StateName:
    if not problem:
        return "complete"
    if process:
        return "running"
    unfinished = not os.path.exists(directory / layout.MANIFEST) if manifest is None else None
    if unfinished or (manifest and manifest["status"] == RUNNING):
        return "interrupted"
    return "damaged"


def _windowing(directory: Path, manifest: Mapping[str, Any]) -> Windowing | None:
    """Of the study that the manifest names; None if it was edited."""
    with suppress(RunError):
        return Windowing(recorded_study(directory, manifest), len(manifest["sequence"]))
    return None


def _passes(keys: list[FrameKey], windowing: Windowing | None) -> tuple[PassState, ...]:
    counts: dict[int, int] = defaultdict(int)
    if windowing is None:
        for key in keys:
            counts[key.pass_number] += 1
        return tuple(PassState(number, counts[number], None) for number in sorted(counts))
    positions = windowing.positions
    for key in keys:
        counts[key.pass_number] += key.position in positions
    numbers = range(1, windowing.study.passes + 1)
    return tuple(PassState(number, counts[number], len(positions)) for number in numbers)


def _seconds_left(
    directory: Path,
    keys: list[FrameKey],
    windowing: Windowing | None,
    passes: tuple[PassState, ...],
) -> float | None:
    """Of all frames that are missing; a pass without frames costs its share of pass 1's steps."""
    times: dict[int, list[float]] = defaultdict(list)
    for key in reversed(keys):
        if len(times[key.pass_number]) < SAMPLE:
            with suppress(ValueError):
                recipe = read_recipe(layout.frame_path(directory, key))
                times[key.pass_number].append(recipe.generation_time_s)
    if windowing is None or not times[1]:
        return None
    strength = windowing.study.strength
    return sum(
        ((entry.total or 0) - entry.frames)
        * median(times[entry.pass_number] or [median(times[1]) * strength(entry.pass_number)])
        for entry in passes
    )
