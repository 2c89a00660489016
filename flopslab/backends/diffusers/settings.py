"""The settings of a generator: device, size, steps, scheduler, batch size, no default left open."""

import inspect
import math
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from diffusers.pipelines.pipeline_utils import DiffusionPipeline

from flopslab.backends.diffusers.hardware.batch import estimate_batch_size
from flopslab.backends.diffusers.hardware.placement import Hardware
from flopslab.backends.diffusers.schedulers import check_steps, sampling_options
from flopslab.core.study import Study
from flopslab.errors import ParameterError

_LIBRARIES = ("torch", "diffusers", "transformers", "compel", "pillow", "numpy", "scipy")


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
    Raises ParameterError if the size or the steps do not fit the model.
    """
    call = inspect.signature(pipe.__call__).parameters
    defaults = {name: call[name].default for name in ("num_inference_steps", "guidance_scale")}
    steps = study.steps or recommendations.get("steps", defaults["num_inference_steps"])
    scale = recommendations.get("guidance_scale", defaults["guidance_scale"])
    width, height = _size(study, pipe)
    check_steps(pipe.scheduler, steps)
    return {
        "model": study.model,
        "width": width,
        "height": height,
        "steps": steps,
        "guidance_scale": scale if study.guidance_scale is None else study.guidance_scale,
        "guidance_stop": study.guidance_stop,
        "guidance_rescale": study.guidance_rescale,
        "scheduler": type(pipe.scheduler).__name__,
        "scheduler_options": sampling_options(pipe.scheduler),
        "clip_skip": study.clip_skip,
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
    unit = size_unit(pipe)
    if width % unit or height % unit:
        actual = f"a model whose sizes are multiples of {unit}"
        near = (max(round(side / unit), 1) * unit for side in (width, height))
        hint = "try {} x {}".format(*near)
        raise ParameterError(f"frames of {width} x {height}", actual, hint)
    return width, height


def size_unit(pipe: DiffusionPipeline) -> int:
    """What width and height must be multiples of, in pixels."""
    denoiser = pipe.unet if hasattr(pipe, "unet") else pipe.transformer
    patch = denoiser.config.get("patch_size") or 1
    if hasattr(pipe, "_pack_latents"):  # Flux makes one token of 2 x 2 latents
        patch *= 2
    return math.lcm(pipe.vae_scale_factor * patch, 8)  # 8: diffusers' own condition
