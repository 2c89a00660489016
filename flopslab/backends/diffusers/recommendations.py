"""The steps and the guidance that suit a model, where its pipeline's own defaults do not.

A distilled model needs few steps and little or no guidance; at a pipeline's defaults its pictures
burn. It is recognised by its configuration. A name is only a hint, worth a warning.
"""

import json
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers.pipelines.pipeline_utils import DiffusionPipeline

from flopslab.core.study import Study
from flopslab.errors import FlopslabWarning, ModelError
from flopslab.interop.samplers import find_sampler

FILE = "flopslab.json"  # of a model's directory

_HINTS = ("turbo", "lightning", "hyper", "lcm", "schnell", "dmd", "flash")


@dataclass(frozen=True)
class FewSteps:
    """A kind of distilled model, how its configuration shows it, and what it was made for."""

    kind: str
    sign: str
    matches: Callable[[DiffusionPipeline], bool]
    steps: int
    guidance_scale: float


def _is_lcm(pipe: DiffusionPipeline) -> bool:
    """Guidance is among the inputs of its UNet."""
    return bool(hasattr(pipe, "unet") and pipe.unet.config.get("time_cond_proj_dim"))


def _is_turbo(pipe: DiffusionPipeline) -> bool:
    scheduler = pipe.scheduler
    trailing = scheduler.config.get("timestep_spacing") == "trailing"
    return trailing and type(scheduler).__name__ == "EulerAncestralDiscreteScheduler"


def _is_schnell(pipe: DiffusionPipeline) -> bool:
    is_flux = type(pipe).__name__ == "FluxPipeline"
    return is_flux and not pipe.transformer.config.guidance_embeds


# Sources: the model cards on huggingface.co and the guides of diffusers. Of a range of steps the
# largest number that the makers show, because a refinement runs only a share of them.
FEW_STEPS = (
    # Card of SimianLuo/LCM_Dreamshaper_v7: 4 steps in its example (1 to 8 are recommended) and
    # guidance 8; 8.5 is no more than the default of the pipeline in diffusers.
    FewSteps("LCM", "the UNet has guidance as an input", _is_lcm, 4, 8.0),
    # Guide "SDXL Turbo" of diffusers: 1 to 4 steps, guidance 0, trailing timesteps.
    FewSteps("SDXL-Turbo", "Euler ancestral, trailing timesteps", _is_turbo, 4, 0.0),
    # Page "Flux" of diffusers: guidance 0, few steps; card of FLUX.1-schnell: 1 to 4.
    FewSteps("Flux schnell", "Flux without guidance as an input", _is_schnell, 4, 0.0),
)


def recommend(study: Study, pipe: DiffusionPipeline, directory: Path) -> dict[str, Any]:
    """The steps and the guidance scale that suit the model in `directory`; {} if none are known.

    Its `flopslab.json` comes first, then its configuration. Call it while the pipeline still has
    the model's own scheduler. Says in one line what is not the pipeline's default, and warns if the
    model may be distilled but nothing tells its settings. Raises ModelError as
    `read_recommendations` does.
    """
    values = read_recommendations(directory)
    kind = next((kind for kind in FEW_STEPS if kind.matches(pipe)), None)
    missing = {
        name
        for name, value in (
            ("steps", study.steps or None),
            ("guidance_scale", study.guidance_scale),
        )
        if value is None and name not in values
    }
    if not missing:
        return values
    if kind is None:
        _warn_of_few_steps(study, pipe, missing)
        return values
    found = {name: getattr(kind, name) for name in sorted(missing)}
    text = " and ".join(f"{name} {value:g}" for name, value in found.items())
    warnings.warn(
        f"{study.model} is a few-step model ({kind.kind}): {text}", FlopslabWarning, stacklevel=2
    )
    return found | values


def read_recommendations(directory: Path) -> dict[str, Any]:
    """The settings that suit the model, from its flopslab.json: `steps`, `guidance_scale`.

    `ip_adapter` there names the adapter that comes with it: {"subfolder": ..., "weight_name": ...}.
    Without the file: {}. Raises ModelError if it cannot be read or has other names or values.
    """
    path = directory / FILE
    if not path.exists():
        return {}
    values: Any = {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        problem = _find_problem(values)
    except (OSError, ValueError, RecursionError) as error:
        problem = (str(error).strip() or type(error).__name__).splitlines()[0]
    if problem:
        hint = (
            'write some of {"steps": 30, "guidance_scale": 7.5, "ip_adapter": {"subfolder": "...", '
            '"weight_name": "..."}}, or remove the file'
        )
        raise ModelError(f"recommended settings from {path}", problem, hint)
    return values


def _find_problem(values: object) -> str | None:
    """What is wrong with the content of a flopslab.json; None if nothing is."""
    if not isinstance(values, dict):
        return f"no mapping, but {values!r:.80}"
    if values.keys() - _CHECKS.keys():
        return f"the names {', '.join(values)}"
    wrong = [
        f"{name} = {value!r:.80}" for name, value in values.items() if not _CHECKS[name](value)
    ]
    return "; ".join(wrong) or None


def _is_step_count(value: object) -> bool:
    return type(value) is int and 1 <= value <= 1000


def _is_scale(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0  # pyright: ignore


def _is_adapter(value: object) -> bool:
    names = ("subfolder", "weight_name")
    return isinstance(value, Mapping) and all(isinstance(value.get(name), str) for name in names)


_CHECKS: dict[str, Callable[[object], bool]] = {
    "steps": _is_step_count,
    "guidance_scale": _is_scale,
    "ip_adapter": _is_adapter,
}


def _warn_of_few_steps(study: Study, pipe: DiffusionPipeline, missing: set[str]) -> None:
    """Warn if the model may be distilled, while its steps or guidance follow the pipeline."""
    reasons = _few_step_signs(study, pipe)
    if reasons:
        message = (
            f"{study.model} may be a few-step model ({'; '.join(reasons)}): if it is, set "
            f"{' and '.join(sorted(missing, reverse=True))} as its maker says, often steps 4 to 8 "
            "and guidance_scale 0 to 2, with scheduler_options timestep_spacing=trailing"
        )
        warnings.warn(message, FlopslabWarning, stacklevel=3)


def _few_step_signs(study: Study, pipe: DiffusionPipeline) -> list[str]:
    """What speaks for a distilled model without proving it."""
    config = pipe.scheduler.config
    scheduler, _ = find_sampler(study.scheduler) or (type(pipe.scheduler).__name__, {})
    loras = [study.lora] if isinstance(study.lora, str) else study.lora
    names = [study.model, pipe.config.get("_name_or_path") or "", *loras]
    name = " ".join(map(str, names)).lower()
    signs = [f"its name says {hint}" for hint in _HINTS if hint in name]
    if scheduler in ("LCMScheduler", "TCDScheduler", "FlowMatchLCMScheduler"):
        signs.append(f"its scheduler is {scheduler}")
    is_plain = config.get("prediction_type") == "epsilon"
    if config.get("timestep_spacing") == "trailing" and is_plain:  # zero-SNR models predict v
        signs.append("its timesteps are trailing")
    return signs
