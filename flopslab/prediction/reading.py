"""Where a forecast finds its calibration: no model is loaded for one that is there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flopslab.backends import load_generator
from flopslab.calibration import records
from flopslab.calibration.calibrate import ALGORITHM, calibrate, conditions_of, form_of
from flopslab.calibration.curve import Calibration
from flopslab.core.model_parameters import is_server
from flopslab.core.study import Study
from flopslab.errors import ParameterError

_STATED = ("steps", "width", "height", "guidance_scale", "dtype")  # by default what suits the model
_DEFAULTS = Study.model_fields
_EXACT = ("guidance_stop", "guidance_rescale", "clip_skip", "negative_prompt")


def read_calibration(path: Path) -> Calibration:
    """The calibration in a JSON file, as `flopslab calibrate --json` prints it."""
    expected, hint = f"a calibration from {path}", "give a file that holds a calibration as JSON"
    try:
        return records.decode(json.loads(path.read_bytes()))
    except OSError as error:
        raise ParameterError(expected, error.strerror or str(error), hint) from None
    except (ValueError, RecursionError) as error:
        raise ParameterError(expected, str(error), hint) from None


def find_calibration(study: Study) -> Calibration:
    """The stored calibration of a study's model; else its model is loaded, and measured if need be.

    A server is not asked for pictures: ParameterError if its model is not calibrated. Else raises
    what `calibrate` raises.
    """
    if not is_server(study.model):
        return stored_calibration(study) or calibrate(study)
    calibration = records.find(conditions_of(study, load_generator(study).settings))
    if calibration is None:
        hint = "run `flopslab calibrate` with the study's parameters"
        raise ParameterError(f"a forecast for {study.model}", "no calibration of the model", hint)
    return calibration


def stored_calibration(study: Study) -> Calibration | None:
    """The calibration that comes with the package or is cached; None if none is, or several could.

    Several can, of a model's own steps, scheduler, ..., which a study need not state. Of those that
    come with the package the first is for the embedded model's own settings.
    """
    if study.scheduler or study.scheduler_options or is_server(study.model):
        return None  # what it comes to is known only to the loaded model
    added = study.lora or study.vae or study.textual_inversion
    shipped = records.shipped() if study.model == "tiny" and not added else []
    if matches := [item for item in shipped if _agrees(item.conditions, study)]:
        return matches[0]
    matches = [item for item in records.cached() if _agrees(item.conditions, study)]
    if matches:
        digest = _model_digest(study)
        matches = [item for item in matches if item.conditions.get("model_digest") == digest]
    return matches[0] if len(matches) == 1 else None


def _agrees(conditions: Mapping[str, Any], study: Study) -> bool:
    """Whether a calibration's conditions are what the study states."""
    form = form_of(study)
    prompt = [form.words, form.prefix, form.suffix] + ["themed"] * (form.style == "themed")
    stated = {n: getattr(study, n) for n in _STATED if getattr(study, n) != _DEFAULTS[n].default}
    exact = {name: getattr(study, name) for name in _EXACT}
    expected = {"prompt": prompt, "calibration": ALGORITHM} | stated | exact
    return all(conditions.get(name) == value for name, value in expected.items())


def _model_digest(study: Study) -> str:
    """The digest of the files that a load of the study's model would read."""
    from flopslab.backends.diffusers import loading  # imports torch: seconds
    from flopslab.backends.diffusers.hardware.placement import Hardware

    directory = loading.find(study.model, Hardware.of(study).dtype)
    return loading.digest(directory, loading.Additions.of(study))
