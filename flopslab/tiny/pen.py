"""The pen with which motifs draw: shapes in fractions of the picture, kept near one strip."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from flopslab.tiny.palettes import Colour, Palette

Point = tuple[float, float]


@cache
def _halo(size: int) -> Image.Image:
    """A soft round mask of size x size, full in the middle and nothing at the rim."""
    axis = np.linspace(-1, 1, size)
    distance = np.hypot(axis[:, None], axis[None, :])
    return Image.fromarray((np.clip(1 - distance, 0, 1) ** 1.5 * 220).astype(np.uint8))


@dataclass(frozen=True)
class Pen:
    """Draws on `canvas` (square) in the strip from `left` to `right`, in the colours `ink`.

    `horizon` is the height of the ground line, `energy` in [0, 1] how wild the motif is.
    """

    canvas: Image.Image
    draw: ImageDraw.ImageDraw
    random: np.random.Generator
    ink: Palette
    left: float
    right: float
    horizon: float
    energy: float

    # --- chance ---------------------------------------------------------------------------

    def between(self, low: float, high: float) -> float:
        return float(self.random.uniform(low, high))

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    # --- places ---------------------------------------------------------------------------

    @property
    def width(self) -> float:
        return self.right - self.left

    def at(self, share: float) -> float:
        """The x at a share of the strip's width."""
        return self.left + share * self.width

    def hold(self, x: float) -> float:
        """The nearest x inside the strip."""
        return min(max(x, self.left), self.right)

    def inside(self, margin: float) -> float:
        """A random x in the strip that leaves a margin where there is room for one."""
        margin = min(margin, 0.45 * self.width)
        return self.between(self.left + margin, self.right - margin)

    def fit(self, size: float) -> float:
        """The size, made smaller in a narrow strip."""
        return min(size, size * (0.35 + 1.1 * self.width), 0.62 * self.width)

    def count(self, whole: float) -> int:
        """How many things to draw in the strip if the whole picture holds that many."""
        return max(1, round(whole * self.width))

    def steps(self, pitch: float) -> list[float]:
        """Every x from left to right, a pitch apart, both ends included."""
        return np.linspace(self.left, self.right, max(2, round(self.width / pitch) + 1)).tolist()

    def scatter(self, count: int, top: float, bottom: float) -> Iterator[Point]:
        """Random points in the strip, spread evenly by a shuffled grid of columns."""
        for i in self.random.permutation(count):
            yield self.at((i + self.between(0.1, 0.9)) / count), self.between(top, bottom)

    def rows(self, count: int, depth: float) -> list[Point]:
        """Feet of things that stand on the ground, far ones first."""
        points = self.scatter(
            count, self.horizon + 0.04, min(self.horizon + 0.04 + 2 * depth, 0.94)
        )
        return sorted(points, key=lambda point: point[1])

    # --- marks ----------------------------------------------------------------------------

    def _scaled(self, points: Sequence[Point]) -> list[Point]:
        size = self.canvas.width
        return [(x * size, y * size) for x, y in points]

    def shape(self, points: Sequence[Point], colour: Colour) -> None:
        self.draw.polygon(self._scaled(points), fill=colour)

    def clipped(self, points: Sequence[Point], colour: Colour) -> None:
        """A shape that ends at the strip's sides."""
        mask = Image.new("1", self.canvas.size)
        ImageDraw.Draw(mask).polygon(self._scaled(points), fill=1)
        size = self.canvas.width
        box = (round(self.left * size), 0, round(self.right * size), size)
        self.canvas.paste(colour, box, mask.crop(box))

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        pixels = max(2, round(width * self.canvas.width))
        self.draw.line(self._scaled(points), fill=colour, width=pixels, joint="curve")

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        self.draw.rectangle(self._scaled([(x0, y0), (x1, max(y0, y1))]), fill=colour)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        self.draw.ellipse(self._scaled([(x - rx, y - ry), (x + rx, y + ry)]), fill=colour)

    def disc(self, x: float, y: float, r: float, colour: Colour) -> None:
        self.oval(x, y, r, r, colour)

    def circle(self, x: float, y: float, r: float, width: float, colour: Colour) -> None:
        box = self._scaled([(x - r, y - r), (x + r, y + r)])
        self.draw.ellipse(box, outline=colour, width=max(2, round(width * self.canvas.width)))

    def glow(self, x: float, y: float, r: float, colour: Colour) -> None:
        """Light that fades from the middle."""
        size = max(2, round(2 * r * self.canvas.width))
        corner = (round((x - r) * self.canvas.width), round((y - r) * self.canvas.width))
        self.canvas.paste(colour, corner, _halo(min(size, 512)).resize((size, size)))

    def veil(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """A curtain of light that fades downwards."""
        size = self.canvas.width
        shape = (max(1, round(width * size)), max(1, round(height * size)))
        fade = Image.linear_gradient("L").transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize(shape)
        self.canvas.paste(colour, (round(x * size), round(y * size)), fade)
