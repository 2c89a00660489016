"""The painter: words with weights in, one composed picture out.

A scene is a panorama of rows: words whose motif belongs to the sky above, those of the ground
below, those of the middle between, from left to right in the order of the prompt. In its row a
word gets a cell as wide as its share of the weight, and a heavier row is higher. More than three
words of a kind stand in two staggered rows, so that a word keeps a third of the width. Behind
them lie sky and hills, which take the colours and the light of the words near them.

At most six words stand in the scene. Of more, the five that count most do: heavy ones, and those
in the middle of the prompt. The others follow below in a strip, each a small icon on a tile of its
own colours, in the order of the prompt.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

import numpy as np
from PIL import Image, ImageDraw

from training.backdrop import Placed, backdrop
from training.motifs import MOTIFS, ZONES
from training.palettes import TINTS, mix, tinted
from training.pen import SHIFTS, Cell, Pen, snap
from training.vocabulary import Meaning, meaning

SIZE = 128  # pixels of a finished picture
_DETAIL = 2  # painted this much larger, then reduced: smooth edges
_ABREAST = 3  # words side by side at most
_FIGURES = 6  # words in the scene at most
_STRIP = 0.8125  # where the strip of icons begins: at 104 of 128 pixels
_HORIZONS = (-0.06, 0.0, 0.06)  # how far chance moves the ground line
_OVERLAP = 0.035  # how far a cell reaches over its neighbours
_ALONE = {"sky": (0.0, 0.82), "middle": (0.06, 0.94), "ground": (0.16, 1.0)}


def paint(
    words: Sequence[tuple[str, float]], random: np.random.Generator, tint: str = ""
) -> Image.Image:
    """An RGB picture of SIZE x SIZE for (word, weight) pairs; no words give an empty dusk.

    `tint` is a basic colour term that tones the whole picture. Everything that the words leave
    open (a step aside, which way round, the horizon, the line of hills) is drawn from `random`.
    """
    meanings = [(meaning(word), weight) for word, weight in words]
    if tint:
        meanings = [(_toned(what, tint), weight) for what, weight in meanings]
    figures, icons = _divide(meanings)
    foot = _STRIP if icons else 1.0
    placed = _laid_out(_rows(figures), foot)
    canvas = backdrop(placed, _horizon(placed, random, foot), SIZE * _DETAIL, random)
    for figure in placed:
        canvas = _drawn(canvas, figure, random, clip=len(placed) > 1 or bool(icons))
    for icon in _tiles(icons):
        _draw_icon(canvas, icon)
    return canvas.reduce(_DETAIL)


def layout(words: Sequence[tuple[str, float]]) -> list[Placed]:
    """Every word with its cell, first the figures, as `paint` places them."""
    figures, icons = _divide([(meaning(word), weight) for word, weight in words])
    foot = _STRIP if icons else 1.0
    return _laid_out(_rows(figures), foot) + _tiles(icons)


def _toned(what: Meaning, tint: str) -> Meaning:
    return replace(what, palette=tinted(what.palette, TINTS[tint]))


# --- composition ----------------------------------------------------------------------------


def _divide(
    meanings: Sequence[tuple[Meaning, float]],
) -> tuple[list[tuple[Meaning, float]], list[tuple[Meaning, float]]]:
    """The words that stand in the scene and those of the strip, both in the order of the prompt.

    A word counts by its weight, less a tenth for each word between it and the middle.
    """
    if len(meanings) <= _FIGURES:
        return list(meanings), []
    middle = (len(meanings) - 1) / 2
    rank = sorted(
        range(len(meanings)), key=lambda i: (round(0.1 * abs(i - middle) - meanings[i][1], 6), i)
    )
    first = set(rank[: _FIGURES - 1])
    return (
        [pair for i, pair in enumerate(meanings) if i in first],
        [pair for i, pair in enumerate(meanings) if i not in first],
    )


def _tiles(icons: Sequence[tuple[Meaning, float]]) -> list[Placed]:
    """The words of the strip, each with its tile; all are of one width."""
    width = 1 / max(len(icons), 1)
    return [
        Placed(what, Cell(i * width, _STRIP, (i + 1) * width, 1.0), weight)
        for i, (what, weight) in enumerate(icons)
    ]


def _rows(meanings: Sequence[tuple[Meaning, float]]) -> list[list[tuple[Meaning, float]]]:
    """The words of each zone, dealt in turn to as many rows as they need, upper rows first."""
    rows = []
    for zone in ("sky", "middle", "ground"):
        here = [pair for pair in meanings if ZONES[pair[0].motif] == zone]
        count = ceil(len(here) / _ABREAST)
        rows += [here[i::count] for i in range(count)]
    return rows


def _edges(weights: Sequence[float], low: float = 0.0, high: float = 1.0) -> list[float]:
    """Where shares of low to high that are as large as the weights begin and end, on the grid."""
    edges = np.concatenate([[0.0], np.cumsum(weights)])
    return [snap(low + (high - low) * edge / edges[-1]) for edge in edges] if weights else []


def _laid_out(rows: Sequence[Sequence[tuple[Meaning, float]]], foot: float = 1.0) -> list[Placed]:
    """Every word with its cell, upper rows first, down to `foot`; neighbours stand a little
    up and down."""
    low, high = _ALONE[ZONES[rows[0][0][0].motif]] if len(rows) == 1 else (0.0, 1.0)
    shares = [sum(weight for _, weight in row) ** 0.5 for row in rows]
    heights = _edges(shares, low * foot, high * foot)
    placed = []
    for row, top, bottom in zip(rows, heights, heights[1:], strict=False):
        widths = _edges([weight for _, weight in row])
        step = 0.02 if len(row) > 1 else 0.0
        for i, (what, weight) in enumerate(row):
            up = step if i % 2 else -step
            cell = Cell(
                max(0.0, widths[i] - _OVERLAP),
                max(0.0, top - _OVERLAP + up),
                min(1.0, widths[i + 1] + _OVERLAP),
                min(foot, bottom + _OVERLAP + up) if bottom < foot else foot,
            )
            placed.append(Placed(what, cell, weight))
    return placed


def _horizon(placed: Sequence[Placed], random: np.random.Generator, foot: float) -> float:
    """The height of the ground line: in the upper part of the ground's cells, or low."""
    tops = [p.cell.top + 0.4 * p.cell.height for p in placed if ZONES[p.what.motif] == "ground"]
    low, high = 0.4 * foot, 0.8 * foot
    line = min(max(min(tops, default=high), low), high)
    return snap(line + float(random.choice(_HORIZONS)) * foot)


