"""`flopslab plan`: what a run will be like, or the settings for a goal."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from flopslab.analysis.metrics import colour_correlations
from flopslab.cli.output import AsJson, ParameterFile, ParameterPairs, print_result
from flopslab.cli.why import read_options
from flopslab.core.study import Study
from flopslab.errors import RunError
from flopslab.prediction.forecast import MOST_FRAMES, Forecast
from flopslab.prediction.forecast import plan as forecast_of
from flopslab.prediction.goal import describe_settings, settings_for
from flopslab.prediction.reading import find_calibration, read_calibration
from flopslab.runs.reader import open_run

Option = typer.Option


def plan(
    parameter: ParameterPairs = None,
    file: ParameterFile = None,
    calibration: Annotated[
        Path | None, Option("--calibration", help="A file that `flopslab calibrate --json` gave.")
    ] = None,
    coherence: Annotated[
        float | None,
        Option(min=0, max=1, help="Look for settings that reach this coherence of neighbours."),
    ] = None,
    first_pass: Annotated[
        Path | None, Option(metavar="RUN", help="A run whose first pass is there: start from it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict coherence, reach and time of a run, pass by pass; no model is loaded."""
    study = Study(**read_options(parameter, file))
    measured = read_calibration(calibration) if calibration else find_calibration(study)
    if coherence is None:
        likeness = None if first_pass is None else measure_likeness(first_pass)
        forecast = forecast_of(study, measured, first_pass=likeness)
        print_result(forecast.as_json, describe(forecast), as_json)
        return
    forecast = settings_for(study, coherence, measured)
    names = ("method", "image_weight", "denoising_strength", "passes")
    result = {"settings": forecast.study.model_dump(include=set(names))} | forecast.as_json
    text = f"{describe_settings(forecast.study)}\n{describe(forecast)}"
    print_result(result, text, as_json)


def measure_likeness(run: Path) -> np.ndarray:
    """The `colour_correlations` of the first frames of a run's first pass. RunError without any."""
    pictures = open_run(run)
    keys = [key for key in pictures.frames if key.pass_number == 1][:MOST_FRAMES]
    if not keys:
        hint = "give the output_dir of a run whose first pass is there"
        raise RunError(f"a first pass in {run}", "no frames of it", hint)
    return colour_correlations([pictures.image(key) for key in keys])


def describe(forecast: Forecast) -> str:
    """The forecast in a sentence, each pass in a line, then what the model leaves out."""
    lines = [str(forecast)]
    for item in forecast.passes:
        facts = f"reach {item.reach:.1f}, coherence {item.coherence:.2f}"
        share = f"{item.kept:.0%} from pictures, " if item.number > 1 else ""
        lines.append(f"pass {item.number}: {share}{facts}")
    if forecast.passes_within_5 and forecast.passes_within_2:
        five, two = forecast.passes_within_5, forecast.passes_within_2
        lines.append(f"within 5 % of the limit: {five} passes; within 2 %: {two}")
    return "\n".join([*lines, *(f"not in the model: {caveat}" for caveat in forecast.caveats)])
