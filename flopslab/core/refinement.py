"""Around the denoising of a refined frame: what it starts from, and how drift is corrected.

The corrections work on values [height, width, channels], whether Lab, sRGB or latents.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from PIL import Image
from skimage.color import lab2rgb, rgb2lab
from skimage.exposure import match_histograms
from skimage.filters import gaussian

from flopslab.core import compositing
from flopslab.core.compositing import METHODS, Context, Neighbour
from flopslab.core.study import ColourMatch, Study
from flopslab.core.windows import FrameKey

RADIUS = 1  # of the unsharp mask, in pixels or cells of the latents
FLAT = 1e-6  # a standard deviation that is only rounding


class Frames(Protocol):
    """Where finished frames are found."""

    def image(self, key: FrameKey) -> Image.Image: ...
    def latents(self, key: FrameKey) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class Input:
    """One place in the image window of a refined frame, and whose frame is shown there.

    `position`: of the place. `source`: of the frame, which differs under a control. `weight`: its
    share among all inputs, of sum 1.
    """

    position: int
    source: int
    weight: float


def context_of(study: Study, frames: Frames, key: FrameKey, inputs: Sequence[Input]) -> Context:
    """What the frame starts from and looks at; an empty context where there are no inputs."""
    if not inputs:
        return Context()
    takes_latents = METHODS[study.method].takes_latents
    neighbours = []
    for entry in inputs:
        source = FrameKey(key.pass_number - 1, entry.source)
        latents = frames.latents(source) if takes_latents else None
        offset = entry.position - key.position
        neighbours.append(Neighbour(offset, frames.image(source), entry.weight, latents))
    size, strength = neighbours[0].image.size, study.strength(key.pass_number)
    context = compositing.compose(study.method, neighbours, size, strength, study.image_weight)
    return _sharpen_context(context, study.detail)


def anchor_colours(
    study: Study, frames: Frames, position: int, image: Image.Image, latents: np.ndarray | None
) -> tuple[Image.Image, np.ndarray | None]:
    """A refined frame with its colours matched to those of its pass-1 frame, by `colour_anchor`.

    Its latents, if there are any, are matched likewise, for the next pass to start from. The new
    frame is corrected, not what it starts from: denoising moves colours further than neighbours.
    """
    share, match, anchor = study.colour_anchor, study.colour_match, FrameKey(1, position)
    if not share:
        return image, latents
    image = anchor_image(image, frames.image(anchor), match, share)
    if latents is not None:
        latents = anchor_latents(latents, frames.latents(anchor), match, share)
    return image, latents


def reinhard(values: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """The values with each channel's mean and standard deviation those of the anchor.

    Reinhard et al., "Color transfer between images" (2001), who do it in a Lab space.
    """
    axes = (0, 1)
    mean, spread = values.mean(axes), values.std(axes)
    gain = np.divide(anchor.std(axes), spread, out=np.ones_like(spread), where=spread > FLAT)
    return (values - mean) * gain + anchor.mean(axes)


def histogram(values: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """The values with each channel's whole distribution that of the anchor."""
    return match_histograms(values, anchor, channel_axis=-1)


COLOUR_MATCHES: dict[ColourMatch, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "reinhard": reinhard,
    "histogram": histogram,
}


def anchor_image(
    image: Image.Image, anchor: Image.Image, match: ColourMatch, share: float
) -> Image.Image:
    """The RGB image with its colours moved towards those of the anchor, in CIELAB.

    `share` in [0, 1]: 0 leaves them, 1 goes all the way.
    """
    colours, target = (rgb2lab(np.asarray(picture) / 255) for picture in (image, anchor))
    with warnings.catch_warnings():  # colours beyond sRGB are cut to it
        warnings.simplefilter("ignore", UserWarning)
        return _to_image(lab2rgb(_mix(colours, COLOUR_MATCHES[match](colours, target), share)))


def anchor_latents(
    latents: np.ndarray, anchor: np.ndarray, match: ColourMatch, share: float
) -> np.ndarray:
    """The same in latent space, where a channel's mean and spread carry colour and contrast."""
    values, target = _channels_last(latents), _channels_last(anchor)
    return _channels_first(_mix(values, COLOUR_MATCHES[match](values, target), share))


def sharpen_image(image: Image.Image, amount: float) -> Image.Image:
    """The RGB image plus `amount` times what a blur of one pixel takes away (unsharp mask)."""
    return _to_image(_sharpen(np.asarray(image) / 255, amount))


def sharpen_latents(latents: np.ndarray, amount: float) -> np.ndarray:
    """The same on latents [channels, height, width]; the blur is one cell wide."""
    return _channels_first(_sharpen(_channels_last(latents), amount))


def _sharpen_context(context: Context, amount: float) -> Context:
    if amount and context.init is not None:
        return replace(context, init=sharpen_image(context.init, amount))
    if amount and context.latents is not None:
        return replace(context, latents=sharpen_latents(context.latents, amount))
    return context


def _sharpen(values: np.ndarray, amount: float) -> np.ndarray:
    # scikit-image's unsharp_mask leaves rows unwritten for channel_axis=-1.
    return values + amount * (values - gaussian(values, RADIUS, channel_axis=-1))


def _mix(values: np.ndarray, target: np.ndarray, share: float) -> np.ndarray:
    return values + share * (target - values)


def _channels_last(latents: np.ndarray) -> np.ndarray:
    return np.moveaxis(latents, 0, -1).astype(np.float64)


def _channels_first(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(values, -1, 0), dtype=np.float32)


def _to_image(rgb: np.ndarray) -> Image.Image:
    return Image.fromarray((rgb * 255).round().clip(0, 255).astype(np.uint8))
