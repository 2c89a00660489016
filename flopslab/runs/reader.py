"""A run for those who only look at it: no lock, nothing written."""

import errno
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from flopslab.core.compositing import METHODS
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.digests import canonical_json
from flopslab.errors import ParameterError, RunError
from flopslab.runs import layout
from flopslab.runs.checks.verification import EDITED, describe_faults, find_faults
from flopslab.runs.frame_files import (
    FormatError,
    decode_frame,
    decode_latents,
    decode_recipe,
    read_recipe,
)
from flopslab.runs.manifest import COMPLETE, RUNNING
from flopslab.runs.provenance import FORMAT, Recipe, Record, pixel_settings
from flopslab.storage import filesystem


def read_frame(path: str | Path) -> tuple[Image.Image, Recipe]:
    """The picture (RGB) at `path` and its recipe. RunError if it is not whole, or not ours."""
    try:
        return decode_frame(filesystem.read_bytes(Path(path)))
    except (OSError, ValueError) as error:
        raise unreadable_frame(path, error) from error


def unreadable_frame(path: str | Path, error: Exception) -> RunError:
    """The error for a picture that cannot be read, or is damaged."""
    hint = "run the study again: damaged pictures are quarantined and made again"
    if isinstance(error, FormatError):
        hint = _FORMAT_HINT
    return RunError(f"a picture with its recipe from {path}", str(error), hint)


def read_latents(path: str | Path, recipe: Recipe | Record) -> np.ndarray:
    """The latents beside the picture at `path`, float32 [channels, height, width].

    RunError if they are not there or not those that the recipe names.
    """
    beside = layout.latents_path(Path(path))
    try:
        return decode_latents(filesystem.read(beside), recipe.latents)
    except (OSError, ValueError) as error:
        hint = "run the study again: a frame without its latents is made again"
        raise RunError(f"latents from {beside}", str(error), hint) from error


@dataclass(frozen=True)
class RunDirectory:
    """The pictures of a run, for those who only look: complete or still being made."""

    directory: Path
    passes: tuple[int, ...]  # their numbers
    positions: tuple[int, ...]  # of the frames of pass 1
    frames: tuple[FrameKey, ...]  # every picture that is there, in order

    def path(self, key: FrameKey) -> Path:
        """Where the picture lies."""
        return layout.frame_path(self.directory, key)

    def frame(self, key: FrameKey) -> tuple[Image.Image, Recipe]:
        """The picture (RGB) and its recipe; RunError if it is not there or damaged."""
        return read_frame(self.path(key))

    def image(self, key: FrameKey) -> Image.Image:
        """The picture alone."""
        return self.frame(key)[0]

    def recipe(self, key: FrameKey) -> Recipe:
        """The recipe alone, the pixels not verified; RunError if it cannot be read."""
        path = self.path(key)
        try:
            return decode_recipe(filesystem.read_bytes(path))
        except (OSError, ValueError) as error:
            raise unreadable_frame(path, error) from error

    def latents(self, key: FrameKey) -> np.ndarray:
        """What the picture was decoded from, in a run that keeps latents; else RunError."""
        return read_latents(self.path(key), self.recipe(key))

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest, not held against the frames.

        RunError if the run is not finished, or has another record format.
        """
        manifest = read_manifest(self.directory)
        if manifest["status"] != COMPLETE:
            raise _unfinished(self.directory)
        return manifest


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of a run, whether it is complete or running.

    RunError if there is none, it may not be read, or no run of this version has written it.
    """
    expected = f"the manifest of {directory}"
    hint = "run the study again: frames that are whole are kept, and the manifest is written last"
    try:
        manifest = json.loads(_read_manifest(directory / layout.MANIFEST))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, PermissionError):
            hint = "make it readable for you, or have its owner do so"
        raise RunError(expected, reason, hint) from error
    if not isinstance(manifest, dict) or "flopslab" not in manifest:
        raise RunError(expected, "a file that no run has written", hint)
    if manifest["flopslab"] != FORMAT:
        error = FormatError(manifest["flopslab"])
        raise RunError(expected, str(error), _FORMAT_HINT) from error
    if manifest.get("status") not in (RUNNING, COMPLETE):
        raise RunError(expected, f"status {manifest.get('status')!r}", hint)
    return manifest


def _read_manifest(path: Path) -> bytes:
    if (data := filesystem.read(path, linked_directory=True)) is None:
        kind = "No regular file" if os.path.lexists(path) else os.strerror(errno.ENOENT)
        raise OSError(errno.ENOENT, kind)
    return data


def recorded_study(directory: Path, manifest: Mapping[str, Any]) -> Study:
    """The study of the run in `directory` by its manifest, but for its `output_dir`.

    RunError for a manifest that was edited.
    """
    try:
        parameters = {**manifest["parameters"]}
        if not (isinstance(manifest["sequence"], list) and isinstance(manifest["settings"], dict)):
            raise TypeError("without a sequence or settings")
        return Study.from_mapping(parameters, f"parameters from the manifest of {directory}")
    except (ParameterError, *EDITED) as error:
        hint = "run the study again: the manifest is written anew"
        raise RunError(f"the manifest of {directory}", f"edited ({error})", hint) from error


