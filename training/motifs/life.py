"""Living things that stand before the scene, close up."""

from math import pi, sin

from training.motifs.middle import backing
from training.motifs.table import motif
from training.palettes import mix
from training.pen import Pen


def almond(x: float, y: float, dx: float, dy: float, half: float) -> list[tuple[float, float]]:
    """The outline of a leaf from (x - dx, y - dy) to (x + dx, y + dy), its half width a share."""
    side = [(2 * i / 16 - 1, half * sin(pi * i / 16)) for i in range(17)]
    both = side + [(t, -w) for t, w in reversed(side)]
    return [(x + t * dx - w * dy, y + t * dy + w * dx) for t, w in both]


@motif("middle")
def fish(pen: Pen) -> None:
    x, y, r = pen.spot(1.0, 0.65, 0.95)
    tone, spot = pen.bold, pen.unlike(pen.bold)
    backing(pen, x, y, 1.5 * r)
    f = pen.flip * r
    pen.shape([(x - 0.2 * f, y), (x - f, y - 0.6 * r), (x - f, y + 0.6 * r)], tone)
    pen.shape(almond(x + 0.22 * f, y, 0.78 * f, 0, 0.68), tone)
    pen.disc(x + 0.58 * f, y - 0.1 * r, 0.15 * r, spot)


@motif("middle")
def leaf(pen: Pen) -> None:
    x, y, r = pen.spot(0.8, 1.0, 0.95)
    tone, vein = pen.bold, pen.unlike(pen.bold)
    backing(pen, x, y, 1.5 * r)
    dx, dy = pen.flip * 0.5 * r, -0.75 * r
    pen.line([(x - 1.25 * dx, y - 1.25 * dy), (x, y)], 0.14 * r, tone)
    pen.shape(almond(x, y, dx, dy, 0.58), tone)
    pen.line([(x - dx, y - dy), (x + 0.7 * dx, y + 0.7 * dy)], 0.12 * r, mix(tone, vein, 0.5))
