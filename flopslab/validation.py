"""What would go wrong in a run is found before its first frame."""

import math
from collections.abc import Mapping

from PIL import Image

from flopslab.core.compositing import METHODS
from flopslab.core.study import Study, steps_run
from flopslab.core.windows import image_reach
from flopslab.errors import ParameterError


def refinement(study: Study, steps: int) -> None:
    """ParameterError if some refinement pass could not do what it is asked for in `steps` steps."""
    _require_steps(study, steps)
    _require_start(study)


def remarks(study: Study, length: int) -> list[str]:
    """What a refinement of `length` words may be asked for, but hardly is on purpose."""
    reach = image_reach(study.context_diameter, study.image_context_multiplier)
    if reach <= length:
        return _idle(study)
    wide = f"images reach {reach} positions, the sequence has {length}"
    return [f"{wide}: every frame looks at all others", *_idle(study)]


def pictures(
    study: Study, given: Mapping[int, Image.Image], frames: range, size: tuple[int, int]
) -> None:
    """ParameterError if the pictures from outside, by position, cannot be frames of pass 1.

    `frames`: the positions of all frames; `size`: theirs in pixels, (width, height).
    """
    _require_places(study, given, frames)
    _require_size(given, size)


def _require_steps(study: Study, steps: int) -> None:
    """ParameterError if a refinement pass would run no step."""
    for strength in (study.strength(number) for number in range(2, study.passes + 1)):
        if steps_run(steps, strength) < 1:
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
        "kernel": "" if method.weighs_neighbours else here,
        "image_weight": "" if method.weighs_images else here,
        "ip_adapter": "" if method.weighs_images else here,
        "colour_match": "" if study.colour_anchor else "without colour_anchor",
    }
    return [
        f"{name} = {getattr(study, name)!r} changes nothing {reason}"
        for name, reason in reasons.items()
        if reason and getattr(study, name) != getattr(default, name)
    ]


def _require_places(study: Study, given: Mapping[int, Image.Image], frames: range) -> None:
    """ParameterError if a picture from outside has no place, or no latents where they count."""
    asked = f"pictures from outside in the first pass, at {sorted(given)}"
    if strangers := [position for position in given if position not in frames]:
        remedy = f"give pictures for some of the {len(frames)} frames"
        raise ParameterError(asked, f"no frame at {strangers}", remedy)
    if given and METHODS[study.method].takes_latents:
        remedy = "use a method that reads pictures"
        raise ParameterError(asked, f"method {study.method}, which reads latents", remedy)


def _require_size(given: Mapping[int, Image.Image], size: tuple[int, int]) -> None:
    """ParameterError if a picture from outside is not one that the model could have made."""
    for position, image in given.items():
        if (image.mode, image.size) != ("RGB", size):
            asked = f"a picture from outside in the first pass, at {position}"
            found = f"{image.mode} {image.size}"
            raise ParameterError(asked, found, f"give it in RGB, {size[0]} x {size[1]} pixels")
