"""The painter: words with weights in, one composed picture out.

A scene is a panorama. Words whose motif belongs to the sky share the upper part from left to
right in the order of the prompt, words of the ground the lower part, those of the middle the
space between; within its zone a word gets a strip as wide as its share of the weight. Sky
and ground take the colours of the words, flowing into each other.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from flopslab.tiny.motifs import MOTIFS, ZONES
from flopslab.tiny.palettes import TINTS, Palette, tinted
from flopslab.tiny.pen import Pen
from flopslab.tiny.vocabulary import Meaning, meaning

SIZE = 128  # pixels of a finished picture
_DETAIL = 2  # painted this much larger, then reduced: smooth edges
_GROUND = 32  # columns and rows in which the background colours are mixed


def paint(
    words: Sequence[tuple[str, float]], random: np.random.Generator, tint: str = ""
) -> Image.Image:
    """An RGB picture of SIZE x SIZE for (word, weight) pairs; no words give an empty dusk.

    `tint` is a basic colour term that tones the whole picture. Everything that the words leave
    open (places, sizes, the horizon) is drawn from `random`.
    """
    meanings = [(meaning(word), weight) for word, weight in words]
    if tint:
        meanings = [
            (replace(what, palette=tinted(what.palette, TINTS[tint])), w) for what, w in meanings
        ]
    horizon = float(random.uniform(0.54, 0.66)) if _has(meanings, "ground") else 0.84
    canvas = _background(meanings, horizon, random)
    draw = ImageDraw.Draw(canvas)
    for zone in ("sky", "middle", "ground"):
        for what, left, right in _strips([m for m in meanings if ZONES[m[0].motif] == zone]):
            pen = Pen(canvas, draw, random, what.palette, left, right, horizon, what.energy)
            MOTIFS[what.motif](pen)
    return canvas.reduce(_DETAIL)


def _has(meanings: Sequence[tuple[Meaning, float]], zone: str) -> bool:
    return any(ZONES[what.motif] == zone for what, _ in meanings)


def _strips(meanings: Sequence[tuple[Meaning, float]]) -> list[tuple[Meaning, float, float]]:
    """Each meaning with its strip from left to right, as wide as its share of the weight."""
    edges = np.cumsum([0.0] + [weight for _, weight in meanings])
    edges = edges / edges[-1] if meanings else edges
    return [
        (what, float(a), float(b))
        for (what, _), a, b in zip(meanings, edges, edges[1:], strict=False)
    ]


def _background(
    meanings: Sequence[tuple[Meaning, float]], horizon: float, random: np.random.Generator
) -> Image.Image:
    """Sky and ground in the colours of the words, with broad uneven brushwork."""
    everyone = meanings or [(_nobody(), 1.0)]
    over = [m for m in meanings if ZONES[m[0].motif] != "ground"] or everyone
    under = [m for m in meanings if ZONES[m[0].motif] == "ground"] or everyone
    y = (np.arange(_GROUND) + 0.5)[:, None, None] / _GROUND
    sky = _between(_across(over, "sky"), _across(over, "haze"), np.clip(y / horizon, 0, 1) ** 1.3)
    low = _across(under, "ground")
    ground = _between(low, 0.7 * low, np.clip((y - horizon) / (1 - horizon), 0, 1))
    edge = np.clip((y - horizon) * _GROUND / 1.5 + 0.5, 0, 1)
    brush = random.normal(0, 5, (7, 7, 1)).astype(np.float32)
    picture = _between(sky, ground, edge)
    size = (SIZE * _DETAIL, SIZE * _DETAIL)
    stroke = np.asarray(Image.fromarray(brush[..., 0]).resize((_GROUND, _GROUND), Image.BICUBIC))
    picture = np.clip(picture + stroke[..., None], 0, 255).astype(np.uint8)
    return Image.fromarray(picture).resize(size, Image.BICUBIC)


def _across(meanings: Sequence[tuple[Meaning, float]], part: str) -> np.ndarray:
    """One colour of the palettes from left to right, [1, columns, 3], each over its strip."""
    x = (np.arange(_GROUND) + 0.5) / _GROUND
    strips = _strips(meanings)
    centres = [(left + right) / 2 for _, left, right in strips]
    colours = np.array([getattr(what.palette, part) for what, _, _ in strips], dtype=float)
    return np.stack([np.interp(x, centres, colours[:, c]) for c in range(3)], axis=-1)[None]


def _between(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    return a + (b - a) * share


@cache
def _nobody() -> Meaning:
    grey = Palette((108, 112, 124), (172, 172, 176), (74, 74, 82), (0, 0, 0), (255, 255, 255))
    return Meaning("", grey, 0.0)
