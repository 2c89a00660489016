"""Around the denoising of a refined frame: what it starts from, and how drift is corrected.

Colours are matched on channels [c, n], whether of CIELAB or of latents.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, cast

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from flopslab.colour import from_lab, to_lab
from flopslab.core import compositing
from flopslab.core.compositing import METHODS, Context, Neighbour, View
from flopslab.core.study import ColourMatch, Study
from flopslab.core.windows import FrameKey
from flopslab.storage.cache import FrameCache

RADIUS = 1  # of the unsharp mask, in pixels or cells of the latents
FLAT = 1e-5  # a standard deviation that is only rounding
QUANTILES = 4096  # that are kept of a distribution
BINS = 65536  # of a histogram
VIEWS, STATISTICS = 512 * 2**20, 64 * 2**20  # bytes in memory: of frames' views, of anchors


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


class Refinement:
    """The refinement of a run: what is derived from its frames is kept in memory, within bounds.

    Several threads may use it at once. The frames of finished keys must not change.
    """

    def __init__(self, study: Study, frames: Frames) -> None:
        self._study, self._frames = study, frames
        self._views: FrameCache[Image.Image | np.ndarray] = FrameCache(VIEWS)
        self._statistics: FrameCache[np.ndarray] = FrameCache(STATISTICS)

    def context_of(self, key: FrameKey, inputs: Sequence[Input]) -> Context:
        """What the frame starts from and looks at; an empty context where there are no inputs."""
        if not inputs:
            return Context()
        neighbours = [self._neighbour(key, entry) for entry in inputs]
        study, size = self._study, neighbours[0].image.size
        strength = study.strength(key.pass_number)
        context = compositing.compose(study.method, neighbours, size, strength, study.image_weight)
        return _sharpen_context(context, study.detail)

    def anchor_colours(
        self, position: int, image: Image.Image, latents: np.ndarray | None
    ) -> tuple[Image.Image, np.ndarray | None]:
        """A refined frame with its colours matched to its pass-1 frame's, by `colour_anchor`.

        Its latents, if there are any, are matched likewise, for the next pass to start from. The
        new frame is corrected, not what it starts from: denoising moves colours further than
        neighbours.
        """
        share, match = self._study.colour_anchor, self._study.colour_match
        if not share:
            return image, latents
        keep, anchor = self._statistics.get_or_make, FrameKey(1, position)
        target = keep(("image", position), lambda: measure_image(self._frames.image(anchor), match))
        image = anchor_image(image, target, match, share)
        if latents is not None:
            target = keep(
                ("latents", position),
                lambda: measure_latents(self._frames.latents(anchor), match),
            )
            latents = anchor_latents(latents, target, match, share)
        return image, latents

    def _neighbour(self, key: FrameKey, entry: Input) -> Neighbour:
        source = FrameKey(key.pass_number - 1, entry.source)
        takes_latents = METHODS[self._study.method].takes_latents
        latents = self._frames.latents(source) if takes_latents else None
        offset = entry.position - key.position
        image = self._frames.image(source)
        return Neighbour(offset, image, entry.weight, latents, partial(self._keep, source))

    def _keep(self, source: FrameKey, name: str, make: Callable[[], View]) -> View:
        return cast("View", self._views.get_or_make((source, name), make))


@dataclass(frozen=True, slots=True)
class ColourMatching:
    """One way to match colours, on channels [c, n] of float32.

    `measure` gives what is matched of the anchor; `match(channels, target)` the channels with it.
    """

    measure: Callable[[np.ndarray], np.ndarray]
    match: Callable[[np.ndarray, np.ndarray], np.ndarray]


def mean_and_spread(channels: np.ndarray) -> np.ndarray:
    """Each channel's mean and standard deviation: [c, 2]."""
    return np.stack([channels.mean(1), channels.std(1)], axis=1)


