"""Everything in a run directory verified: pixels, latents, recipes, links, manifest."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flopslab.errors import RunError
from flopslab.runs import layout
from flopslab.runs.checks.verification import EDITED, Fault, find_faults
from flopslab.runs.frame_files import decode_frame, decode_latents
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
    checked: set[Path] = set()
    faults = [*_manifest_faults(run, checked)]
    faults += [*_other_faults(run, checked)]
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


def _manifest_faults(run: RunDirectory, checked: set[Path]) -> Iterator[Fault]:
    """What is wrong with the manifest and the frames that it names; adds these to `checked`."""
    path = run.directory / layout.MANIFEST

    def read(picture: Path) -> Recipe:
        checked.add(picture)
        return read_whole(picture)

    try:
        manifest = read_manifest(run.directory)
        if manifest["status"] != COMPLETE:
            yield Fault(path, "the run is being made, or was interrupted")
            return
        yield from find_faults(run.directory, manifest, read)
    except RunError as error:
        yield Fault(path, error.actual)
    except EDITED as error:
        yield Fault(path, f"edited ({error!r})")


def _other_faults(run: RunDirectory, checked: set[Path]) -> Iterator[Fault]:
    """What is wrong with the other frames: the manifest does not name them, or cannot be read."""
    for key in run.frames:
        if (path := run.path(key)) in checked:
            continue
        try:
            recipe = read_whole(path)
        except ValueError as error:
            yield Fault(path, str(error), key)
        else:
            if recipe.frame_key != key:
                place = f"pass {recipe.pass_number} at position {recipe.position}"
                yield Fault(path, f"the frame of {place}", key)
