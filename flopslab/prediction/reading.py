"""Where a forecast finds its calibration."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from flopslab.calibration.curve import Calibration
from flopslab.core.study import Study
from flopslab.errors import ParameterError


def read_calibration(study: Study, path: Path | None = None) -> Calibration:
    """The calibration in a JSON file. ParameterError if there is none."""
    if path is None:
        hint = "give a calibration's file with --calibration"
        raise ParameterError(f"a forecast of {study.model}", "no calibration", hint)
    try:
        return TypeAdapter(Calibration).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = getattr(error, "strerror", None) or "no calibration"
        hint = "give a file that holds a calibration as JSON"
        raise ParameterError(f"a calibration from {path}", reason, hint) from None
