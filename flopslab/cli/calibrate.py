"""`flopslab calibrate`: what a model keeps of the pictures that a refinement starts from."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from flopslab.calibration import records
from flopslab.calibration.calibrate import calibrate as measure_model
from flopslab.calibration.curve import Calibration, Curve
from flopslab.cli.output import AsJson, ParameterFile, ParameterPairs, print_result
from flopslab.cli.why import read_options
from flopslab.core.study import Study
from flopslab.progress import NullProgress

WEIGHTS = (0.25, 0.5, 0.75)  # of images, whose strengths are printed
KEY = 12  # characters of a key that are printed


def calibrate(
    parameter: ParameterPairs = None,
    file: ParameterFile = None,
    renew: Annotated[bool, typer.Option("--renew", help="Measure it again.")] = False,
    show_all: Annotated[bool, typer.Option("--list", help="List all that are there.")] = False,
    delete: Annotated[
        str, typer.Option(metavar="KEY", help="Delete one from the cache, by the key's beginning.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Measure, once, how much of a start survives at each denoising_strength."""
    if delete:
        path = records.delete(delete)
        print_result({"deleted": str(path)}, f"deleted {path}", as_json)
    elif show_all:
        everything = [*records.shipped(), *records.cached()]
        result = {"directory": str(records.directory()), "calibrations": [*map(_row, everything)]}
        lines = [f"in {records.directory()} and with the package:", *map(_line, everything)]
        print_result(result, "\n".join(lines), as_json)
    else:
        study = Study(**read_options(parameter, file))
        calibration = measure_model(
            study, progress=NullProgress() if as_json else None, renew=renew
        )
        print_result(records.as_json(calibration), _table(calibration), as_json)


def _row(calibration: Calibration) -> dict[str, Any]:
    return {"key": calibration.key, "conditions": dict(calibration.conditions)}


def _line(calibration: Calibration) -> str:
    return f"{calibration.key[:KEY]}  {_describe(calibration.conditions)}"


def _describe(conditions: Mapping[str, Any]) -> str:
    size = f"{conditions['width']} x {conditions['height']}"
    words = conditions["prompt"][0]
    model = str(conditions.get("model_digest") or conditions.get("model"))[:KEY]
    return (
        f"model {model}, {conditions['steps']} steps of {conditions['scheduler']}, guidance "
        f"{conditions['guidance_scale']:g}, {size}, {words} words"
    )


def _table(calibration: Calibration) -> str:
    """The curves for a reader, and the strengths of some image weights."""
    kept, silent = calibration.kept, calibration.kept_without_words
    lines = [_line(calibration), "", "strength  share of a start that survives  without words"]
    lines += [
        f"{place:8.2f}  {_interval(kept, index):32}  {silent.at(place):.2f}"
        for index, place in enumerate(kept.places)
    ]
    weights = (f"{weight:g}: {calibration.strength_for(weight):.3f}" for weight in WEIGHTS)
    lines += ["", f"denoising_strength of image_weight {', '.join(weights)}"]
    return "\n".join([*lines, *filter(None, [calibration.problem])])


def _interval(curve: Curve, index: int) -> str:
    return f"{curve.means[index]:.2f} ({curve.low[index]:.2f} to {curve.high[index]:.2f})"
