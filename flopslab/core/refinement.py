"""Around the denoising of a refined frame: what it starts from and looks at, how it is led back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np
from PIL import Image

from flopslab.core import compositing, corrections
from flopslab.core.compositing import METHODS, Context, Neighbour
from flopslab.core.study import Study


class Frames(Protocol):
    """Where the frames that are made are found, by pass and position."""

    def image(self, number: int, position: int) -> Image.Image: ...
    def latents(self, number: int, position: int) -> np.ndarray: ...


def context(
    study: Study,
    frames: Frames,
    number: int,
    position: int,
    weights: Mapping[int, float],
    sources: Mapping[int, int] | None = None,
) -> Context:
    """The context of the frame at `position` in pass `number`; in pass 1 an empty one.

    `weights`: of the frames of the pass before that it looks at, by position. `sources`: whose
    frames stand there instead, in a control.
    """
    whose = sources or {p: p for p in weights}
    if not weights:
        return Context()
    takes_latents = METHODS[study.method].takes_latents
    neighbours = [
        Neighbour(
            p - position,
            frames.image(number - 1, whose[p]),
            weight,
            frames.latents(number - 1, whose[p]) if takes_latents else None,
        )
        for p, weight in weights.items()
    ]
    size, strength = neighbours[0].image.size, study.strength(number)
    made = compositing.compose(study.method, neighbours, size, strength, study.image_weight)
    return _sharpened(made, study.detail)


def anchored(
    study: Study, frames: Frames, position: int, image: Image.Image, latents: np.ndarray | None
) -> tuple[Image.Image, np.ndarray | None]:
    """A refined frame, its colours led back to those of the first pass as far as asked for.

    Its latents, if there are any, are led back likewise, for the next pass to start from. It is
    the new frame that is corrected: denoising moves colours further than neighbours do.
    """
    share, match = study.colour_anchor, study.colour_match
    if not share:
        return image, latents
    image = corrections.anchor_image(image, frames.image(1, position), match, share)
    if latents is not None:
        latents = corrections.anchor_latents(latents, frames.latents(1, position), match, share)
    return image, latents


def _sharpened(made: Context, detail: float) -> Context:
    if detail and made.init is not None:
        return replace(made, init=corrections.sharpen_image(made.init, detail))
    if detail and made.latents is not None:
        return replace(made, latents=corrections.sharpen_latents(made.latents, detail))
    return made
