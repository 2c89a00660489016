"""Why a frame would be made again, or that it would be kept: no model is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flopslab.calibration.strength import require_recorded
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.runs import layout
from flopslab.runs.checks.forecast import UNKNOWN, Forecast, Verdict, verified
from flopslab.runs.provenance import RunContext
from flopslab.runs.reader import common_parameters, read_manifest, recorded_study
from flopslab.words.sequence import read_timed_sequence


@dataclass(frozen=True)
class Explanation:
    """What `flopslab why` says of one frame; `parameters`: those that were changed."""

    verdict: Verdict
    parameters: Mapping[str, Any]

    @property
    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return _plain(self.verdict) | {"parameters": dict(self.parameters)}

    def __str__(self) -> str:
        return "\n".join(_lines(self.verdict))


def explain_frame(
    directory: str | Path, key: FrameKey, parameters: Mapping[str, Any] | None = None
) -> Explanation:
    """What would become of a frame in the next run of its study, and why.

    `parameters`: changed ones, by name. The study, its words and the model's settings are those of
    the manifest. RunError if there is none, or the study has no such frame; ParameterError.
    """
    directory, parameters = Path(directory).expanduser(), dict(parameters or {})
    manifest = read_manifest(directory)
    recorded = recorded_study(directory, manifest)
    study = recorded.replace(**parameters)
    source = study.sequence if "sequence" in parameters else directory / layout.MANIFEST
    settings = _settings(manifest["settings"], recorded, study)
    resolution = require_recorded(study.replace(output_dir=str(directory)), settings)
    words = read_timed_sequence(str(source))
    context = RunContext(resolution.study, settings, words, follows=resolution.follows)
    external = common_parameters(directory).get("external_frames", {})
    return Explanation(verified(Forecast(context, directory, external), key), parameters)


def _settings(settings: Mapping[str, Any], recorded: Study, study: Study) -> dict[str, Any]:
    """The generator's settings as the changed study has them, as far as no model is needed."""
    changes = {
        name: value
        for name, value in study.model_dump().items()
        if name in settings and value != getattr(recorded, name)
    }
    if study.model != recorded.model:
        changes["model_digest"] = UNKNOWN
    defaults = type(study)()
    unknown = {
        name: UNKNOWN for name, value in changes.items() if value == getattr(defaults, name, ...)
    }
    return {**settings, **changes, **unknown}


def _lines(verdict: Verdict, indent: str = "") -> list[str]:
    place = f"pass {verdict.key.pass_number}, position {verdict.key.position}"
    if verdict.fate == "kept":
        return [f"{indent}{place}: it would be kept"]
    detail = f" ({verdict.detail})" if verdict.detail else ""
    lines = [f"{indent}{place}: it would be made again: {verdict.fate}{detail}"]
    lines += [f"{indent}  {change}" for change in verdict.differences]
    for source in verdict.sources:
        lines += _lines(source, indent + "  ")
    return lines


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        "pass": verdict.key.pass_number,
        "position": verdict.key.position,
        "fate": verdict.fate,
        "detail": verdict.detail,
        "differences": [
            {"field": c.field, "recorded": c.actual, "needed": c.expected}
            for c in verdict.differences
        ],
        "sources": [_plain(source) for source in verdict.sources],
    }
