"""What acted on a frame, read from its recipe."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from flopslab.core.compositing import Context
from flopslab.core.refinement import Frames, Input, Refinement
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.interop import a1111
from flopslab.runs.frame_files import FormatError, decode_recipe
from flopslab.runs.provenance import Recipe
from flopslab.runs.reader import follows, open_run
from flopslab.storage import filesystem


@dataclass(frozen=True)
class Inspection:
    """What a frame was made from. `str()` of it is a table to read."""

    key: FrameKey
    words: tuple[tuple[str, float], ...]  # each fragment of the prompt with the weight that acts
    tokens: int | None  # of the prompt, if the generator counts them
    seed: int
    inputs: tuple[Input, ...]  # the frames that it looked at
    refinement: dict[str, Any]  # method, share of the steps, ...; empty in pass 1
    context: Context  # composed again from the frames of the pass before

    def __str__(self) -> str:
        words = [f"{weight:5.2f}  {text}" for text, weight in self.words]
        inputs = [f"{entry.weight:5.3f}  position {entry.source}" for entry in self.inputs]
        parts = [
            [f"position {self.key.position} in pass {self.key.pass_number}, seed {self.seed}"],
            ["words" if self.tokens is None else f"words, {self.tokens} tokens", *words],
            ["frames of the pass before", *(inputs or ["none"])],
            ["refinement", *(f"{name} {value}" for name, value in self.refinement.items())],
        ]
        return "\n".join("\n      ".join(part) for part in parts if len(part) > 1 or part[0])


def inspect_frame(study: Study, position: int, pass_number: int = 0) -> Inspection:
    """What made the frame at `position` in this pass (0: the study's last) of a study's run.

    Needs no model. RunError if the frame is not there, or one that it looked at is not there any
    more as it was then.
    """
    run = open_run(study.output_dir)
    key = FrameKey(pass_number or study.passes, position)
    _, recipe = run.frame(key)
    for source, digests in recipe.needs:
        if run.recipe(source).digest != digests.digest:
            expected = f"the picture that {run.path(key)} was made from in {run.path(source)}"
            raise RunError(expected, "another one", "run the study again: it makes the frame again")
    return Inspection(
        key=key,
        words=tuple((text, weight) for text, weight in recipe.pixels["prompt"]),
        tokens=recipe.tokens,
        seed=recipe.pixels["seed"],
        inputs=recipe.inputs,
        refinement=recipe.pixels.get("refinement", {}),
        context=context_of(recipe, run),
    )


def study_of_picture(path: str | Path, **parameters: Any) -> Study:
    """The study that a frame was made for, read from the picture itself.

    `parameters` replace its own; `output_dir` is not in the picture and so has its default. The
    path of the words, if the sequence is a file, is as it was given then. Raises RunError for a
    picture of another program; it says what of its settings a study could take over.
    """
    expected = f"a frame of flopslab in {path}"
    try:
        data = filesystem.read_bytes(Path(path).expanduser())
    except OSError as error:
        raise RunError(expected, str(error.strerror), "give the path of a PNG file") from None
    try:
        recipe = decode_recipe(data)
    except ValueError as error:
        raise RunError(expected, *_describe_picture(data, error)) from None
    study = Study(**recipe.study_parameters | parameters)
    if study.denoising_strength is None and follows(recipe, study):
        return study.replace(denoising_strength=recipe.parameters["denoising_strength"])
    return study


def _describe_picture(data: bytes, error: ValueError) -> tuple[str, str]:
    """(what a picture without a readable recipe is, what to do with it)."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            text = str(picture.info.get(a1111.CHUNK, ""))
    except Exception:  # Pillow raises whatever its parser stumbles over
        return "no picture", "give the path of a frame in a run, such as final/frame_000001.png"
    settings = a1111.read_parameters(text)
    if isinstance(error, FormatError) or not settings:
        return str(error), "give a frame that this version of flopslab has made"
    values = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    hint = f"a study could take over its settings: Study({values})"
    return "a picture with the settings of AUTOMATIC1111 or a program like it", hint


def context_of(recipe: Recipe, frames: Frames) -> Context:
    """What a frame started from and looked at, composed again from the frames of its run."""
    return Refinement(recipe.study, frames).context_of(recipe.frame_key, recipe.inputs)
