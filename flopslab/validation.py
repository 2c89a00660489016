"""Checks before the first frame: what would fail in a run is refused at once."""

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from flopslab.core.compositing import METHODS
from flopslab.core.generator import Capabilities
from flopslab.core.prompts import STYLES
from flopslab.core.study import Study
from flopslab.core.windows import Windowing
from flopslab.errors import ParameterError, RunError
from flopslab.runs import layout
from flopslab.storage.paths import require_path
from flopslab.storage.space import frame_bytes, require_space


def check_refinement(study: Study) -> None:
    """ParameterError if there is nothing to sharpen in any refinement pass."""
    strengths = {study.strength(number) for number in range(2, study.passes + 1)}
    if study.detail and strengths == {1.0}:
        raise ParameterError(
            "detail at denoising_strength 1",
            "every frame starts from noise, with nothing to sharpen",
            "set denoising_strength below 1, or detail to 0",
        )


def suit_single_pass(study: Study, capabilities: Capabilities) -> Study:
    """The study; if it is a single pass, with a method for which the generator need do nothing.

    A single pass refines nothing. Latents that a generator cannot give are not asked for.
    """
    needless = METHODS[study.method].takes_latents and not capabilities.latents
    return study.replace(method="blend") if study.passes == 1 and needless else study


def check_capabilities(study: Study, capabilities: Capabilities) -> None:
    """ParameterError if the generator at hand cannot do what the study needs, naming what can."""
    method = METHODS[study.method]
    starts = not (method.takes_latents or method.weighs_images)
    lacks = {
        f"method {study.method}": (method.takes_latents and not capabilities.latents)
        or (method.weighs_images and not capabilities.references)
        or (starts and study.passes > 1 and not capabilities.init_image),
        "prompt_style themed": study.prompt_style == "themed" and not capabilities.text_embeddings,
        "prompt_style weighted": study.prompt_style == "weighted" and not capabilities.weights,
        "a negative_prompt": study.negative_prompt and not capabilities.negative_prompt,
        "seed_policy slerp": study.seed_policy == "slerp" and not capabilities.turning_noise,
    }
    wishes = [wish for wish, lack in lacks.items() if lack]
    if wishes:
        parts = [f"method {' or '.join(_possible_methods(capabilities))}"]
        parts += [f"prompt_style {' or '.join(_possible_styles(capabilities))}"]
        parts += [] if capabilities.negative_prompt else ["no negative_prompt"]
        parts += [] if capabilities.turning_noise else ["another seed_policy"]
        raise ParameterError(
            " and ".join(wishes),
            f"model {study.model}, which cannot do that",
            f"use {', '.join(parts)}, or a model that runs in this process: tiny, a directory or "
            "a hub id",
        )


def warnings_for(study: Study, length: int) -> list[str]:
    """What is allowed in a refinement of `length` words, but hardly meant."""
    reach = Windowing(study, length).image_reach
    if reach <= length:
        return _idle(study)
    wide = f"images reach {reach} positions, the sequence has {length}"
    return [f"{wide}: every frame looks at all others", *_idle(study)]


def check_external_frames(
    study: Study, images: Mapping[int, Image.Image], frames: range, size: tuple[int, int]
) -> None:
    """ParameterError if pictures from outside, by position, cannot be frames of pass 1.

    `frames`: the positions of all frames; `size`: theirs in pixels, (width, height).
    """
    _require_positions(study, images, frames)
    _require_size(images, size)


def _possible_methods(capabilities: Capabilities) -> list[str]:
    able = {
        "grid": capabilities.init_image,
        "blend": capabilities.init_image,
        "latent": capabilities.latents,
        "ip_adapter": capabilities.references,
    }
    return [name for name in METHODS if able[name]]


def _possible_styles(capabilities: Capabilities) -> list[str]:
    able = {
        "simple": True,
        "weighted": capabilities.weights,
        "themed": capabilities.text_embeddings,
    }
    return [name for name in STYLES if able[name]]


def check_output_dir(study: Study, length: int) -> None:
    """RunError if the run directory cannot be made, or something stands in a run's way there."""
    directory = Path(study.output_dir)
    require_path(directory, layout.longest_name(study.passes, length))
    if obstacles := layout.obstacles(directory):
        raise RunError(
            f"the run directory {directory}",
            f"{', '.join(map(str, obstacles))}: a link or a file where a directory must be, or a "
            "directory in place of the manifest",
            "move what stands in the way or choose another output_dir",
        )


def check_space(study: Study, frames: range, size: tuple[int, int]) -> None:
    """RunError if the frames that are not there yet have clearly no room on the disk."""
    directory = Path(study.output_dir)
    present = layout.frame_keys(directory)
    passes = range(1, study.passes + 1)
    rest = len(frames) * study.passes - sum(
        key.pass_number in passes and key.position in frames for key in present
    )
    latents = METHODS[study.method].takes_latents
    needed = rest * frame_bytes(size, latents)
    require_space(directory, needed, f"{rest} frames of {size[0]} x {size[1]}")


def _idle(study: Study) -> list[str]:
    """What is set but changes nothing: a sentence for each such parameter."""
    method, here, default = METHODS[study.method], f"with method {study.method}", Study()
    reasons = {
        "distance_weights": "" if method.weighs_neighbours else here,
        "image_weight": ""
        if method.weighs_images or study.denoising_strength is None
        else "beside a denoising_strength",
        "ip_adapter": "" if method.weighs_images else here,
        "seed_length": "" if study.seed_policy == "slerp" else "without seed_policy slerp",
        "colour_match": "" if study.colour_anchor else "without colour_anchor",
    }
    return [
        f"{name} = {getattr(study, name)!r} changes nothing {reason}"
        for name, reason in reasons.items()
        if reason and getattr(study, name) != getattr(default, name)
    ]


def _require_positions(study: Study, images: Mapping[int, Image.Image], frames: range) -> None:
    """ParameterError if a picture has no frame to be, or no latents where these count."""
    expected = f"pictures from outside in the first pass, at {sorted(images)}"
    if strangers := [position for position in images if position not in frames]:
        hint = f"give pictures for some of the {len(frames)} frames"
        raise ParameterError(expected, f"no frame at {strangers}", hint)
    if images and METHODS[study.method].takes_latents:
        hint = "use a method that reads pictures: blend, grid or ip_adapter"
        raise ParameterError(expected, f"method {study.method}, which reads latents", hint)


def _require_size(images: Mapping[int, Image.Image], size: tuple[int, int]) -> None:
    """ParameterError if a picture is not one that the model could have made."""
    for position, image in images.items():
        if (image.mode, image.size) != ("RGB", size):
            expected = f"a picture from outside in the first pass, at {position}"
            actual = f"{image.mode} {image.size}"
            raise ParameterError(expected, actual, f"give it in RGB, {size[0]} x {size[1]} pixels")
