"""A run for those who only look at it: no lock, nothing written."""

import contextlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from flopslab.core.plan import place
from flopslab.errors import RunError
from flopslab.runs import filesystem as disk
from flopslab.runs import latents, manifest
from flopslab.runs.provenance import Recipe, decode, peek


def read_frame(path: str | Path) -> tuple[Image.Image, Recipe]:
    """The picture (RGB) at `path` and its recipe. RunError if it is not whole, or not ours."""
    try:
        return decode(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(
            f"a picture with its recipe from {path}",
            str(error),
            "run the study again: damaged pictures are set aside and made again",
        ) from error


def read_latents(path: str | Path, recipe: Recipe) -> np.ndarray:
    """The latents beside the picture at `path`, float32 [channels, height, width].

    RunError if they are not there or not those that the recipe names.
    """
    beside = latents.beside(Path(path))
    try:
        return latents.decode(disk.read(beside), recipe.latents)
    except (OSError, ValueError) as error:
        remedy = "run the study again: a frame without its latents is made again"
        raise RunError(f"latents from {beside}", str(error), remedy) from error


@dataclass(frozen=True)
class RunDirectory:
    """The pictures of a run, for those who only look: complete or still being made."""

    directory: Path
    passes: tuple[int, ...]  # their numbers
    positions: tuple[int, ...]  # of the frames of pass 1
    frames: tuple[tuple[int, int], ...]  # (pass, position) of every picture that is there

    def path(self, number: int, position: int) -> Path:
        return self.directory / place(number, position)

    def frame(self, number: int, position: int) -> tuple[Image.Image, Recipe]:
        """The picture (RGB) and its recipe; RunError if it is not there or damaged."""
        return read_frame(self.path(number, position))

    def image(self, number: int, position: int) -> Image.Image:
        """The picture alone."""
        return self.frame(number, position)[0]

    def latents(self, number: int, position: int) -> np.ndarray:
        """What the picture was decoded from, in a run that keeps latents; else RunError."""
        return read_latents(self.path(number, position), self.frame(number, position)[1])

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest; RunError if the run is not finished."""
        try:
            return json.loads((self.directory / manifest.NAME).read_bytes())
        except (OSError, ValueError) as error:
            remedy = "run the study to its end: the manifest is written last"
            raise RunError(f"the manifest of {self.directory}", str(error), remedy) from error


def open_run(directory: str | Path) -> RunDirectory:
    """The run in `directory`, for reading. RunError if there is none."""
    found = sorted(
        (int(path.parent.name[4:]), int(path.stem[6:]))
        for path in Path(directory).glob("pass[1-9]*/frame_*.png")
        if path.parent.name[4:].isdecimal() and path.stem[6:].isdecimal()
    )
    if not found:
        remedy = "give the output_dir of a run"
        raise RunError(f"the run in {directory}", "no frames of a first pass", remedy)
    passes = sorted({number for number, _ in found})
    positions = tuple(position for number, position in found if number == passes[0])
    return RunDirectory(Path(directory), tuple(passes), positions, tuple(found))


def finished_run(directory: str | Path) -> RunDirectory:
    """The run in `directory` as its manifest tells of it, for reading.

    What lies there of a run with more passes or frames has no part in it. RunError if there is no
    run, or it is not finished.
    """
    run = open_run(directory)
    told = run.manifest
    passes = tuple(range(1, told["final_pass"] + 1))
    positions = tuple(frame["position"] for frame in told["frames"])
    frames = tuple((number, position) for number in passes for position in positions)
    return replace(run, passes=passes, positions=positions, frames=frames)


def recipes_in(directory: Path) -> list[Recipe]:
    """The recipes of all pictures of a run that can be read, their pixels unproven."""
    recipes = []
    for path in sorted(directory.glob("pass*/frame_*.png")):
        with contextlib.suppress(ValueError):  # no recipe says nothing about the run
            recipes.append(peek(disk.read(path) or b""))
    return recipes
