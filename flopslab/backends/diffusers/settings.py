"""The settings of a generator: device, size, steps, scheduler, batch size, no default left open."""

import difflib
import inspect
import math
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import diffusers
from diffusers.configuration_utils import ConfigMixin
from diffusers.pipelines.pipeline_utils import DiffusionPipeline

from flopslab.backends.diffusers.hardware.batch import estimate_batch_size
from flopslab.backends.diffusers.hardware.placement import Hardware
from flopslab.core.study import Study
from flopslab.errors import ParameterError

SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_a": "EulerAncestralDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "lcm": "LCMScheduler",
    "pndm": "PNDMScheduler",
    "unipc": "UniPCMultistepScheduler",
}

_LIBRARIES = ("torch", "diffusers", "transformers", "compel", "pillow", "numpy", "scikit-image")


def make_scheduler(name: str, default: ConfigMixin) -> ConfigMixin:
    """The scheduler of this name with the configuration of the model's own, which is `default`.

    `name` is one of `SCHEDULERS` or its class; "" returns `default` itself. Raises ParameterError
    if there is no such name, or if the model cannot use it.
    """
    if not name:
        return default
    expected = f"scheduler {name!r}"
    if name not in (*SCHEDULERS, *SCHEDULERS.values()):
        matches = difflib.get_close_matches(name.lower(), SCHEDULERS, n=1, cutoff=0.4)
        offer = f"use {matches[0]}? " if matches else ""
        hint = f"{offer}There are {', '.join(SCHEDULERS)}"
        raise ParameterError(expected, "no such name", hint)
    if "beta_schedule" not in default.config:  # another kind of noise, such as flow matching
        hint = "leave scheduler empty: the model's own"
        raise ParameterError(expected, f"a model made for {type(default).__name__}", hint)
    plms = {"skip_prk_steps": True} if name in ("pndm", "PNDMScheduler") else {}  # as SD uses it
    return getattr(diffusers, SCHEDULERS.get(name, name)).from_config(default.config, **plms)


def resolve_settings(
    study: Study,
    pipe: DiffusionPipeline,
    recommendations: dict[str, Any],
    hardware: Hardware,
    batch_size: int = 0,
) -> dict[str, Any]:
    """The generator's settings, JSON-ready; what the study leaves empty suits the model.

    That is what the model's maker recommends or, without that, the default of the pipeline's call.
    `batch_size` is the one that a run has recorded, or 0.
    Raises ParameterError if the size does not fit the model.
    """
    call = inspect.signature(pipe.__call__).parameters
    steps = recommendations.get("steps", call["num_inference_steps"].default)
    scale = recommendations.get("guidance_scale", call["guidance_scale"].default)
    width, height = _size(study, pipe)
    return {
        "model": study.model,
        "width": width,
        "height": height,
        "steps": study.steps or steps,
        "guidance_scale": scale if study.guidance_scale is None else study.guidance_scale,
        "guidance_stop": study.guidance_stop,
        "scheduler": type(pipe.scheduler).__name__,
        "negative_prompt": study.negative_prompt,
        "batch_size": batch_size
        or study.batch_size
        or estimate_batch_size(width * height, hardware.device),
        "versions": {library: version(library) for library in _LIBRARIES},
    } | hardware.settings


def _size(study: Study, pipe: DiffusionPipeline) -> tuple[int, int]:
    """(width, height) in pixels: the study's, or the model's own."""
    denoiser = pipe.unet if hasattr(pipe, "unet") else pipe.transformer
    sample = getattr(pipe, "default_sample_size", None) or denoiser.config.sample_size
    rows, columns = sample if isinstance(sample, Iterable) else (sample, sample)
    scale = pipe.vae_scale_factor
    width, height = study.width or columns * scale, study.height or rows * scale
    unit = math.lcm(scale, 8)  # 8: diffusers' own condition
    if width % unit or height % unit:
        actual = f"a model whose sizes are multiples of {unit}"
        hint = f"try {width // unit * unit} x {height // unit * unit}"
        raise ParameterError(f"frames of {width} x {height}", actual, hint)
    return width, height
