"""The calibration of a study's model: looked up, or measured once and kept."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flopslab.backends import load_generator
from flopslab.calibration import records
from flopslab.calibration.curve import Calibration
from flopslab.calibration.probe import (
    MOST_WORDS,
    PAIRS,
    SILENT_STRENGTHS,
    STRENGTHS,
    Probe,
    PromptForm,
)
from flopslab.core.compositing import METHODS
from flopslab.core.generator import Generator
from flopslab.core.study import Study
from flopslab.digests import json_digest
from flopslab.progress import NullProgress, Progress, RunBar

ALGORITHM = 1  # raise it when a calibration would measure something else

# Settings of a generator that do not count: which frames share a batch changes no share.
_BESIDE = ("model", "device", "versions", "batch_size", "ip_adapter_digest", "seed_bits")


@dataclass(frozen=True)
class Measurement:
    """How much is measured; the default is what a run uses. `pairs`: a multiple of 3."""

    pairs: int = PAIRS
    strengths: tuple[float, ...] = STRENGTHS
    silent_strengths: tuple[float, ...] = SILENT_STRENGTHS
    seed: int = 0

    @property
    def frames(self) -> int:
        """How many frames it takes."""
        return Probe.frame_count(self.pairs, self.strengths, self.silent_strengths)


def calibrate(
    study: Study,
    generator: Generator | None = None,
    progress: Progress | None = None,
    *,
    renew: bool = False,
) -> Calibration:
    """What the study's model keeps of the pictures that a refinement starts from.

    It is looked up in the package and in the user's cache, else measured, which takes 264
    frames, and kept there. `renew`: measure it anyway. `generator`: by default the study's model is
    loaded. The calibration holds for the model, its settings and the length of the prompts, see
    `conditions_of`. Raises ParameterError if the model cannot start from a picture, ModelError.
    """
    progress = progress or RunBar(title="calibration")
    if generator is None:
        progress.note(f"loading the model {study.model}")
        generator = load_generator(_refining(study))
    conditions = conditions_of(study, generator.settings)
    calibration = None if renew else records.find(conditions)
    if calibration is None:
        calibration = measure(generator, form_of(study), conditions, progress)
        records.keep(calibration)
    return calibration


def measure(
    generator: Generator,
    form: PromptForm,
    conditions: Mapping[str, Any],
    progress: Progress | None = None,
    measurement: Measurement | None = None,
) -> Calibration:
    """The calibration of a generator with prompts of one form, measured now."""
    plan, progress = measurement or Measurement(), progress or NullProgress()
    progress.start([plan.frames])
    try:
        probe = Probe(
            generator,
            form,
            plan.pairs,
            plan.seed,
            lambda count, purpose: progress.advance(1, count, purpose),
        )
        return Calibration(
            key=json_digest(conditions),
            kept=probe.kept(plan.strengths),
            kept_without_words=probe.kept_without_words(plan.silent_strengths),
            likeness=probe.likeness(),
            conditions=conditions,
        )
    finally:
        progress.end()


def conditions_of(study: Study, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a calibration depends on, JSON-ready: its key is the digest of this.

    The weights, the steps, guidance, scheduler, size and numbers of a generator's `settings`, and
    the form of the study's prompts: of a longer prompt more of a start survives.
    """
    values = {name: value for name, value in settings.items() if name not in _BESIDE}
    if not values.get("model_digest"):  # a server that does not prove its model
        values["model"] = settings["model"]
    form = form_of(study)
    prompt = [form.words, form.prefix, form.suffix] + ["themed"] * (form.style == "themed")
    return values | {"prompt": prompt, "calibration": ALGORITHM}


def form_of(study: Study) -> PromptForm:
    """The form of the study's prompts; words of size 1, so that weighted ones are simple."""
    words = min(2 * (study.context_diameter // 2) + 1, MOST_WORDS)
    style = "themed" if study.prompt_style == "themed" else "simple"
    return PromptForm(words, style, study.prompt_prefix, study.prompt_suffix)


def _refining(study: Study) -> Study:
    """The study with a second pass, so that the loaded model is one that can start from pictures.

    And without an IP-Adapter, which has no part in it.
    """
    method = "grid" if METHODS[study.method].weighs_images else study.method
    return study.replace(passes=max(study.passes, 2), method=method)


class NoteProgress(NullProgress):
    """The calibration in a run's progress: a line for each quarter, with the time left."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._done, self._total, self._quarter = progress, 0, 0, 0
        self._begin = time.monotonic()

    def start(self, frames: Sequence[int]) -> None:
        self._total, self._begin = sum(frames), time.monotonic()

    def advance(self, pass_number: int, count: int, words: str) -> None:
        self._done += count
        quarter = 4 * self._done // self._total
        if quarter > self._quarter:
            self._quarter = quarter
            left = (time.monotonic() - self._begin) * (self._total / self._done - 1)
            share = 100 * self._done // self._total
            self._progress.note(f"calibration {share} %, {left:.0f} s left")
