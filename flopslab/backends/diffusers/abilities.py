"""What a model's family can do, asked of its pipelines; what it cannot is refused."""

import inspect
from collections.abc import Sequence

from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from transformers import CLIPTextModel

from flopslab.backends.diffusers.loading import takes_latents
from flopslab.backends.diffusers.text.conditioning import (
    has_embedded_guidance,
    takes_negative_prompt,
)
from flopslab.core.compositing import METHODS
from flopslab.core.study import Study
from flopslab.errors import ParameterError


def abilities(pipes: Sequence[DiffusionPipeline]) -> dict[str, bool]:
    """Whether a model can do what a study may ask for, by method or parameter.

    `pipes`: text to image and image to image, one and the same where the family has only the
    former.
    """
    pipe, refines = pipes[0], pipes[0] is not pipes[1]
    has_unet, latents = hasattr(pipe, "unet"), takes_latents(pipes)
    call = inspect.signature(pipe.__call__).parameters
    clip = isinstance(getattr(pipe, "text_encoder", None), CLIPTextModel)
    ways = {
        name: (refines or method.weighs_images)
        and (latents or not method.takes_latents)
        and (has_unet or not method.weighs_images)
        for name, method in METHODS.items()
    }
    return ways | {
        "word weights": clip and has_unet,
        "negative_prompt": takes_negative_prompt(pipe),
        "clip_skip": (clip and has_unet) or "clip_skip" in call,
        "guidance_stop": has_unet and not has_embedded_guidance(pipe),
        "guidance_rescale": has_unet and not has_embedded_guidance(pipe),
    }


def check_abilities(study: Study, pipes: Sequence[DiffusionPipeline]) -> None:
    """Raise ParameterError if the study asks for what the model's family cannot do.

    It names what is missing and what there is. Word weights are checked with each prompt: a study
    may have none.
    """
    able = abilities(pipes)
    refines = study.passes > 1
    needs = {
        study.method: refines or METHODS[study.method].weighs_images,
        "negative_prompt": bool(study.negative_prompt),
        "clip_skip": study.clip_skip > 1,
        "guidance_stop": study.guidance_stop < 1,
        "guidance_rescale": study.guidance_rescale > 0,
    }
    missing = [name for name, needed in needs.items() if needed and not able[name]]
    if missing:
        expected = ", ".join(f"method {name}" if name in METHODS else name for name in missing)
        raise ParameterError(expected, _describe(pipes, able), _remedy(missing, able))


def _describe(pipes: Sequence[DiffusionPipeline], able: dict[str, bool]) -> str:
    names = [name for name, is_able in able.items() if is_able]
    channels = pipes[0].vae.config.latent_channels
    return (
        f"{type(pipes[0]).__name__} with {channels} latent channels, which can do "
        f"{', '.join(names) or 'text to image alone'}"
    )


def _remedy(missing: Sequence[str], able: dict[str, bool]) -> str:
    methods = [name for name in METHODS if able[name]]
    parts = []
    if set(missing) & set(METHODS):
        instead = f"use method {' or '.join(methods)}"
        parts.append(instead if methods else "set passes to 1 and leave method empty")
    rest = [name for name in missing if name not in METHODS]
    if rest:
        parts.append(f"leave out {' and '.join(rest)}")
    return ", ".join(parts) + "; or use a model of another family, such as Stable Diffusion XL"
