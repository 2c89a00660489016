"""The painter: words with weights in, one composed picture out.

A scene is a panorama of rows: words whose motif belongs to the sky above, those of the ground
below, those of the middle between, from left to right in the order of the prompt. In its row a
word gets a cell as wide as its share of the weight, and a heavier row is higher. More than four
words of a kind stand in two staggered rows, so that a word keeps a quarter of the width. Behind
them lie sky and hills, which take the colours and the light of the words near them.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

import numpy as np
from PIL import Image, ImageDraw

from training.backdrop import Placed, backdrop
from training.motifs import MOTIFS, ZONES
from training.palettes import TINTS, tinted
from training.pen import Cell, Pen
from training.vocabulary import Meaning, meaning

SIZE = 128  # pixels of a finished picture
_DETAIL = 2  # painted this much larger, then reduced: smooth edges
_ABREAST = 4  # words side by side at most
_OVERLAP = 0.035  # how far a cell reaches over its neighbours
_ALONE = {"sky": (0.0, 0.82), "middle": (0.06, 0.94), "ground": (0.16, 1.0)}


def paint(
    words: Sequence[tuple[str, float]], random: np.random.Generator, tint: str = ""
) -> Image.Image:
    """An RGB picture of SIZE x SIZE for (word, weight) pairs; no words give an empty dusk.

    `tint` is a basic colour term that tones the whole picture. Everything that the words leave
    open (places, sizes, the horizon, which way round) is drawn from `random`.
    """
    meanings = [(meaning(word), weight) for word, weight in words]
    if tint:
        meanings = [(_toned(what, tint), weight) for what, weight in meanings]
    rows = _rows(meanings)
    placed = _laid_out(rows, random)
    canvas = backdrop(placed, _horizon(placed, random), SIZE * _DETAIL, random)
    for what in placed:
        canvas = _drawn(canvas, what, random, clip=len(placed) > 1)
    return canvas.reduce(_DETAIL)


def layout(words: Sequence[str]) -> list[Placed]:
    """Every word with its cell as it stands where chance and weights leave it: for teaching."""
    rows = _rows([(meaning(word), 1.0) for word in words])
    return _laid_out(rows, np.random.default_rng(0))


def _toned(what: Meaning, tint: str) -> Meaning:
    return replace(what, palette=tinted(what.palette, TINTS[tint]))


# --- composition ----------------------------------------------------------------------------


def _rows(meanings: Sequence[tuple[Meaning, float]]) -> list[list[tuple[Meaning, float]]]:
    """The words of each zone, dealt in turn to as many rows as they need, upper rows first."""
    rows = []
    for zone in ("sky", "middle", "ground"):
        here = [pair for pair in meanings if ZONES[pair[0].motif] == zone]
        count = ceil(len(here) / _ABREAST)
        rows += [here[i::count] for i in range(count)]
    return rows


def _edges(weights: Sequence[float], low: float = 0.0, high: float = 1.0) -> list[float]:
    """Where shares of low to high that are as large as the weights begin and end."""
    edges = np.concatenate([[0.0], np.cumsum(weights)])
    return (low + (high - low) * edges / edges[-1]).tolist() if len(weights) else []


def _laid_out(
    rows: Sequence[Sequence[tuple[Meaning, float]]], random: np.random.Generator
) -> list[Placed]:
    """Every word with its cell, upper rows first; neighbours stand a little up and down."""
    low, high = _ALONE[ZONES[rows[0][0][0].motif]] if len(rows) == 1 else (0.0, 1.0)
    low += float(random.uniform(-0.07, 0.14)) if low > 0 else 0.0
    high += float(random.uniform(-0.14, 0.07)) if high < 1 else 0.0
    heights = _edges([sum(weight for _, weight in row) ** 0.5 for row in rows], low, high)
    placed = []
    for row, top, bottom in zip(rows, heights, heights[1:], strict=False):
        widths = _edges([weight for _, weight in row])
        step = int(random.choice((-1, 1))) * (0.02 if len(row) > 1 else 0.0)
        for i, (what, weight) in enumerate(row):
            up = step if i % 2 else -step
            cell = Cell(
                max(0.0, widths[i] - _OVERLAP),
                max(0.0, top - _OVERLAP + up),
                min(1.0, widths[i + 1] + _OVERLAP),
                min(1.0, bottom + _OVERLAP + up) if bottom < 1 else 1.0,
            )
            placed.append(Placed(what, cell, weight))
    return placed


def _horizon(placed: Sequence[Placed], random: np.random.Generator) -> float:
    """The height of the ground line: in the upper part of the ground's cells, or low."""
    tops = [p.cell.top + 0.4 * p.cell.height for p in placed if ZONES[p.what.motif] == "ground"]
    return float(np.clip(min(tops, default=0.8), 0.4, 0.8) + random.uniform(-0.06, 0.08))


def _drawn(
    canvas: Image.Image, placed: Placed, random: np.random.Generator, clip: bool
) -> Image.Image:
    """The canvas with one word's motif, which fades out where its cell ends."""
    what, cell, _ = placed
    layer = canvas.copy() if clip else canvas
    flip = int(random.choice((-1, 1)))
    draw = ImageDraw.Draw(layer)
    pen = Pen(layer, draw, random, what.palette, cell, what.energy, what.place, flip)
    MOTIFS[what.motif](pen)
    if clip:
        box = tuple(round(edge * canvas.width) for edge in cell)
        canvas.paste(layer.crop(box), box[:2], _soft(cell, box, canvas.width))
    return canvas


def _soft(cell: Cell, box: Sequence[int], size: int, rim: float = 0.05) -> Image.Image:
    """A mask of the cell with soft sides, none where the cell reaches the picture's edge."""

    def side(low: float, high: float, start: int, stop: int) -> np.ndarray:
        at = (np.arange(start, stop, dtype=np.float32) + 0.5) / size
        rise = (at - low) / rim if low > 0 else np.ones_like(at)
        fall = (high - at) / rim if high < 1 else np.ones_like(at)
        return np.clip(np.minimum(rise, fall), 0, 1)

    across = side(cell.left, cell.right, box[0], box[2])
    down = side(cell.top, cell.bottom, box[1], box[3])
    return Image.fromarray((255 * down[:, None] * across[None, :]).astype(np.uint8))
