"""Against drift over the passes: colours led back, detail sharpened. Pure.

Works on values [height, width, channels], whether Lab, sRGB or latents.
"""

import warnings
from collections.abc import Callable

import numpy as np
from PIL import Image
from skimage.color import lab2rgb, rgb2lab
from skimage.exposure import match_histograms
from skimage.filters import gaussian

RADIUS = 1  # of the unsharp mask, in pixels or cells of the latents
FLAT = 1e-6  # a standard deviation that is only rounding


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


MATCHES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "reinhard": reinhard,
    "histogram": histogram,
}


def anchor_image(image: Image.Image, anchor: Image.Image, match: str, share: float) -> Image.Image:
    """The RGB image with its colours led towards those of the anchor, in CIELAB.

    `match`: one of `MATCHES`. `share` in [0, 1]: 0 leaves them, 1 goes all the way.
    """
    colours, target = (rgb2lab(np.asarray(each) / 255) for each in (image, anchor))
    with warnings.catch_warnings():  # colours beyond sRGB are cut to it
        warnings.simplefilter("ignore", UserWarning)
        return _image(lab2rgb(_mix(colours, MATCHES[match](colours, target), share)))


def anchor_latents(latents: np.ndarray, anchor: np.ndarray, match: str, share: float) -> np.ndarray:
    """The same in latent space, where a channel's mean and spread carry colour and contrast."""
    values, target = _last(latents), _last(anchor)
    return _first(_mix(values, MATCHES[match](values, target), share))


def sharpen_image(image: Image.Image, amount: float) -> Image.Image:
    """The RGB image plus `amount` times what a blur of one pixel takes away (unsharp mask)."""
    return _image(_sharpen(np.asarray(image) / 255, amount))


def sharpen_latents(latents: np.ndarray, amount: float) -> np.ndarray:
    """The same on latents [channels, height, width]; the blur is one cell wide."""
    return _first(_sharpen(_last(latents), amount))


def _sharpen(values: np.ndarray, amount: float) -> np.ndarray:
    # scikit-image's unsharp_mask leaves rows unwritten for channel_axis=-1.
    return values + amount * (values - gaussian(values, RADIUS, channel_axis=-1))


def _mix(values: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    return values + share * (other - values)


def _last(latents: np.ndarray) -> np.ndarray:
    return np.moveaxis(latents, 0, -1).astype(np.float64)


def _first(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(values, -1, 0), dtype=np.float32)


def _image(rgb: np.ndarray) -> Image.Image:
    return Image.fromarray((rgb * 255).round().clip(0, 255).astype(np.uint8))