def open_run(directory: str | Path) -> RunDirectory:
    """The run in `directory`, for reading. RunError if there is none."""
    directory = Path(directory).expanduser()
    keys = layout.frame_keys(directory)
    if not keys:
        hint = "give the output_dir of a run"
        raise RunError(f"the run in {directory}", "no frames of a first pass", hint)
    passes = sorted({key.pass_number for key in keys})
    positions = tuple(key.position for key in keys if key.pass_number == passes[0])
    return RunDirectory(directory, tuple(passes), positions, tuple(keys))


def finished_run(directory: str | Path) -> RunDirectory:
    """The run in `directory` as its manifest describes it, for reading.

    Frames of a longer run or of further passes that lie there have no part in it. RunError if
    there is no run, it is not finished, or its manifest is not true of what lies there.
    """
    run = open_run(directory)
    check_manifest(run.directory, run.manifest)
    passes = tuple(range(1, run.manifest["final_pass"] + 1))
    positions = tuple(frame["position"] for frame in run.manifest["frames"])
    keys = tuple(FrameKey(number, position) for number in passes for position in positions)
    return replace(run, passes=passes, positions=positions, frames=keys)


def check_manifest(directory: Path, manifest: Mapping[str, Any]) -> None:
    """RunError, which says what does not fit, if a manifest is not true of what lies there.

    This is the check that every reader of a finished run makes. It reads recipes, not pixels.
    """
    expected = f"the run in {directory} as its manifest describes it"
    try:
        faults = list(find_faults(directory, manifest))
        text = describe_faults(faults, manifest["frame_interval"])
    except EDITED as error:
        faults, text = [error], f"a manifest that was edited ({error!r})"
    if faults and read_manifest(directory) != manifest:
        raise _unfinished(directory)  # a run has begun in the meantime
    if faults:
        hint = "run the study again, which makes again what does not fit; "
        hint += f"`flopslab verify {directory}` lists it all"
        raise RunError(expected, text, hint)


def _unfinished(directory: Path) -> RunError:
    hint = "wait for it, or run the study again: it goes on from there"
    actual = "a run that is being made, or was interrupted"
    return RunError(f"a finished run in {directory}", actual, hint)


def common_parameters(directory: str | Path) -> dict[str, Any]:
    """The parameters that most pictures of a run have, one by one; empty if there are none.

    A sample of each pass answers for a long run.
    RunError if the pictures have a record format that this version does not read.
    """
    recipes = _recipes(Path(directory).expanduser())
    counts = Counter(canonical_json(recipe.parameters) for recipe in recipes)
    votes: dict[str, Counter[bytes]] = {}
    for parameters, count in counts.items():
        for name, value in json.loads(parameters).items():
            votes.setdefault(name, Counter())[canonical_json(value)] += count
    return {name: json.loads(tally.most_common(1)[0][0]) for name, tally in votes.items()}


def frozen_batch_size(study: Study) -> int:
    """The batch size of a study's run: its own, else that of the pictures there, else 0.

    Where there are none yet, that of the run whose frames are reused. Arithmetic on another number
    of rows may differ in the last bit, so that a run keeps to one.
    """
    recorded = common_parameters(study.output_dir)
    if not recorded and study.reuse_from:
        recorded = common_parameters(study.reuse_from)
    return study.batch_size or recorded.get("batch_size", 0)


def frozen_strength(study: Study, settings: Mapping[str, Any]) -> float | list[float] | None:
    """The strength that followed from the same `image_weight` in the study's run; None: none did.

    Where there are no refined pictures yet, that of the run whose frames are reused, if its
    generator had these settings.
    """
    own = pixel_settings(settings)
    for directory in filter(None, (study.output_dir, study.reuse_from)):
        for recipe in _recipes(Path(directory).expanduser()):
            is_other = directory == study.reuse_from and recipe.pixels["settings"] != own
            if not is_other and follows(recipe, study):
                return recipe.parameters["denoising_strength"]
    return None


def follows(recipe: Recipe, study: Study) -> bool:
    """Whether a refined picture's strength is the one that the study's `image_weight` stands for.

    That is so if it followed from the same one, and the picture started from others.
    """
    values = recipe.study_parameters
    starts = recipe.pass_number > 1 and not METHODS[values["method"]].weighs_images
    weight = values["image_weight"] if starts and values["denoising_strength"] is None else None
    return weight == study.image_weight


_FORMAT_HINT = (
    "choose another output_dir, or finish this run with the version of flopslab that made it; "
    "nothing was changed"
)


def _recipes(directory: Path) -> Iterator[Recipe]:
    """Recipes of pictures that stand for all, their pixels not verified."""
    for key in layout.sample_keys(directory):
        try:
            yield read_recipe(layout.frame_path(directory, key))
        except FormatError as error:
            count = len(layout.frame_keys(directory))
            hint = f"{_FORMAT_HINT}; another output_dir makes all {count} frames again"
            raise RunError(f"the run in {directory}", f"pictures of {error}", hint) from error
        except ValueError:  # without a recipe it says nothing about the run
            continue
