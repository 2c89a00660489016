"""What lies behind the motifs: sky and hills in the colours, light and texture of the words."""

from collections.abc import Sequence
from functools import cache
from math import pi
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from training.palettes import Palette
from training.pen import BLACK, Cell
from training.vocabulary import Meaning

_GRID = 32  # columns and rows in which the colours are mixed
_PHASES = (pi / 3, pi, 5 * pi / 3)  # of the line of hills, drawn by chance
_WAVES = 6.5  # radians of that line from left to right
_X, _Y = ((np.mgrid[:_GRID, :_GRID][i] + 0.5).astype(np.float32) / _GRID for i in (1, 0))


class Placed(NamedTuple):
    """A word's meaning, its cell, and its weight."""

    what: Meaning
    cell: Cell
    weight: float


def backdrop(
    placed: Sequence[Placed], horizon: float, size: int, random: np.random.Generator
) -> Image.Image:
    """Sky, far hills and near ground, RGB of size x size; each word colours what is near it."""
    placed = placed or [_nobody()]
    near = np.stack([_nearness(p) for p in placed])
    near = 0.9 * near / near.sum(0) + 0.1 / len(placed)
    brush = _brush(random)
    layers = np.stack([_layers(p, horizon, brush) for p in placed])  # [words, 3, y, x, rgb]
    mixed = np.einsum("nyx,nlyxc->lyxc", near, layers) * _vignette()
    sky, far, ground = (_enlarged(layer, size) for layer in mixed)
    for hills, height, rise in ((far, horizon - 0.05, 0.05), (ground, horizon + 0.06, 0.03)):
        shadow, mask = _ridge(height, rise, size, random)
        box = shadow.getbbox()
        sky.paste(BLACK, box, shadow.crop(box))
        sky.paste(hills.crop(box), box, mask.crop(box))
    return sky


@cache
def _nobody() -> Placed:
    grey = Palette((108, 112, 124), (172, 172, 176), (74, 74, 82), (0, 0, 0), (255, 255, 255))
    return Placed(Meaning("", grey, "misty", "low", 0.0, "anywhere"), Cell(0.0, 0.0, 1.0, 1.0), 1.0)


def _nearness(placed: Placed) -> np.ndarray:
    """How much a word colours each place, [y, x]: most in its cell."""
    x, y = placed.cell.middle
    across, down = 0.5 * placed.cell.width, 0.5 * placed.cell.height
    return placed.weight * np.exp(-(((_X - x) / across) ** 2) - ((_Y - y) / down) ** 2) + 1e-4


def _layers(placed: Placed, horizon: float, brush: np.ndarray) -> np.ndarray:
    """The sky, the far hills and the near ground as one word alone would have them."""
    what = placed.what
    colours = np.array(what.palette, np.float32)
    sky, haze, ground, _, light = colours
    height = np.clip(_Y / horizon, 0, 1) ** 1.2
    if what.texture == "paper":  # cut in bands
        height = np.floor(height * 5) / 4.5
    depth = np.clip((_Y - horizon) / (1 - horizon + 0.05), 0, 1)[..., None]
    layers = np.stack(
        [
            sky + (haze - sky) * height[..., None],
            ground + (haze - ground) * (0.5 - 0.3 * depth),
            ground * (1 - 0.35 * depth),
        ]
    )
    lit, shade = _light(what.light, placed.cell.middle, horizon)
    strength = np.array([1, 0.6, 0.4], np.float32)[:, None, None, None]
    layers += (light - layers) * strength * lit[..., None]
    layers *= 1 - shade[..., None]
    if what.texture == "misty":
        veil = 0.55 * np.exp(-(((_Y - horizon) / 0.13) ** 2))[..., None]
        layers += (0.6 * haze + 0.4 * light - layers) * veil
    if what.texture == "brushed":
        layers += brush
    return layers


def _light(kind: str, middle: tuple[float, float], horizon: float) -> tuple[np.ndarray, ...]:
    """How far each place [y, x] is drawn to the light, and how far it is darkened."""
    x, y = middle
    none = np.zeros_like(_X)
    if kind == "day":  # from above
        return 0.3 * np.clip(1 - np.hypot(_X - 0.3, _Y + 0.1) / 0.9, 0, 1), none
    if kind == "low":  # from the horizon
        return 0.55 * np.exp(-(((_X - x) / 0.4) ** 2) - ((_Y - horizon) / 0.2) ** 2), none
    if kind == "glow":  # from the figure
        return 0.32 * np.exp(-(((_X - x) ** 2 + (_Y - y) ** 2) / 0.1)), none
    if kind == "backlit":  # from behind: a bright band, the ground dark
        return 0.45 * np.exp(-(((_Y - horizon) / 0.15) ** 2)), 0.4 * np.greater(_Y, horizon)
    return none, 0.35 * np.clip(np.hypot(_X - x, _Y - y - 0.1) - 0.25, 0, 1)  # night


@cache
def _vignette() -> np.ndarray:
    return (1.04 - 0.3 * ((_X - 0.5) ** 2 + (_Y - 0.5) ** 2))[..., None]


def _brush(random: np.random.Generator) -> np.ndarray:
    """Broad uneven strokes across, [y, x, 1]."""
    strokes = Image.fromarray(random.normal(0, 11, (7, 3)).astype(np.float32))
    return np.asarray(strokes.resize((_GRID, _GRID), Image.Resampling.BICUBIC))[..., None]


def _enlarged(colours: np.ndarray, size: int) -> Image.Image:
    picture = Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))
    smooth = picture.resize((size // 2, size // 2), Image.Resampling.BICUBIC)
    return smooth.resize(
        (size, size), Image.Resampling.NEAREST
    )  # nothing here is finer, and it is faster


def _ridge(
    height: float, rise: float, size: int, random: np.random.Generator
) -> tuple[Image.Image, Image.Image]:
    """Masks of a line of gentle hills: its soft shadow on what lies behind, and all below it."""
    x = np.linspace(0, 1, 25)
    phase = float(random.choice(_PHASES))
    y = height + rise * np.sin(phase + _WAVES * x)

    def below(mask: Image.Image, up: float, fill: int) -> None:
        line = zip((x * size).tolist(), ((y - up) * size).tolist(), strict=True)
        ImageDraw.Draw(mask).polygon([*line, (size, size), (0, size)], fill=fill)

    shadow, mask = (Image.new("L", (size, size)) for _ in range(2))
    for step in range(4):
        below(shadow, 0.03 - 0.0075 * step, 11 * (step + 1))
    below(mask, 0.0, 255)
    return shadow, mask
