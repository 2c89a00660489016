"""A frame as it was really asked for: what acted on it, read from its recipe."""

from dataclasses import dataclass

from flopslab.core import refinement
from flopslab.core.compositing import Context
from flopslab.core.study import Study
from flopslab.runs.provenance import Recipe
from flopslab.runs.reader import RunDirectory, open_run


@dataclass(frozen=True)
class Inspection:
    """What a frame was made from. `str()` of it is a table to read."""

    number: int  # of the pass
    position: int
    words: tuple[tuple[str, float], ...]  # each fragment of the prompt with the weight that acts
    tokens: int  # that the text encoder read of them: all there are
    seed: int
    references: tuple[tuple[int, float], ...]  # (position, weight) of each frame looked at
    refinement: dict[str, object]  # method, share of the steps, ...; empty in pass 1
    context: Context  # composed again from the frames of the pass before

    def __str__(self) -> str:
        weigh = [f"{weight:5.2f}  {text}" for text, weight in self.words]
        look = [f"{weight:5.3f}  position {p}" for p, weight in self.references]
        parts = [
            [f"position {self.position} in pass {self.number}, seed {self.seed}"],
            [f"words, {self.tokens} tokens", *weigh],
            ["frames of the pass before", *(look or ["none"])],
            ["refinement", *(f"{name} {value}" for name, value in self.refinement.items())],
        ]
        return "\n".join("\n      ".join(part) for part in parts if len(part) > 1 or part[0])


def inspect_frame(study: Study, position: int, number: int = 0) -> Inspection:
    """What made the frame at `position` in pass `number` (0: the study's last) of a study's run.

    Needs no model. RunError if the frame, or one that it looked at, is not there.
    """
    run = open_run(study.output_dir)
    number = number or study.passes
    recipe = run.frame(number, position)[1]
    return Inspection(
        number=number,
        position=position,
        words=tuple((text, weight) for text, weight in recipe.pixels["prompt"]),
        tokens=recipe.tokens,
        seed=recipe.pixels["seed"],
        references=_references(recipe),
        refinement=recipe.pixels.get("refinement", {}),
        context=_context(study, run, recipe),
    )


def _references(recipe: Recipe) -> tuple[tuple[int, float], ...]:
    weights = (entry["weight"] for entry in recipe.pixels.get("inputs", []))
    return tuple(zip(recipe.input_positions, weights, strict=True))


def _context(study: Study, run: RunDirectory, recipe: Recipe) -> Context:
    inputs = recipe.pixels.get("inputs", [])
    places = [recipe.position + entry["offset"] for entry in inputs]
    weights = dict(zip(places, (entry["weight"] for entry in inputs), strict=True))
    sources = dict(zip(places, recipe.input_positions, strict=True))
    return refinement.context(study, run, recipe.number, recipe.position, weights, sources)
