"""From `image_weight` to the `denoising_strength` that a run uses."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flopslab.calibration import records
from flopslab.calibration.calibrate import (
    Measurement,
    NoteProgress,
    calibrate,
    conditions_of,
)
from flopslab.calibration.curve import Calibration
from flopslab.core.compositing import METHODS
from flopslab.core.generator import Generator
from flopslab.core.model_parameters import is_server
from flopslab.core.study import UNCALIBRATED, Study
from flopslab.errors import FlopslabWarning, ParameterError
from flopslab.progress import Progress
from flopslab.runs.reader import frozen_strength

DIGITS = 4  # of a strength that follows from a calibration
SLACK = 0.02  # by which the nearest share may miss the image_weight without a warning


@dataclass(frozen=True)
class Resolution:
    """A study as it runs, and where its strength came from.

    `study`: with a `denoising_strength`. `follows`: whether that follows from `image_weight`.
    `note`: a line for those who watch; empty if the strength is the study's own.
    """

    study: Study
    follows: bool = True
    note: str = ""


def resolve_strength(study: Study, generator: Generator, progress: Progress) -> Resolution:
    """The study with the strength that its `image_weight` stands for, see `resolve_recorded`.

    If no calibration is there, it is measured now and kept, which the progress is told. A server is
    not asked for so many pictures unless a user asks: its frames take UNCALIBRATED.
    """
    resolution = resolve_recorded(study, generator.settings)
    if resolution is None and is_server(study.model):
        resolution = _fall_back(study)
    elif resolution is None:
        text = f"image_weight {study.image_weight:g}: measuring once what {study.model} keeps of a"
        progress.note(f"{text} picture, with {Measurement().frames} frames; it is kept for later")
        calibration = calibrate(study, generator, NoteProgress(progress))
        resolution = _follow(study, calibration)
    if resolution.note:
        progress.note(resolution.note)
    return resolution


def resolve_recorded(study: Study, settings: Mapping[str, Any]) -> Resolution | None:
    """The same without a model, by what is there; None if that needs a measurement.

    A strength of the study's own stays as it is. Without one, `image_weight` 0 and a method that
    looks at images start from noise; a run that has begun keeps its strength; else the calibration
    decides, under `settings`, those of the generator.
    """
    if study.denoising_strength is not None:
        return Resolution(study, follows=False)
    if study.image_weight == 0 or METHODS[study.method].weighs_images:
        return Resolution(study.replace(denoising_strength=1.0))
    if (strength := frozen_strength(study, settings)) is not None:
        note = f"image_weight {study.image_weight:g}: denoising_strength {strength}, as before"
        return Resolution(study.replace(denoising_strength=strength), note=note)
    calibration = records.find(conditions_of(study, settings))
    if study.passes == 1:  # the number acts on no frame
        strength = calibration and _strength(study, calibration)
        return Resolution(study.replace(denoising_strength=strength))
    return calibration and _follow(study, calibration)


def require_recorded(study: Study, settings: Mapping[str, Any]) -> Resolution:
    """`resolve_recorded`; ParameterError where only a measurement would tell."""
    resolution = resolve_recorded(study, settings)
    if resolution is None:
        hint = "run `flopslab calibrate` with the study's parameters, or set denoising_strength"
        expected = f"the strength of image_weight {study.image_weight:g}"
        raise ParameterError(expected, "no calibration of the model", hint)
    return resolution


def _follow(study: Study, calibration: Calibration) -> Resolution:
    """The study with the calibration's strength; a warning where that cannot be what is meant."""
    weight = study.image_weight
    strength = _strength(study, calibration)
    share = calibration.kept.at(strength)
    if calibration.problem:
        warnings.warn(f"{study.model}: {calibration.problem}", FlopslabWarning, stacklevel=4)
    elif weight - share > SLACK:
        text = (
            f"image_weight {weight:g}: even at denoising_strength {strength}, the smallest that "
            f"was measured, {share:.2f} of a start survives"
        )
        warnings.warn(text, FlopslabWarning, stacklevel=4)
    note = (
        f"image_weight {weight:g}: denoising_strength {strength}, at which {share:.2f} of a start "
        "survives"
    )
    return Resolution(study.replace(denoising_strength=strength), note=note)


def _fall_back(study: Study) -> Resolution:
    """The study with a strength that stands for no `image_weight`."""
    note = (
        f"image_weight {study.image_weight:g}: the server's model is not calibrated, so that "
        f"denoising_strength is {UNCALIBRATED}; `flopslab calibrate`, with the study's parameters, "
        f"asks it for {Measurement().frames} pictures"
    )
    return Resolution(study.replace(denoising_strength=UNCALIBRATED), note=note)


def _strength(study: Study, calibration: Calibration) -> float:
    return round(calibration.strength_for(study.image_weight), DIGITS)
