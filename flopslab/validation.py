"""Checks before the first frame: what would fail in a run is refused at once."""

import math
from collections.abc import Mapping

from PIL import Image

from flopslab.core.compositing import METHODS
from flopslab.core.study import Study, step_count
from flopslab.core.windows import Windowing
from flopslab.errors import ParameterError


def check_refinement(study: Study, steps: int) -> None:
    """ParameterError if a refinement pass cannot do what the study says in `steps` steps."""
    _require_steps(study, steps)
    _require_start(study)


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


def _require_steps(study: Study, steps: int) -> None:
    """ParameterError if a refinement pass would run no step."""
    for strength in (study.strength(number) for number in range(2, study.passes + 1)):
        if step_count(steps, strength) < 1:
            raise ParameterError(
                f"refinement with denoising_strength = {strength} of {steps} steps",
                "no step would run",
                f"set denoising_strength to {math.ceil(100 / steps) / 100} or more, or raise steps",
            )


def _require_start(study: Study) -> None:
    """ParameterError if there is nothing to sharpen in any pass."""
    strengths = {study.strength(number) for number in range(2, study.passes + 1)}
    if study.detail and strengths == {1.0} and METHODS[study.method].weighs_images:
        raise ParameterError(
            f"detail with method {study.method} at denoising_strength 1",
            "every frame starts from noise, with nothing to sharpen",
            "set denoising_strength below 1, or detail to 0",
        )


def _idle(study: Study) -> list[str]:
    """What is set but changes nothing: a sentence for each such parameter."""
    method, here, default = METHODS[study.method], f"with method {study.method}", Study()
    reasons = {
        "distance_weights": "" if method.weighs_neighbours else here,
        "image_weight": "" if method.weighs_images else here,
        "ip_adapter": "" if method.weighs_images else here,
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
        hint = "use a method that reads pictures"
        raise ParameterError(expected, f"method {study.method}, which reads latents", hint)


def _require_size(images: Mapping[int, Image.Image], size: tuple[int, int]) -> None:
    """ParameterError if a picture is not one that the model could have made."""
    for position, image in images.items():
        if (image.mode, image.size) != ("RGB", size):
            expected = f"a picture from outside in the first pass, at {position}"
            actual = f"{image.mode} {image.size}"
            raise ParameterError(expected, actual, f"give it in RGB, {size[0]} x {size[1]} pixels")
