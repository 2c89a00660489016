"""Baselines: what is had without refinement by a model, which a method must beat."""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from flopslab.core.model_parameters import is_server
from flopslab.core.plan import inputs_of
from flopslab.core.refinement import Refinement
from flopslab.core.study import Study, refinement_names
from flopslab.core.windows import FrameKey, Windowing
from flopslab.experiments.comparison.measures import pass_images
from flopslab.runs.reader import finished_run

BASELINES = {
    "words alone": "pass 1",
    "shared noise": "pass 1 with one noise for all positions",
    "turning noise": "pass 1 with noise that turns slowly along the positions",
    "wider windows": "pass 1 with all the words that can reach a frame of that pass",
    "cross-fade": "the pictures of pass 1, each mixed with its neighbours', without a model",
}
WORDS_ALONE, SHARED, TURNING, WIDER, CROSS_FADE = BASELINES
DEEPEST = 3  # pass whose words wider windows hold; those of later ones are most of a sequence


@dataclass(frozen=True)
class Baseline:
    """One baseline. `study`: its run, of one pass. `pass_number`: the pass that it stands beside.

    `mixed_by`: the study whose weights mix the pictures; None: they stay as they are.
    """

    name: str
    study: Study
    pass_number: int = 1
    mixed_by: Study | None = None

    def images(self) -> list[Image.Image]:
        """Its pictures, in order; the run must be finished. Raises RunError."""
        if self.mixed_by is None:
            return pass_images(self.study, 1)
        return cross_fade(self.mixed_by, self.study)


def words_alone(study: Study) -> Study:
    """The study's first pass alone: what acts on refinement has its default."""
    fields = Study.model_fields
    return study.replace(passes=1, **{name: fields[name].default for name in refinement_names()})


def baselines_of(study: Study) -> Iterator[Baseline]:
    """The baselines of a study, those of passes that it has.

    Words alone lie in the study's `output_dir`, the others beside it.
    """
    first = words_alone(study)
    yield Baseline(WORDS_ALONE, first)
    yield Baseline(SHARED, _beside(first.replace(seed_policy="shared"), "shared_noise"))
    if not is_server(study.model):  # a server draws its own noise, from a seed
        yield Baseline(TURNING, _beside(first.replace(seed_policy="slerp"), "turning_noise"))
    for number, diameter in _wider_windows(study):
        wider = first.replace(context_diameter=diameter)
        yield Baseline(WIDER, _beside(wider, f"words_of_pass{number}"), number)
    if study.passes > 1:
        yield Baseline(CROSS_FADE, first, 2, study)


def cross_fade(study: Study, first: Study) -> list[Image.Image]:
    """The pictures of `first`, a finished run, each mixed with its neighbours' as `study` weighs
    them: what method blend starts from.
    """
    run, length = finished_run(first.output_dir), len(study.read_words().words)
    study = study.replace(method="blend", denoising_strength=0.5)  # any below 1: pictures count
    windowing, refinement = Windowing(study, length), Refinement(study, run)
    keys = [FrameKey(2, position) for position in run.positions]
    starts = [refinement.context_of(key, inputs_of(windowing, key)).init for key in keys]
    return [start for start in starts if start is not None]


def _wider_windows(study: Study) -> Iterator[tuple[int, int]]:
    """(pass, context_diameter) with all words that can reach a frame of the pass, if they fit."""
    length = len(study.read_words().words)
    windowing = Windowing(study, length)
    for number in range(2, min(study.passes, DEEPEST) + 1):
        diameter = 2 * windowing.reach(number)
        if study.context_diameter < diameter < length:
            yield number, diameter


def _beside(study: Study, name: str) -> Study:
    return study.replace(output_dir=f"{study.output_dir},{name}")
