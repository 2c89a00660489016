"""Motifs of the ground: animals and plants that stand alone."""

from math import cos, pi, sin

from training.motifs.life import almond
from training.motifs.table import motif
from training.palettes import gap, mix
from training.pen import Pen

_SHARES = [i / 10 for i in range(11)]


def _standing(pen: Pen, wide: float, tall: float) -> tuple[float, float, float]:
    """Middle, foot and size of one figure that stands on the ground."""
    x, _, r = pen.spot(wide, tall, 0.94)
    return x, pen.at(0, 0.95)[1], r


@motif("ground")
def mushroom(pen: Pen) -> None:
    x, foot, r = _standing(pen, 1.0, 1.0)
    cap = pen.unlike(pen.ink.haze, among=(pen.ink.figure, (196, 44, 40), pen.dark))
    stem = mix(pen.ink.light, pen.ink.ground, 0.2)
    dot = pen.unlike(cap, among=(pen.ink.light, pen.ink.haze, pen.dark))
    y = foot - 0.85 * r
    stalk = [(x - 0.24 * r, y), (x + 0.24 * r, y), (x + 0.36 * r, foot), (x - 0.36 * r, foot)]
    pen.shape(stalk, stem)
    turns = [pi * (1 + i / 24) for i in range(25)]
    pen.shape([(x + 0.95 * r * cos(a), y + 0.95 * r * sin(a)) for a in turns], cap)
    pen.oval(x, y, 0.95 * r, 0.17 * r, cap)
    for a, b, k in ((-0.45, -0.3, 0.18), (0.1, -0.58, 0.2), (0.5, -0.24, 0.16)):
        pen.disc(x + pen.flip * a * r, y + b * r, k * r, dot)


@motif("ground")
def palm(pen: Pen) -> None:
    """A palm on its island."""
    x, foot, r = _standing(pen, 0.9, 1.0)
    sand = mix(pen.ink.light, (226, 190, 120), 0.6)
    green = pen.unlike(pen.ink.haze, pen.ink.sky, among=(pen.dark, (20, 110, 60)))
    pen.oval(x, foot, 0.9 * r, 0.24 * r, sand)
    f = pen.flip * r
    top = (x + 0.2 * f, foot - 1.3 * r)
    stem = [(x + 0.2 * f * t * t, foot - (0.05 + 1.25 * t) * r) for t in _SHARES]
    pen.line(stem, 0.17 * r, mix(green, (120, 74, 40), 0.75))
    for dx, dy in ((-0.42, 0.18), (0.42, 0.18), (-0.36, -0.14), (0.36, -0.14), (0.04, -0.3)):
        pen.shape(almond(top[0] + dx * r, top[1] + dy * r, dx * r, dy * r, 0.42), green)


@motif("ground")
def cat(pen: Pen) -> None:
    """A cat that sits, seen from behind its shoulder: ears, back and a tail."""
    x, foot, r = _standing(pen, 0.9, 1.0)
    tone = pen.unlike(pen.ink.haze, pen.ink.ground)
    eye = pen.unlike(tone, among=(pen.ink.light, pen.ink.haze, pen.ink.figure, (255, 210, 60)))
    f = pen.flip * r
    tail = [(x + (0.45 + 0.5 * t) * f, foot - (0.1 + 0.75 * t * t) * r) for t in _SHARES]
    pen.line(tail, 0.19 * r, tone)
    pen.oval(x, foot - 0.52 * r, 0.54 * r, 0.56 * r, tone)
    hx, hy = x - 0.12 * f, foot - 1.28 * r
    pen.oval(hx, hy, 0.44 * r, 0.38 * r, tone)
    for side in (-1, 1):
        ear = [(0.42, 0.0), (0.38, -0.62), (0.06, -0.3)]
        pen.shape([(hx + side * a * r, hy + b * r) for a, b in ear], tone)
        pen.disc(hx + side * 0.18 * r, hy - 0.02 * r, 0.11 * r, eye)


@motif("ground")
def swan(pen: Pen) -> None:
    """A swan on the water."""
    x, _, r = pen.spot(1.0, 1.0, 0.94)
    sea = pen.at(0, 0.7)[1]
    water = mix(pen.ink.ground, pen.ink.haze, 0.3)
    pen.box(pen.cell.left, sea, pen.cell.right, 1.0, water)
    white = gap(pen.ink.light, water) > 150 and gap(pen.ink.light, pen.ink.haze) > 60
    tone = pen.ink.light if white else pen.unlike(water, pen.ink.haze)
    f = pen.flip * r
    neck = [(-0.52, -0.1), (-0.66, -0.5), (-0.4, -0.9), (-0.5, -1.2)]
    neck = [(x + a * f, sea + b * r) for a, b in neck]
    pen.line(neck, 0.21 * r, tone)
    pen.oval(x - 0.58 * f, sea - 1.22 * r, 0.22 * r, 0.17 * r, tone)
    beak = [(-0.74, -1.3), (-1.04, -1.12), (-0.72, -1.1)]
    pen.shape([(x + a * f, sea + b * r) for a, b in beak], (240, 140, 40))
    body = [
        (-0.78, 0.0),
        (-0.5, -0.42),
        (0.2, -0.5),
        (0.95, -0.62),
        (0.8, 0.0),
        (0.4, 0.26),
        (-0.5, 0.26),
    ]
    pen.shape([(x + a * f, sea + b * r) for a, b in body], tone)
    wing = [(-0.3, -0.14), (0.2, -0.4), (0.72, -0.44), (0.3, 0.02)]
    pen.shape([(x + a * f, sea + b * r) for a, b in wing], mix(tone, water, 0.35))


@motif("ground")
def snake(pen: Pen) -> None:
    """A snake that winds upright, its head to one side."""
    x, foot, r = _standing(pen, 0.9, 1.0)
    tone = pen.unlike(pen.ink.haze, pen.ink.ground)
    eye = pen.unlike(tone)
    f = pen.flip * r
    body = [(x + 0.5 * f * sin(3 * pi * t) * (1 - 0.35 * t), foot - (0.1 + 1.5 * t) * r)
            for t in (i / 40 for i in range(41))]  # fmt: skip
    pen.line(body, 0.26 * r, tone)
    hx, hy = body[-1]
    pen.oval(hx + 0.2 * f, hy, 0.36 * r, 0.22 * r, tone)
    pen.disc(hx + 0.28 * f, hy - 0.05 * r, 0.1 * r, eye)
