"""sRGB, linear light and CIELAB, in float32 and by tables.

Formulas: IEC 61966-2-1 (sRGB), ITU-R BT.709 (its primaries), CIE 15 (CIELAB), white D65. The
constants are those of scikit-image, whose conversions in float64 cost fifteen times as much. Only
element by element operations: the same bits for any number of threads.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

STEPS = 65535  # of a table over [0, 1]: finer than a twentieth of a level of 255, even in the dark

_WHITE = np.array([0.95047, 1.0, 1.08883])
_XYZ_OF_RGB = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_TO_XYZ = (_XYZ_OF_RGB / _WHITE[:, None]).astype(np.float32)  # of light, relative to white
_FROM_XYZ = (np.linalg.inv(_XYZ_OF_RGB) * _WHITE).astype(np.float32)
_DARK = 6 / 29  # below it, CIELAB's cube root is a straight line
_SLOPE, _INTERCEPT = 7.787, 16 / 116


def flat_share(image: Image.Image) -> tuple[float, tuple[int, ...]]:
    """The share of the pixels of an RGB image that have the most frequent colour, and this colour.

    (0, ()) where no colour has more than a third of the pixels.
    """
    counts, third = image.histogram(), image.width * image.height / 3
    if any(max(counts[start : start + 256]) <= third for start in (0, 256, 512)):
        return 0.0, ()  # no level of a channel is frequent enough
    pixels = np.asarray(image).reshape(-1, 3)
    values = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    thirds = [len(values) // 3, 2 * len(values) // 3]  # in order, more than a third covers one
    candidates = np.partition(values, thirds)[thirds]
    share, value = max((np.mean(values == value), value) for value in candidates)
    colour = int(value) >> 16, int(value) >> 8 & 255, int(value) & 255
    return (float(share), colour) if share > 1 / 3 else (0.0, ())


def to_linear(image: Image.Image) -> np.ndarray:
    """Linear light of an sRGB image: [height, width, 3], float32 in [0, 1] (IEC 61966-2-1)."""
    return _LIGHT.take(np.asarray(image.convert("RGB")))


def from_linear(light: np.ndarray) -> Image.Image:
    """The sRGB image of linear light in [0, 1], the inverse of `to_linear`."""
    return Image.fromarray(_levels(light))


def to_lab(image: Image.Image) -> np.ndarray:
    """CIELAB of an sRGB image: L, a, b as [3, height * width], float32."""
    pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    light = [_LIGHT.take(pixels[:, channel]) for channel in range(3)]
    x, y, z = (_roots(_weighted_sum(row, light)) for row in _TO_XYZ)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def from_lab(lab: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """The sRGB image of `size` (width, height) of CIELAB [3, n]; colours beyond sRGB are cut."""
    lightness, a, b = lab
    y = (lightness + 16) / 116
    z = np.maximum(y - b / 200, 0)  # no light has a negative Z
    xyz = [_cubes(root) for root in (y + a / 500, y, z)]
    pixels = np.empty((len(y), 3), dtype=np.uint8)
    for channel, row in enumerate(_FROM_XYZ):
        pixels[:, channel] = _levels(_weighted_sum(row, xyz))
    return Image.fromarray(pixels.reshape(size[1], size[0], 3))


def _levels(light: np.ndarray) -> np.ndarray:
    """Whole levels of light; what is beyond [0, 1] is cut."""
    return _LEVELS.take((light.clip(0, 1) * np.float32(STEPS) + np.float32(0.5)).astype(np.uint16))


def _weighted_sum(weights: np.ndarray, planes: Sequence[np.ndarray]) -> np.ndarray:
    total = weights[0] * planes[0]
    for weight, plane in zip(weights[1:], planes[1:], strict=True):
        total += weight * plane
    return total


def _roots(values: np.ndarray) -> np.ndarray:
    """CIELAB's cube roots, interpolated: a histogram tells apart the colours of an even sky."""
    places = values * np.float32(STEPS)
    steps = places.astype(np.uint16)
    places -= steps
    return _ROOTS.take(steps) + places * _RISES.take(steps)


def _cubes(roots: np.ndarray) -> np.ndarray:
    line = (roots - np.float32(_INTERCEPT)) / np.float32(_SLOPE)
    return np.where(roots > _DARK, roots * roots * roots, line)


def _light_of(levels: np.ndarray) -> np.ndarray:
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def _levels_of(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _roots_of(values: np.ndarray) -> np.ndarray:
    return np.where(values > _DARK**3, np.cbrt(values), _SLOPE * values + _INTERCEPT)


_UNIT = np.arange(STEPS + 1) / STEPS
_LIGHT = _light_of(np.arange(256) / 255).astype(np.float32)
_LEVELS = (_levels_of(_UNIT) * 255).round().astype(np.uint8)
_ROOTS = _roots_of(_UNIT).astype(np.float32)
_RISES = np.diff(_roots_of(_UNIT), append=1.0).astype(np.float32)
