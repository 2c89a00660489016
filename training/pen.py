"""The pen with which motifs draw: bold shapes in the cell of one word.

A figure has few sizes, stands on a grid, and leaves little to chance: a small model learns a shape
far sooner if it may stand in six ways than if it may stand in six hundred.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from training.palettes import Colour, Palette, gap, mix

Point = tuple[float, float]
BLACK: Colour = (8, 8, 14)
GRID = 16  # lines on which figures stand, in the picture's width and in its height
_SIZES = tuple(0.4 * 0.85**k for k in range(20))  # radii that a figure may have
SHIFTS = (-1, 0, 1)  # ways in which chance shifts a figure aside

# Where in its cell a single figure tends to stand, -1 to 1: x for each of the shifts, then y.
_LEANINGS = {
    "anywhere": ((-0.7, 0.0, 0.7), 0.0),
    "left": ((-0.9, -0.6, -0.3), 0.0),
    "centre": ((-0.2, 0.0, 0.2), 0.0),
    "right": ((0.3, 0.6, 0.9), 0.0),
    "high": ((-0.7, 0.0, 0.7), -0.6),
    "low": ((-0.7, 0.0, 0.7), 0.6),
}
PLACES = tuple(_LEANINGS)


class Cell(NamedTuple):
    """A word's part of the picture, in fractions of it; y goes down."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> Point:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


def snap(place: float) -> float:
    """The line of the grid that is nearest to a place, in fractions of the picture."""
    return round(place * GRID) / GRID


@lru_cache(maxsize=256)
def _halo(size: int) -> Image.Image:
    """A soft round mask of size x size, full in the middle and nothing at the rim."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    distance = np.hypot(axis[:, None], axis[None, :])
    return Image.fromarray((np.clip(1 - distance, 0, 1) ** 1.5 * 200).astype(np.uint8))


@lru_cache(maxsize=256)
def _fade(width: int, height: int) -> Image.Image:
    """A mask that is nothing at the top and full at the bottom."""
    return Image.linear_gradient("L").resize((width, height))


@dataclass(frozen=True)
class Pen:
    """Draws on `canvas` (square) in one cell, in the colours `ink`.

    `energy` in [0, 1] is how wild the motif is; `flip` is 1, or -1 for a mirrored motif, and
    `shift`, one of SHIFTS, moves it a little aside.
    """

    canvas: Image.Image
    draw: ImageDraw.ImageDraw
    ink: Palette
    cell: Cell
    energy: float
    place: str
    flip: int
    shift: int = 0

    # --- places -----------------------------------------------------------------------------

    def at(self, across: float, down: float) -> Point:
        """A point of the cell from its shares: (0, 0) is the upper left corner."""
        c = self.cell
        return c.left + across * c.width, c.top + down * c.height

    def spot(
        self, wide: float = 1.0, tall: float = 1.0, share: float = 0.8
    ) -> tuple[float, float, float]:
        """Place x, y and radius r of a figure that reaches wide * r and tall * r from its middle.

        It fills about `share` of the cell and stands on the grid where the word's place leads it.
        """
        c = self.cell
        largest = min(c.width / wide, c.height / tall, 0.8) / 2 * share
        r = next((size for size in _SIZES if size <= largest), _SIZES[-1])
        (x, y), (across, down) = c.middle, _LEANINGS[self.place]
        x += max(0.0, c.width / 2 - wide * r) * 0.8 * across[SHIFTS.index(self.shift)]
        y += max(0.0, c.height / 2 - tall * r) * 0.8 * down
        return snap(x), snap(y), r

    def columns(self, pitch: float) -> list[tuple[float, float]]:
        """Middle and half width of equal columns, about `pitch` wide, that fill the cell."""
        count = max(1, round(self.cell.width / pitch))
        half = self.cell.width / count / 2
        shift = 0.1 * self.shift * half
        return [(self.cell.left + half * (2 * i + 1) + shift, half) for i in range(count)]

    def grid(self, pitch: float) -> list[Point]:
        """The middles of a staggered grid, about `pitch` apart."""
        across = max(2, round(self.cell.width / pitch))
        down = max(2, round(self.cell.height / pitch))
        stagger = (0.7, 0.3) if self.flip > 0 else (0.3, 0.7)
        return [
            self.at(0.03 + 0.94 * (i + stagger[j % 2]) / across, (j + 0.5) / down)
            for j in range(down)
            for i in range(across)
        ]

    # --- tones ------------------------------------------------------------------------------

    @property
    def dark(self) -> Colour:
        """The deepest tone of the palette."""
        return mix(min(self.ink, key=sum), BLACK, 0.35)

    def unlike(self, *behind: Colour, among: Sequence[Colour] = ()) -> Colour:
        """Of figure, light and dark (or `among`) what stands out most from what is behind."""
        inks = among or (self.ink.figure, self.ink.light, self.dark)
        return max(inks, key=lambda ink: min(gap(ink, colour) for colour in behind))

    def clear(self, *behind: Colour) -> Colour:
        """The figure's own colour where it is seen well before what is behind, or what is."""
        seen = min(gap(self.ink.figure, colour) for colour in behind) > 170
        return self.ink.figure if seen else self.unlike(*behind)

    @property
    def bold(self) -> Colour:
        """A colour for what stands before the sky."""
        return self.clear(self.ink.sky, self.ink.haze)

    # --- marks ------------------------------------------------------------------------------

    def _scaled(self, points: Sequence[Point]) -> list[Point]:
        size = self.canvas.width
        return [(x * size, y * size) for x, y in points]

    def shape(self, points: Sequence[Point], colour: Colour) -> None:
        self.draw.polygon(self._scaled(points), fill=colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A thick line with round ends."""
        pixels = max(2, round(width * self.canvas.width))
        self.draw.line(self._scaled(points), fill=colour, width=pixels, joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, width / 2, colour)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        self.draw.rectangle(self._scaled([(x0, y0), (x1, max(y0, y1))]), fill=colour)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        self.draw.ellipse(self._scaled([(x - rx, y - ry), (x + rx, y + ry)]), fill=colour)

    def disc(self, x: float, y: float, r: float, colour: Colour) -> None:
        self.oval(x, y, r, r, colour)

    def ring(self, x: float, y: float, r: float, width: float, colour: Colour) -> None:
        box = self._scaled([(x - r, y - r), (x + r, y + r)])
        self.draw.ellipse(box, outline=colour, width=max(2, round(width * self.canvas.width)))

    def glow(self, x: float, y: float, r: float, colour: Colour) -> None:
        """Light that fades from the middle."""
        size = max(2, 4 * round(r * self.canvas.width / 2))
        corner = (round(x * self.canvas.width - size / 2), round(y * self.canvas.width - size / 2))
        self.canvas.paste(colour, corner, _halo(size))

    def veil(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """A curtain of light that fades upwards."""
        left, right, top, foot = (
            round(edge * self.canvas.width) for edge in (x, x + width, y, y + height)
        )
        if right > left and foot > top:
            self.canvas.paste(colour, (left, top), _fade(right - left, foot - top))
