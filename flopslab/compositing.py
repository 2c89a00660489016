"""How the frames of an image window enter a new frame. Pure: images in, images out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
from PIL import Image

from flopslab.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An RGB frame of the previous pass, `offset` positions from the frame to be made."""

    offset: int
    image: Image.Image


@dataclass(frozen=True, slots=True)
class Context:
    """What a frame starts from (`init`) and looks at (`references` with weights).

    Both empty: text to image.
    """

    init: Image.Image | None = None
    references: tuple[tuple[Image.Image, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Method:
    """One way to make a context: a row of `METHODS`.

    `compose` takes one neighbour or more, in sequence order, and the model's (width, height).
    `weighs_images` says whether `image_weight` has a meaning for it.
    """

    compose: Callable[[Sequence[Neighbour], tuple[int, int]], Context]
    summary: str
    weighs_images: bool


def compose(method: str, neighbours: Sequence[Neighbour], size: tuple[int, int]) -> Context:
    """The context that the neighbours give a frame of `size` (width, height).

    No neighbours: an empty context. One: that frame, with every method that makes an init image.
    """
    if method not in METHODS:
        raise ParameterError(
            "a context from neighbours", f"method = {method!r}", f"use one of {', '.join(METHODS)}"
        )
    if not neighbours:
        return Context()
    sizes = {neighbour.image.size for neighbour in neighbours}
    if len(sizes) > 1:
        remedy = "give frames of one pass, which all have one size"
        raise ParameterError("a context from neighbours", f"images of sizes {sizes}", remedy)
    in_order = sorted(neighbours, key=lambda neighbour: neighbour.offset)
    return METHODS[method].compose(in_order, size)


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


def triangle(offsets: Sequence[int]) -> np.ndarray:
    """Weights (float32, sum 1) that fall linearly with distance, to 0 just beyond the farthest."""
    distance = np.abs(np.asarray(offsets, dtype=np.float32))
    weights = distance.max() + 1 - distance
    return weights / weights.sum()


def blend(neighbours: Sequence[Neighbour], size: tuple[int, int]) -> Context:
    """An init image that is the mean of the neighbours' light, near ones counting more."""
    weights = triangle([neighbour.offset for neighbour in neighbours])
    light = np.zeros((size[1], size[0], 3), dtype=np.float32)
    for weight, neighbour in zip(weights, neighbours, strict=True):  # in order: repeats bit by bit
        light += weight * to_linear(_fit(neighbour.image, size))
    return Context(init=from_linear(light))


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


METHODS: dict[str, Method] = {
    "grid": Method(grid, "the neighbours side by side, as one image to start from", False),
    "blend": Method(blend, "the neighbours' distance-weighted mean, to start from", False),
}
