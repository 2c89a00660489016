"""What acted on a frame, read from its recipe."""

from dataclasses import dataclass
from typing import Any

from flopslab.core.compositing import Context
from flopslab.core.refinement import Frames, Input, Refinement
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.runs.provenance import Recipe
from flopslab.runs.reader import open_run


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

    Needs no model. RunError if the frame, or one that it looked at, is not there.
    """
    run = open_run(study.output_dir)
    key = FrameKey(pass_number or study.passes, position)
    _, recipe = run.frame(key)
    return Inspection(
        key=key,
        words=tuple((text, weight) for text, weight in recipe.pixels["prompt"]),
        tokens=recipe.tokens,
        seed=recipe.pixels["seed"],
        inputs=recipe.inputs,
        refinement=recipe.pixels.get("refinement", {}),
        context=context_of(recipe, run),
    )


def context_of(recipe: Recipe, frames: Frames) -> Context:
    """What a frame started from and looked at, composed again from the frames of its run."""
    return Refinement(recipe.study, frames).context_of(recipe.frame_key, recipe.inputs)