def _drawn(
    canvas: Image.Image, placed: Placed, random: np.random.Generator, clip: bool
) -> Image.Image:
    """The canvas with one word's motif, which fades out where its cell ends."""
    what, cell, _ = placed
    layer = canvas.copy() if clip else canvas
    flip, shift = int(random.choice((-1, 1))), int(random.choice(SHIFTS))
    draw = ImageDraw.Draw(layer)
    pen = Pen(layer, draw, what.palette, cell, what.energy, what.place, flip, shift)
    MOTIFS[what.motif](pen)
    if clip:
        box = _box(cell, canvas.width)
        canvas.paste(layer.crop(box), box[:2], _soft(cell, box, canvas.width))
    return canvas


def _box(cell: Cell, width: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(edge * width) for edge in cell)
    return left, top, right, bottom


def _draw_icon(canvas: Image.Image, placed: Placed) -> None:
    """Draw one word of the strip: its motif on a tile of its sky and ground."""
    what, cell, _ = placed
    left, top, right, bottom = box = _box(cell, canvas.width)
    layer = canvas.copy()
    draw = ImageDraw.Draw(layer)
    draw.rectangle(box, fill=mix(what.palette.sky, what.palette.haze, 0.5))
    if ZONES[what.motif] == "ground":
        low = round(top + 0.7 * (bottom - top))
        draw.rectangle((left, low, right, bottom), what.palette.ground)
    inner = Cell(cell.left, cell.top + 0.01, cell.right, cell.bottom - 0.01)
    MOTIFS[what.motif](Pen(layer, draw, what.palette, inner, what.energy, "centre", 1))
    canvas.paste(layer.crop(box), (left, top))


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
