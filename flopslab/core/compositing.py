"""How the frames of an image window enter a new frame. Pure: frames in, a context out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isqrt
from typing import Protocol, TypeVar

import numpy as np
from PIL import Image

from flopslab.colour import from_linear, to_linear
from flopslab.core.study import MethodName
from flopslab.errors import ParameterError

Size = tuple[int, int]  # (width, height) in pixels
View = TypeVar("View", Image.Image, np.ndarray)


def _make(_: str, make: Callable[[], View]) -> View:
    return make()


class Keep(Protocol):
    """Returns what `make` returns, from memory if this frame's `name` was made before."""

    def __call__(self, name: str, make: Callable[[], View], /) -> View: ...


@dataclass(frozen=True, slots=True, eq=False)
class Neighbour:
    """An RGB frame of the previous pass, `offset` positions from the frame to be made.

    `weight` is its share among all neighbours; `latents` are what it was decoded from, float32
    [channels, height, width], where a method needs them. `keep` may keep what is derived from the
    frame, because many frames look at it.
    """

    offset: int
    image: Image.Image
    weight: float = 0.0
    latents: np.ndarray | None = None
    keep: Keep = _make

    def scaled(self, size: Size) -> Image.Image:
        """The frame in this size, by Lanczos."""
        if self.image.size == size:
            return self.image
        name = f"scaled to {size[0]} x {size[1]}"
        return self.keep(name, lambda: self.image.resize(size, Image.Resampling.LANCZOS))

    def light(self, size: Size) -> np.ndarray:
        """The frame's linear light in this size: [height, width, 3], float32 in [0, 1]."""
        name = f"light of {size[0]} x {size[1]}"
        return self.keep(name, lambda: to_linear(self.scaled(size)))


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

    compose: Callable[[Sequence[Neighbour], Size], Context]
    summary: str
    weighs_neighbours: bool = True  # whether `distance_weights` has a meaning
    weighs_images: bool = False  # whether `image_weight` has one
    takes_latents: bool = False  # whether it reads the neighbours' latents


def compose(
    method: MethodName,
    neighbours: Sequence[Neighbour],
    size: Size,
    strength: float = 0.5,
    image_weight: float = 0.5,
) -> Context:
    """The context that the neighbours give a frame of `size` (width, height).

    No neighbours: an empty context. One: that frame. At `strength` 1 a frame starts from noise
    alone. Where images are looked at, an `image_weight` of 0 leaves them out.
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
    if strength == 1:
        context = Context(references=context.references)
    references = context.references if image_weight else ()
    return replace(context, references=references, image_weight=image_weight * bool(references))


def grid_layout(count: int) -> tuple[int, int]:
    """(columns, rows) of the grid that holds `count` >= 1 images: ceil(sqrt(count)) columns."""
    columns = isqrt(count - 1) + 1
    return columns, -(-count // columns)


def cell_size(count: int, size: Size) -> Size:
    """(width, height) to which `count` images are scaled for a grid of `size`, rounded up."""
    columns, rows = grid_layout(count)
    return -(-size[0] // columns), -(-size[1] // rows)


def montage(cells: Sequence[Image.Image], size: Size) -> Image.Image:
    """The cells row by row without gaps on an image of `size`, black where cells are left over.

    The cells have the size that `cell_size` gives. Where it does not divide the image's, column i
    of n begins at floor(i * width / n), and a cell loses what stands over its right and lower edge:
    a line of pixels at most. With room for whole cells, these are the pixels of ImageMagick's
    `montage -tile COLSx -geometry +0+0 -background black`.
    """
    columns, rows = grid_layout(len(cells))
    left = [index * size[0] // columns for index in range(columns + 1)]
    top = [index * size[1] // rows for index in range(rows + 1)]
    canvas = Image.new("RGB", size)
    for index, cell in enumerate(cells):
        row, column = divmod(index, columns)
        extent = left[column + 1] - left[column], top[row + 1] - top[row]
        canvas.paste(cell.crop((0, 0, *extent)), (left[column], top[row]))
    return canvas


def grid(neighbours: Sequence[Neighbour], size: Size) -> Context:
    """An init image that shows all neighbours side by side."""
    cell = cell_size(len(neighbours), size)
    return Context(init=montage([neighbour.scaled(cell) for neighbour in neighbours], size))


def blend(neighbours: Sequence[Neighbour], size: Size) -> Context:
    """An init image that is the weighted mean of the neighbours' light."""
    weights = [neighbour.weight for neighbour in neighbours]
    light = _weighted_sum(weights, [neighbour.light(size) for neighbour in neighbours])
    return Context(init=from_linear(light))


def latent(neighbours: Sequence[Neighbour], size: Size) -> Context:
    """Latents to start from: the weighted mean of the neighbours', with their variance."""
    stack = [neighbour.latents for neighbour in neighbours if neighbour.latents is not None]
    if len(stack) < len(neighbours):
        hint = "give every neighbour the latents that it was decoded from"
        raise ParameterError("a mean in latent space", "neighbours without latents", hint)
    if len(stack) == 1:
        return Context(latents=stack[0])
    weights = [neighbour.weight for neighbour in neighbours]
    return Context(latents=mean_latents(stack, weights))


def mean_latents(stack: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """The mean of n latents [channels, height, width] with weights of sum 1, its spread restored.

    The mean of n independent latents of unit variance has the standard deviation
    s = sqrt(sum w_i^2) < 1, which a denoiser reads as haze; Bodin et al., "Linear combinations of
    latents in generative models" (2024), divide by it. Neighbours resemble each other, so that
    less is lost: each channel's deviation from its mean is enlarged until its standard deviation
    is the weighted mean of the neighbours' own (statistics matched as by Huang and Belongie,
    AdaIN, 2017), and at most by 1 / s. Equal latents stay as they are.
    """
    mean = _weighted_sum(weights, stack)
    spread = sum(w * _spread(latents) for w, latents in zip(weights, stack, strict=True))
    most = 1 / np.sqrt(np.square(weights).sum())
    actual = _spread(mean)
    gain = np.divide(spread, actual, out=np.ones_like(actual), where=actual > 0)
    centre = mean.mean(axis=(1, 2), keepdims=True)
    return centre + (mean - centre) * np.minimum(gain, most).astype(np.float32)


def ip_adapter(neighbours: Sequence[Neighbour], size: Size) -> Context:
    """All neighbours to look at, each by its weight, and the frame's own predecessor to start."""
    predecessors = (item.scaled(size) for item in neighbours if item.offset == 0)
    references = tuple((item.image, item.weight) for item in neighbours)
    return Context(next(predecessors, None), references)


def _weighted_sum(weights: Sequence[float], stack: Sequence[np.ndarray]) -> np.ndarray:
    """The sum of weight * values, float32, summed in order: it repeats bit by bit."""
    total = np.multiply(stack[0], weights[0], dtype=np.float32)
    product = np.empty_like(total)
    for weight, values in zip(weights[1:], stack[1:], strict=True):
        total += np.multiply(values, weight, out=product, casting="same_kind")
    return total


def _spread(latents: np.ndarray) -> np.ndarray:
    """The standard deviation of each channel: [channels, 1, 1], float32."""
    return latents.std(axis=(1, 2), keepdims=True, dtype=np.float32)


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
