"""Measures the calibrations that ship with the embedded model: `python -m training.calibration`.

For each number of steps, with prompts as long as a study's by default, and for shorter prompts with
the model's own steps. Part of `make tiny`: new weights have keys of their own, so that a run would
not find the calibrations of the old ones.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from flopslab.backends import load_generator
from flopslab.calibration import records
from flopslab.calibration.calibrate import conditions_of, form_of, measure
from flopslab.calibration.curve import Calibration
from flopslab.core.study import Study
from flopslab.digests import json_digest
from flopslab.progress import RunBar

STEPS = (6, 12)
DIAMETERS = (2, 4)  # of the shorter word windows
BATCH = 8


def main(line: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--model", default="tiny", help="a directory, or the embedded model")
    add("--out", type=Path, default=records.SHIPPED, help="the file to write")
    add("--steps", type=int, nargs="*", default=STEPS, help="beside the model's own")
    options = parser.parse_args(line)
    torch.set_num_threads(1)
    write_calibrations(options.model, options.out, options.steps)


def write_calibrations(model: str, path: Path, steps: Sequence[int] = STEPS) -> None:
    """Measure the model with its own number of steps and with these, and write the file."""
    calibrations: dict[str, Calibration] = {}
    settings = [{"steps": count} for count in (0, *steps)]
    settings += [{"context_diameter": diameter} for diameter in DIAMETERS]
    for setting in settings:
        study = Study(model=model, batch_size=BATCH, **setting)
        generator = load_generator(study)
        conditions = conditions_of(study, generator.settings)
        form = form_of(study)
        progress = RunBar(title=f"{generator.settings['steps']} steps, {form.words} words")
        key = json_digest(conditions)
        if key not in calibrations:
            calibrations[key] = measure(generator, form, conditions, progress)
            path.write_bytes(records.encode(calibrations.values()))


if __name__ == "__main__":
    main()
