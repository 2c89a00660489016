"""Everything in a run directory verified: pixels, latents, recipes, links, manifest."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.runs import layout
from flopslab.runs.checks.verification import EDITED, Fault, find_faults
from flopslab.runs.frame_files import FormatError, decode_frame, decode_latents
from flopslab.runs.manifest import COMPLETE
from flopslab.runs.provenance import Recipe
from flopslab.runs.reader import RunDirectory, open_run, read_manifest
from flopslab.storage import filesystem


@dataclass(frozen=True)
class Verification:
    """What `flopslab verify` says: how many frames were read, and what is wrong."""

    directory: Path
    frames: int
    faults: tuple[Fault, ...]

    @property
    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        faults = [{"path": str(fault.path), "problem": fault.problem} for fault in self.faults]
        return {"directory": str(self.directory), "frames": self.frames, "faults": faults}

    def __str__(self) -> str:
        faults = [f"  {fault}" for fault in self.faults]
        result = f"{len(faults)} faults" if faults else "all verified"
        return "\n".join([f"{self.directory}: {self.frames:,} frames, {result}", *faults])


def verify_run(directory: str | Path) -> Verification:
    """Every frame of a run with its latents, its links and its manifest, verified; no lock.

    Nothing is written. RunError if there is no run.
    """
    run = open_run(directory)
    recorded: set[FrameKey] = set()
    faults = [*_manifest_faults(run, recorded)]
    faults += [*_other_faults(run.directory, [k for k in run.frames if k not in recorded])]
    return Verification(run.directory, len(run.frames), tuple(faults))


def read_whole(path: Path) -> Recipe:
    """The recipe of a picture, its pixels and latents verified; ValueError if they are not its."""
    try:
        data = filesystem.read(path)
        if data is None:
            raise ValueError("missing, or no regular file")
        _, recipe = decode_frame(data)
        if recipe.latents is not None:
            decode_latents(filesystem.read(layout.latents_path(path)), recipe.latents)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    return recipe


def _manifest_faults(run: RunDirectory, recorded: set[FrameKey]) -> Iterator[Fault]:
    """What is wrong with the manifest and the frames that it names; adds these to `recorded`."""
    path = run.directory / layout.MANIFEST
    try:
        manifest = read_manifest(run.directory)
        if manifest["status"] != COMPLETE:
            yield Fault(path, "the run is being made, or was interrupted")
            return
        positions = {frame["position"] for frame in manifest["frames"]}
        keys = [key for key in run.frames if key.pass_number <= manifest["final_pass"]]
        recorded |= {key for key in keys if key.position in positions}
        yield from find_faults(run.directory, manifest, read_whole)
    except RunError as error:
        yield Fault(path, error.actual)
    except EDITED as error:
        yield Fault(path, f"edited ({error!r})")


def _other_faults(directory: Path, keys: list[FrameKey]) -> Iterator[Fault]:
    """What is wrong with frames that the manifest does not name."""
    for key in keys:
        path = layout.frame_path(directory, key)
        try:
            recipe = read_whole(path)
        except FormatError as error:
            yield Fault(path, str(error), key)
        except ValueError as error:
            yield Fault(path, str(error), key)
        else:
            if recipe.frame_key != key:
                yield Fault(path, f"the frame of pass {recipe.pass_number}", key)
