"""More motifs of the sky: what passes over it now and then."""

from math import cos, pi, sin

from training.motifs.table import motif
from training.palettes import Colour, mix
from training.pen import Pen


@motif("sky")
def rainbow(pen: Pen) -> None:
    """Four bows, one in the other, in the word's own order of the usual colours."""
    x, y = pen.at(0.5 + 0.06 * pen.shift, 0.94)
    reach = min(0.5 * pen.cell.width, 0.86 * pen.cell.height, 0.46)
    bows: tuple[Colour, ...] = ((226, 62, 66), (250, 196, 60), (70, 176, 96), (64, 104, 206))
    for i, colour in enumerate(bows):
        outer, inner = reach * (1 - 0.16 * i), reach * (0.84 - 0.16 * i)
        turns = [pi * (1 + j / 30) for j in range(31)]
        arc = [(x + outer * cos(a), y + outer * sin(a)) for a in turns]
        back = [(x + inner * cos(a), y + inner * sin(a)) for a in reversed(turns)]
        pen.shape(arc + back, mix(colour, pen.ink.light, 0.12))


@motif("sky")
def comet(pen: Pen) -> None:
    """A ball of light with a tail that narrows."""
    x, y, r = pen.spot(1.0, 0.8, 1.0)
    f = pen.flip
    x, y = x - 0.55 * f * r, y + 0.42 * r
    pen.glow(x, y, 1.1 * r, mix(pen.ink.sky, pen.ink.light, 0.6))
    tail = mix(pen.ink.haze, pen.ink.light, 0.4)
    for k, colour in ((1.0, mix(pen.ink.sky, tail, 0.55)), (0.6, tail)):
        w = 0.44 * r * k
        tip = (x + 1.5 * f * r * (0.5 + 0.5 * k), y - 1.05 * r * (0.5 + 0.5 * k))
        pen.shape([(x - 0.55 * f * w, y - 0.85 * w), tip, (x + 0.55 * f * w, y + 0.85 * w)], colour)
    pen.disc(x, y, 0.44 * r, pen.bold)
    pen.disc(x, y, 0.27 * r, pen.ink.light if pen.bold != pen.ink.light else pen.ink.haze)


@motif("sky")
def planet(pen: Pen) -> None:
    """A ball with a ring around it, half before and half behind."""
    x, y, r = pen.spot(1.0, 0.7, 0.96)
    tone, band = pen.bold, pen.unlike(pen.bold, pen.ink.sky)
    pen.glow(x, y, 1.3 * r, mix(pen.ink.sky, pen.ink.light, 0.35))
    lean = 0.3 * pen.flip

    def ring(start: float) -> list[tuple[float, float]]:
        outline = []
        for k, order in ((1.0, range(25)), (0.74, range(24, -1, -1))):
            for i in order:
                a = start + pi * i / 24
                across, down = k * r * cos(a), 0.3 * k * r * sin(a)
                outline.append((x + across, y + down - lean * across))
        return outline

    pen.shape(ring(pi), band)
    pen.disc(x, y, 0.56 * r, mix(tone, pen.dark, 0.3))
    pen.disc(x - 0.06 * r, y - 0.07 * r, 0.48 * r, tone)
    pen.shape(ring(0), band)


@motif("sky")
def balloon(pen: Pen) -> None:
    """A hot-air balloon of three gores, and its basket."""
    x, y, r = pen.spot(0.72, 1.0, 0.96)
    y -= 0.28 * r
    tone = pen.bold
    stripe = mix(pen.unlike(tone), tone, 0.15)

    def hull(k: float) -> list[tuple[float, float]]:
        foot = [(x + 0.2 * k * r, y + 0.94 * r), (x - 0.2 * k * r, y + 0.94 * r)]
        turns = [pi * (0.86 + 1.28 * i / 30) for i in range(31)]
        return [(x + 0.7 * k * r * cos(a), y + 0.7 * r * sin(a)) for a in turns] + foot

    pen.shape(hull(1.0), tone)
    pen.shape(hull(0.42), stripe)
    pen.box(x - 0.2 * r, y + 1.02 * r, x + 0.2 * r, y + 1.28 * r, pen.dark)
