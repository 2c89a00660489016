"""Motifs of the sky: they share the upper part of a scene."""

from math import cos, pi, sin

from flopslab.tiny.motifs.table import motif
from flopslab.tiny.palettes import mix
from flopslab.tiny.pen import Pen


@motif("sky")
def sun(pen: Pen) -> None:
    r = pen.fit(0.17)
    x, y = pen.inside(r), pen.between(0.2, 0.42)
    pen.glow(x, y, 2.6 * r, pen.ink.light)
    pen.disc(x, y, r, pen.ink.figure)
    pen.disc(x, y, 0.72 * r, pen.ink.light)


@motif("sky")
def moon(pen: Pen) -> None:
    r = pen.fit(0.17)
    x, y = pen.inside(r), pen.between(0.2, 0.4)
    pen.glow(x, y, 2.2 * r, mix(pen.ink.sky, pen.ink.figure, 0.6))
    turns = [pi * i / 24 for i in range(25)]
    outer = [(x - r * sin(t), y - r * cos(t)) for t in turns]
    inner = [(x - 0.2 * r * sin(t), y - r * cos(t)) for t in reversed(turns)]
    pen.shape([(px + 0.4 * r, py) for px, py in outer + inner], pen.ink.figure)


@motif("sky")
def stars(pen: Pen) -> None:
    for x, y in pen.scatter(pen.count(22), 0.04, 0.62):
        r = pen.between(0.012, 0.02) * (2.0 if pen.chance(0.3) else 1.0)
        ray = [
            (
                x + (r if i % 2 else 2.4 * r) * cos(pi * i / 4),
                y + (r if i % 2 else 2.4 * r) * sin(pi * i / 4),
            )
            for i in range(8)
        ]
        pen.shape(ray, pen.ink.figure if pen.chance(0.6) else pen.ink.light)


@motif("sky")
def clouds(pen: Pen) -> None:
    for _ in range(pen.count(3)):
        r = pen.fit(pen.between(0.09, 0.12))
        x, y = pen.inside(1.8 * r), pen.between(0.14, 0.46)
        for colour, lift in ((mix(pen.ink.figure, pen.ink.haze, 0.35), 0.25), (pen.ink.light, 0.0)):
            for dx, dy, k in (
                (-1.3, 0.2, 0.75),
                (-0.4, -0.25, 1.0),
                (0.6, -0.1, 0.9),
                (1.4, 0.25, 0.65),
            ):
                pen.disc(x + dx * r, y + (dy + lift) * r, k * r, colour)


@motif("sky")
def rays(pen: Pen) -> None:
    x, y = pen.at(pen.between(0.3, 0.7)), pen.between(0.02, 0.16)
    turn = pen.between(0, pi)
    beams = 9
    for i in range(beams):
        a = turn + 2 * pi * i / beams
        spread = pi / beams * 0.5
        pen.clipped(
            [
                (x, y),
                (x + 1.6 * cos(a - spread), y + 1.6 * sin(a - spread)),
                (x + 1.6 * cos(a + spread), y + 1.6 * sin(a + spread)),
            ],
            pen.ink.figure if i % 2 else mix(pen.ink.figure, pen.ink.light, 0.5),
        )
    pen.disc(x, y, pen.fit(0.1), pen.ink.light)


@motif("sky")
def rain(pen: Pen) -> None:
    slant = pen.between(-0.06, 0.06) * (1 + pen.energy)
    for x, y in pen.scatter(pen.count(34), -0.05, 0.9):
        length = pen.between(0.09, 0.14)
        pen.line([(x, y), (x + slant, y + length)], 0.014, pen.ink.figure)


@motif("sky")
def snowfall(pen: Pen) -> None:
    for x, y in pen.scatter(pen.count(30), 0.0, 0.95):
        pen.disc(x, y, pen.between(0.012, 0.026), pen.ink.light)


@motif("sky")
def lightning(pen: Pen) -> None:
    for _ in range(max(1, pen.count(1.6))):
        x, y, points = pen.inside(0.08), 0.0, []
        while y < 0.72:
            points.append((x, y))
            x, y = pen.hold(x + pen.between(-0.11, 0.11)), y + pen.between(0.08, 0.14)
        pen.line(points, 0.045, mix(pen.ink.sky, pen.ink.light, 0.45))
        pen.line(points, 0.022, pen.ink.light)


@motif("sky")
def birds(pen: Pen) -> None:
    for x, y in pen.scatter(pen.count(7), 0.12, 0.5):
        w = pen.between(0.05, 0.08)
        h = w * pen.between(0.4, 0.7)
        pen.line(
            [
                (x - w, y - h),
                (x - 0.4 * w, y - h * 0.7),
                (x, y),
                (x + 0.4 * w, y - h * 0.7),
                (x + w, y - h),
            ],
            0.022,
            pen.ink.figure,
        )


@motif("sky")
def aurora(pen: Pen) -> None:
    for band in range(3):
        y = 0.12 + 0.13 * band + pen.between(-0.03, 0.03)
        phase, reach = pen.between(0, 2 * pi), pen.between(0.16, 0.26)
        for x in pen.steps(0.02):
            top = y + 0.06 * sin(phase + 7 * x)
            pen.veil(x, top, 0.026, reach, mix(pen.ink.figure, pen.ink.light, band / 3))