def reinhard(channels: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The channels with the target's means and standard deviations.

    Reinhard et al., "Color transfer between images" (2001), who do it in a Lab space.
    """
    mean, spread = mean_and_spread(channels).T[:, :, None]
    target_mean, target_spread = target.T[:, :, None]
    gain = np.divide(target_spread, spread, out=np.ones_like(spread), where=spread > FLAT)
    return channels * gain + (target_mean - mean * gain)


def quantiles(channels: np.ndarray) -> np.ndarray:
    """Values of each channel and, in row 0, the share of the channel that is not above: [1 + c, k].

    All of them up to QUANTILES; of more, those, closest at the ends, where values lie far apart.
    """
    count = channels.shape[1]
    places = np.arange(count)
    if count > QUANTILES:
        ramp = (1 - np.cos(np.linspace(0, np.pi, QUANTILES))) / 2
        places = np.unique((ramp * (count - 1)).round().astype(int))
    return np.vstack([(places + 1) / count, np.sort(channels)[:, places]]).astype(np.float32)


def histogram(channels: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The channels with the target's whole distributions, value by value of equal rank."""
    return np.stack(
        [_match_ranks(values, target[0], t) for values, t in zip(channels, target[1:], strict=True)]
    )


def _match_ranks(values: np.ndarray, shares: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Each value becomes the target at its share; values within BINS of the range are one."""
    lowest = values.min()
    scale = (BINS - 1) / max(values.max() - lowest, FLAT)
    bins = ((values - lowest) * scale + np.float32(0.5)).astype(np.uint16)
    ranks = np.bincount(bins, minlength=BINS).cumsum() / values.size
    return np.interp(ranks, shares, target).astype(np.float32).take(bins)


COLOUR_MATCHES: dict[ColourMatch, ColourMatching] = {
    "reinhard": ColourMatching(mean_and_spread, reinhard),
    "histogram": ColourMatching(quantiles, histogram),
}


def measure_image(image: Image.Image, match: ColourMatch) -> np.ndarray:
    """What `anchor_image` needs to know of an anchor, an RGB image."""
    return COLOUR_MATCHES[match].measure(to_lab(image))


def measure_latents(latents: np.ndarray, match: ColourMatch) -> np.ndarray:
    """What `anchor_latents` needs to know of an anchor's latents [channels, height, width]."""
    return COLOUR_MATCHES[match].measure(_channels(latents))


def anchor_image(
    image: Image.Image, target: np.ndarray, match: ColourMatch, share: float
) -> Image.Image:
    """The RGB image with its colours moved towards those of the anchor, in CIELAB.

    `target`: of the anchor, by `measure_image`. `share` in [0, 1]: 0 leaves them, 1 goes all the
    way.
    """
    return from_lab(_matched(to_lab(image), target, match, share), image.size)


def anchor_latents(
    latents: np.ndarray, target: np.ndarray, match: ColourMatch, share: float
) -> np.ndarray:
    """The same in latent space, where a channel's mean and spread carry colour and contrast."""
    return _matched(_channels(latents), target, match, share).reshape(latents.shape)


def sharpen_image(image: Image.Image, amount: float) -> Image.Image:
    """The RGB image plus `amount` times what a blur of one pixel takes away (unsharp mask)."""
    values = _sharpen(np.asarray(image, dtype=np.float32), (0, 1), amount)
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def sharpen_latents(latents: np.ndarray, amount: float) -> np.ndarray:
    """The same on latents [channels, height, width]; the blur is one cell wide."""
    return _sharpen(latents, (1, 2), amount)


def _sharpen_context(context: Context, amount: float) -> Context:
    if amount and context.init is not None:
        return replace(context, init=sharpen_image(context.init, amount))
    if amount and context.latents is not None:
        return replace(context, latents=sharpen_latents(context.latents, amount))
    return context


def _sharpen(values: np.ndarray, axes: tuple[int, int], amount: float) -> np.ndarray:
    blurred = gaussian_filter(values, RADIUS, axes=axes, mode="nearest")
    return values + np.float32(amount) * (values - blurred)


def _matched(
    channels: np.ndarray, target: np.ndarray, match: ColourMatch, share: float
) -> np.ndarray:
    matched = COLOUR_MATCHES[match].match(channels, target)
    return channels + np.float32(share) * (matched - channels)


def _channels(latents: np.ndarray) -> np.ndarray:
    return latents.reshape(len(latents), -1).astype(np.float32)
