"""What of a frame's change was carried to it by its neighbours, and what is only a disturbance.

A refined frame whose own words stay changes because what it starts from does. The projection of its
change on that of its start is carried; what is orthogonal to it is the disturbance of a denoising
that went another way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flopslab.core.compositing import Context
from flopslab.core.refinement import Refinement
from flopslab.core.windows import FrameKey
from flopslab.experiments.interventions import Intervention
from flopslab.runs.reader import RunDirectory, finished_run


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The changes of refined frames [n, passes, frames], nan where there is nothing to divide.

    `kept`: how much of its start's change a frame shows: their scalar product over the square of
    the start's. `carried`: the share of its own squared change that lies along that of its start,
    0 to 1; the rest is disturbance. In latents for a method that averages latents, else in pixels.
    """

    kept: np.ndarray
    carried: np.ndarray

    def by_pass(self, values: np.ndarray) -> np.ndarray:
        """[n, passes]: the mean of `kept` or `carried` over the frames; nan where there is none."""
        count = (~np.isnan(values)).sum(axis=2)
        total = np.nansum(values, axis=2)
        return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def decompose(interventions: Sequence[Intervention]) -> Decomposition:
    """The decomposition of what interventions changed, in frames whose own words they leave."""
    kept, carried = zip(*(_decompose(item) for item in interventions), strict=True)
    return Decomposition(np.stack(kept), np.stack(carried))


def project(change: np.ndarray, start: np.ndarray) -> tuple[float, float]:
    """(kept, carried) of a frame's change, given that of what it started from; any equal shapes."""
    product, square = float((change * start).sum()), float(np.square(start).sum())
    total = square * float(np.square(change).sum())
    return product / square, product**2 / total if total else 0.0


def _decompose(intervention: Intervention) -> tuple[np.ndarray, np.ndarray]:
    runs = finished_run(intervention.base), finished_run(intervention.directory)
    shape = len(runs[0].passes), len(runs[0].positions)
    kept, carried = np.full(shape, np.nan), np.full(shape, np.nan)
    for key, change, start in _changes(*runs):
        place = key.pass_number - 1, runs[0].positions.index(key.position)
        kept[place], carried[place] = project(change, start)
    return kept, carried


def _changes(
    before: RunDirectory, after: RunDirectory
) -> Iterator[tuple[FrameKey, np.ndarray, np.ndarray]]:
    """Each frame whose start differs and whose words do not, with its change and its start's."""
    runs = before, after
    refined = [key for key in before.frames if key.pass_number > 1]
    refinements = [Refinement(run.recipe(refined[0]).study, run) for run in runs if refined]
    for key in refined:
        recipes = [run.recipe(key) for run in runs]
        if recipes[0].pixels["prompt"] != recipes[1].pixels["prompt"]:
            continue
        contexts = [
            refinement.context_of(key, recipe.inputs)
            for refinement, recipe in zip(refinements, recipes, strict=True)
        ]
        starts = [_start(context) for context in contexts]
        if starts[0] is None or starts[1] is None or np.array_equal(starts[0], starts[1]):
            continue
        frames = [_frame(run, key, contexts[0]) for run in runs]
        yield key, frames[1] - frames[0], starts[1] - starts[0]


def _start(context: Context) -> np.ndarray | None:
    """What a frame starts from, as numbers; None if from noise alone."""
    if context.latents is not None:
        return context.latents.astype(float)
    return None if context.init is None else np.asarray(context.init, float)


def _frame(run: RunDirectory, key: FrameKey, context: Context) -> np.ndarray:
    """A frame in the same numbers as its start."""
    if context.latents is not None:
        return run.latents(key).astype(float)
    return np.asarray(run.image(key), float)
