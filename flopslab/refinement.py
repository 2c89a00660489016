"""What a refined frame starts from and looks at: its neighbours fetched, composed, corrected."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np
from PIL import Image

from flopslab import compositing, corrections
from flopslab.compositing import METHODS, Context, Neighbour
from flopslab.params import Study


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
    return _correct(study, frames, position, made)


def _correct(study: Study, frames: Frames, position: int, made: Context) -> Context:
    """The context with the colours of the first pass and with detail, as far as asked for."""
    share, match, detail = study.colour_anchor, study.colour_match, study.detail
    init, latents = made.init, made.latents
    if share and init is not None:
        init = corrections.anchor_image(init, frames.image(1, position), match, share)
    if share and latents is not None:
        latents = corrections.anchor_latents(latents, frames.latents(1, position), match, share)
    if detail and init is not None:
        init = corrections.sharpen_image(init, detail)
    if detail and latents is not None:
        latents = corrections.sharpen_latents(latents, detail)
    return replace(made, init=init, latents=latents)
