"""The settings of a generator: device, size, steps, scheduler, batch size, no default left open."""

import inspect
import math
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline

from flopslab.backends.diffusers.schedulers import check_steps, sampling_options
from flopslab.core.study import Study
from flopslab.errors import ParameterError

# bf16 has the range of fp32, so no VAE overflows in it; on Apple's GPUs fp16 would.
DTYPES = {"cuda": torch.bfloat16, "mps": torch.float32, "cpu": torch.float32}

_LIBRARIES = ("torch", "diffusers", "transformers", "compel", "pillow", "numpy", "scipy")


def best_device() -> torch.device:
    """CUDA where there is one, else Apple's GPU, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def find_batch_size(pixels: int, device: torch.device) -> int:
    """How many frames of so many pixels to compute together.

    CUDA: the largest power of two, up to 32, that takes at most 60 % of the free memory at 4 KiB
    a pixel (decoding by a VAE in bf16 needs most of that). Elsewhere 2**19 pixels, but 1 to 8
    frames: 8 of 128 x 128, 2 of 512 x 512.
    """
    if device.type != "cuda":
        return min(max(2**19 // pixels, 1), 8)
    free, _ = torch.cuda.mem_get_info(device)
    frames = min(max(int(0.6 * free / (4096 * pixels)), 1), 32)
    return 2 ** (frames.bit_length() - 1)


def resolve_settings(
    study: Study, pipe: DiffusionPipeline, recommendations: dict[str, Any], batch_size: int = 0
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
        or find_batch_size(width * height, pipe.device),
        "device": _device_name(pipe.device),
        "dtype": str(pipe.dtype).removeprefix("torch."),
        "versions": {library: version(library) for library in _LIBRARIES},
    }


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


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
