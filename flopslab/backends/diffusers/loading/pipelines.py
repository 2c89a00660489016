"""A model's pipelines, loaded from the listed files, complete and finite."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.auto_pipeline import AutoPipelineForImage2Image, AutoPipelineForText2Image
from diffusers.pipelines.pipeline_utils import DiffusionPipeline

from flopslab.backends.diffusers.loading import single_file
from flopslab.backends.diffusers.loading.additions import Additions
from flopslab.backends.diffusers.loading.files import (
    ModelFiles,
    list_files,
    options_without_extras,
)
from flopslab.backends.diffusers.loading.libraries import (
    describe_failure,
    first_line,
    quiet_libraries,
)
from flopslab.backends.diffusers.loading.networks import align, check_finite, load_network
from flopslab.errors import ModelError

_PURPOSES = {9: "an inpainting model", 8: "an InstructPix2Pix model", 5: "a depth model"}

Pipelines = tuple[DiffusionPipeline, DiffusionPipeline]


def load(
    path: Path,
    device: torch.device,
    dtype: torch.dtype,
    additions: Additions = Additions(),  # noqa: B008  # frozen
) -> Pipelines:
    """The model's pipelines (text to image, image to image) on the device, sharing modules.

    `path`: as `find` returns it. Where the family has no image-to-image pipeline, both are the
    same one. The weights are complete and finite. Raises ModelError for whatever is wrong.
    """
    expected, model = f"a text-to-image pipeline from {path}", None
    try:
        with quiet_libraries():
            if path.is_dir():
                model = list_files(path, without=additions.replaces)
                text_to_image = _load_directory(expected, model, dtype, additions)
            else:
                text_to_image = single_file.load(expected, path, dtype, additions)
            text_to_image.to(device)
            networks = [(n, m) for n, m in text_to_image.components.items() if _is_network(m)]
            check_finite(expected, networks)
            additions.install(text_to_image)
            align(network for _, network in networks)
        pipes = text_to_image, image_to_image(text_to_image)
    except ModelError:
        raise
    except Exception as error:  # diffusers, transformers, safetensors and CUDA share no base class
        raise ModelError(expected, *describe_failure(error, model.size if model else 0)) from error
    for pipe in pipes:
        pipe.set_progress_bar_config(disable=True)
    return pipes


def takes_latents(pipes: Sequence[DiffusionPipeline]) -> bool:
    """Whether image to image can start from the latents that text to image ends with.

    It tells latents from an image by their number of channels. Flux packs them in another shape.
    """
    processor = getattr(pipes[1], "image_processor", None)
    channels = processor.config.get("vae_latent_channels") if processor else None
    is_packed = hasattr(pipes[0], "_pack_latents")
    return not is_packed and channels == pipes[0].vae.config.latent_channels


def _load_directory(
    expected: str, model: ModelFiles, dtype: torch.dtype, additions: Additions
) -> DiffusionPipeline:
    """The text-to-image pipeline on the CPU, its weights complete."""
    configs = {name: _read_config(model.directory / name) for name in ("unet", "vae")}
    _check_purpose(expected, model.index, configs["unet"], configs["vae"])
    _check_kind(expected, model)
    parts = {part.name: load_network(expected, part, dtype) for part in model.networks}
    parts |= additions.load_vae(dtype, model.directory, configs["vae"].get("latent_channels"))
    options = options_without_extras(model.index)
    if str(model.index.get("_class_name")).startswith("StableDiffusionXL"):
        options |= {"add_watermarker": False}  # else pixels depend on which packages there are
    return AutoPipelineForText2Image.from_pretrained(
        model.directory, dtype=dtype, use_safetensors=True, local_files_only=True, **parts | options
    )


def image_to_image(pipe: DiffusionPipeline) -> DiffusionPipeline:
    """The family's image-to-image pipeline on the same modules; `pipe` itself if it has none."""
    try:
        return AutoPipelineForImage2Image.from_pipe(pipe)
    except ValueError as error:
        if "find a pipeline linked to" not in str(error):
            raise
        return pipe


def _read_config(directory: Path) -> dict[str, Any]:
    """The component's config; {} if there is none."""
    path = directory / "config.json"
    try:
        values = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        actual = f"no readable {directory.name}/config.json ({first_line(error)})"
        raise ModelError(
            f"a model in {directory.parent}", actual, "fetch this file again"
        ) from error
    return values if isinstance(values, dict) else {}


def _is_network(part: object) -> bool:
    return isinstance(part, torch.nn.Module)


def _check_kind(expected: str, model: ModelFiles) -> None:
    names = {part.name for part in model.networks}
    if not {"unet", "transformer"} & names:
        hint = "use a latent diffusion model: Stable Diffusion 1 to 3, SDXL, Flux, PixArt, ..."
        kind = model.index.get("_class_name")
        raise ModelError(expected, f"{kind}, not one denoiser and one VAE", hint)


def _check_purpose(
    expected: str, index: Mapping[str, Any], denoiser: Mapping[str, Any], vae: Mapping[str, Any]
) -> None:
    """Raise ModelError for a model that does not make pictures from words alone.

    `index` is its model_index.json; `denoiser` and `vae` are configs, {} where there is none. Known
    by them are the refiner of SDXL and UNets that look at more than noisy latents: for inpainting,
    InstructPix2Pix, depth.
    """
    if index.get("requires_aesthetics_score"):
        actual = "a refiner, which only finishes the pictures of its base model"
        raise ModelError(expected, actual, "use the base model: SDXL base 1.0, or one made from it")
    channels, latents = denoiser.get("in_channels"), vae.get("latent_channels", 4)
    if "cross_attention_dim" in denoiser and vae and channels != latents:
        purpose = _PURPOSES.get(channels or 0, "a model for another purpose")
        actual = f"a UNet of {channels} input channels on latents of {latents}: {purpose}"
        raise ModelError(expected, actual, "use the text-to-image model of its family")
