"""How the frames of an image window enter a new frame. Pure: frames in, a context out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
from PIL import Image

from flopslab.core.study import MethodName
from flopslab.errors import ParameterError


@dataclass(frozen=True, slots=True, eq=False)
class Neighbour:
    """An RGB frame of the previous pass, `offset` positions from the frame to be made.

    `weight` is its share among all neighbours; `latents` are what it was decoded from, float32
    [channels, height, width], where a method needs them.
    """

    offset: int
    image: Image.Image
    weight: float = 0.0
    latents: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a frame starts from (`init` or `latents`) and looks at (`references`).

    The references' weights share one whole; `image_weight` in [0, 1] is what they weigh together
    against the words. All empty: text to image.
    """

    init: Image.Image | None = None
    references: tuple[tuple[Image.Image, float], ...] = ()
    image_weight: float = 0.0
    latents: np.ndarray | None = None  # float32 [channels, height, width], scaled for the denoiser


@dataclass(frozen=True, slots=True)
class Method:
    """One way to make a context: a row of `METHODS`.

    `compose` takes one neighbour or more, in sequence order, and the model's (width, height).
    """

    compose: Callable[[Sequence[Neighbour], tuple[int, int]], Context]
    summary: str
    weighs_neighbours: bool = True  # whether `distance_weights` has a meaning
    weighs_images: bool = False  # whether `image_weight` has one
    takes_latents: bool = False  # whether it reads the neighbours' latents


def compose(
    method: MethodName,
    neighbours: Sequence[Neighbour],
    size: tuple[int, int],
    strength: float = 0.5,
    image_weight: float = 0.5,
) -> Context:
    """The context that the neighbours give a frame of `size` (width, height).

    No neighbours: an empty context. One: that frame. Where images are looked at, a frame of
    `strength` 1 starts from noise, and an `image_weight` of 0 leaves them out.
    """
    if method not in METHODS:
        raise ParameterError(
            "a context from neighbours", f"method = {method!r}", f"use one of {', '.join(METHODS)}"
        )
    if not neighbours:
        return Context()
    sizes = {neighbour.image.size for neighbour in neighbours}
    if len(sizes) > 1:
        hint = "give frames of one pass, which all have one size"
        raise ParameterError("a context from neighbours", f"images of sizes {sizes}", hint)
    in_order = sorted(neighbours, key=lambda neighbour: neighbour.offset)
    context = METHODS[method].compose(in_order, size)
    if not context.references:
        return context
    start = context.init if strength < 1 else None
    return Context(start, context.references, image_weight) if image_weight else Context(start)


def grid_layout(count: int) -> tuple[int, int]:
    """(columns, rows) of the grid that holds `count` >= 1 images: ceil(sqrt(count)) columns."""
    columns = isqrt(count - 1) + 1
    return columns, -(-count // columns)


def montage(images: Sequence[Image.Image]) -> Image.Image:
    """The images row by row without gaps, black where cells are left over, unscaled.

    The same pixels as ImageMagick's `montage -tile COLSx -geometry +0+0 -background black` on
    images of one size.
    """
    columns, rows = grid_layout(len(images))
    width, height = images[0].size
    canvas = Image.new("RGB", (columns * width, rows * height))
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        canvas.paste(image, (column * width, row * height))
    return canvas


def grid(neighbours: Sequence[Neighbour], size: tuple[int, int]) -> Context:
    """An init image that shows all neighbours side by side."""
    sheet = montage([neighbour.image for neighbour in neighbours])
    return Context(init=_fit(sheet, size))


def blend(neighbours: Sequence[Neighbour], size: tuple[int, int]) -> Context:
    """An init image that is the weighted mean of the neighbours' light."""
    light = np.zeros((size[1], size[0], 3), dtype=np.float32)
    for neighbour in neighbours:  # in order: repeats bit by bit
        light += np.float32(neighbour.weight) * to_linear(_fit(neighbour.image, size))
    return Context(init=from_linear(light))


def latent(neighbours: Sequence[Neighbour], size: tuple[int, int]) -> Context:
    """Latents to start from: the weighted mean of the neighbours', with their variance."""
    stack = [neighbour.latents for neighbour in neighbours if neighbour.latents is not None]
    if len(stack) < len(neighbours):
        hint = "give every neighbour the latents that it was decoded from"
        raise ParameterError("a mean in latent space", "neighbours without latents", hint)
    if len(stack) == 1:
        return Context(latents=stack[0])
    weights = [neighbour.weight for neighbour in neighbours]
    return Context(latents=mean_latents(np.stack(stack), weights))


def mean_latents(stack: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """The mean of latents [n, channels, height, width] with weights of sum 1, its spread restored.

    The mean of n independent latents of unit variance has the standard deviation
    s = sqrt(sum w_i^2) < 1, which a denoiser reads as haze; Bodin et al., "Linear combinations of
    latents in generative models" (2024), divide by it. Neighbours resemble each other, so that
    less is lost: each channel's deviation from its mean is enlarged until its standard deviation
    is the weighted mean of the neighbours' own (statistics matched as by Huang and Belongie,
    AdaIN, 2017), and at most by 1 / s. Equal latents stay as they are.
    """
    mean, spread = np.zeros(stack.shape[1:]), np.zeros((stack.shape[1], 1, 1))
    for weight, latents in zip(weights, stack, strict=True):
        mean = mean + weight * latents.astype(np.float64)
        spread = spread + weight * _spread(latents)
    most = 1 / np.sqrt(np.square(weights).sum())
    gain = np.divide(spread, _spread(mean), out=np.ones_like(spread), where=_spread(mean) > 0)
    centre = mean.mean(axis=(1, 2), keepdims=True)
    return (centre + (mean - centre) * np.minimum(gain, most)).astype(np.float32)


def ip_adapter(neighbours: Sequence[Neighbour], size: tuple[int, int]) -> Context:
    """All neighbours to look at, each by its weight, and the frame's own predecessor to start."""
    predecessors = (_fit(item.image, size) for item in neighbours if item.offset == 0)
    references = tuple((item.image, item.weight) for item in neighbours)
    return Context(next(predecessors, None), references)


def to_linear(image: Image.Image) -> np.ndarray:
    """Linear light of an sRGB image: [height, width, 3], float32 in [0, 1] (IEC 61966-2-1)."""
    return _LIGHT[np.asarray(image.convert("RGB"))]


def from_linear(light: np.ndarray) -> Image.Image:
    """The sRGB image of linear light in [0, 1], the inverse of `to_linear`."""
    low, high = 12.92 * light, 1.055 * light ** np.float32(1 / 2.4) - 0.055
    encoded = np.where(light <= 0.0031308, low, high)
    return Image.fromarray((encoded * 255).round().clip(0, 255).astype(np.uint8))


def _light_of_levels() -> np.ndarray:
    level = np.arange(256) / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


_LIGHT = _light_of_levels().astype(np.float32)


def _fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def _spread(latents: np.ndarray) -> np.ndarray:
    """The standard deviation of each channel: [channels, 1, 1]."""
    return latents.std(axis=(1, 2), keepdims=True, dtype=np.float64)


METHODS: dict[MethodName, Method] = {
    "grid": Method(
        grid,
        "the neighbours, tiled into one image that initialises img2img",
        weighs_neighbours=False,
    ),
    "blend": Method(blend, "the distance-weighted mean of the neighbours, as an init image"),
    "latent": Method(
        latent, "the same mean in latent space, with one frame's variance", takes_latents=True
    ),
    "ip_adapter": Method(
        ip_adapter, "the neighbours as image embeddings beside the words", weighs_images=True
    ),
}
