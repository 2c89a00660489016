"""Motifs that stand before the scene, between sky and ground."""

from math import cos, pi, sin

from flopslab.tiny.motifs.table import motif
from flopslab.tiny.palettes import mix
from flopslab.tiny.pen import Pen


@motif("middle")
def rings(pen: Pen) -> None:
    r = pen.fit(0.36)
    x, y = pen.inside(0.6 * r), pen.between(0.4, 0.58)
    for k in (1.0, 0.72, 0.44):
        pen.circle(x, y, k * r, 0.035, pen.ink.figure)
    pen.disc(x, y, 0.18 * r, pen.ink.light)


@motif("middle")
def spiral(pen: Pen) -> None:
    r = pen.fit(0.36)
    x, y = pen.inside(0.6 * r), pen.between(0.4, 0.58)
    turn, way = pen.between(0, 2 * pi), 1 if pen.chance(0.5) else -1
    points = [
        (x + r * t * cos(turn + way * 5.2 * pi * t), y + r * t * sin(turn + way * 5.2 * pi * t))
        for t in (i / 90 for i in range(91))
    ]
    pen.line(points, 0.036, pen.ink.figure)


@motif("middle")
def orbs(pen: Pen) -> None:
    for x, y in pen.scatter(pen.count(8), 0.14, 0.82):
        r = pen.fit(pen.between(0.045, 0.1))
        pen.disc(x, y, r, pen.ink.figure)
        pen.disc(x, y, 0.78 * r, mix(pen.ink.figure, pen.ink.haze, 0.4))
        pen.disc(x - 0.3 * r, y - 0.3 * r, 0.28 * r, pen.ink.light)


@motif("middle")
def heart(pen: Pen) -> None:
    r = pen.fit(0.26)
    x, y = pen.inside(r), pen.between(0.4, 0.54)
    curve = [
        (
            x + r * sin(t) ** 3,
            y - r * (13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)) / 16,
        )
        for t in (2 * pi * i / 60 for i in range(60))
    ]
    pen.glow(x, y, 1.9 * r, pen.ink.light)
    pen.shape(curve, pen.ink.figure)
    pen.disc(x - 0.42 * r, y - 0.4 * r, 0.16 * r, pen.ink.light)


@motif("middle")
def eye(pen: Pen) -> None:
    r = pen.fit(0.32)
    x, y = pen.inside(r), pen.between(0.4, 0.55)
    lid = [
        (x + r * cos(t), y - 0.52 * r * sin(t) * abs(sin(t)) ** 0.2)
        for t in (2 * pi * i / 60 for i in range(60))
    ]
    pen.shape(lid, pen.ink.light)
    pen.line([*lid, lid[0]], 0.025, pen.ink.figure)
    pen.disc(x, y, 0.44 * r, pen.ink.figure)
    pen.disc(x, y, 0.2 * r, mix(pen.ink.sky, (0, 0, 0), 0.6))
    pen.disc(x - 0.14 * r, y - 0.14 * r, 0.1 * r, pen.ink.light)


@motif("middle")
def crystal(pen: Pen) -> None:
    for _ in range(pen.count(3)):
        r = pen.fit(pen.between(0.13, 0.19))
        x, y = pen.inside(0.7 * r), pen.between(0.36, 0.66)
        top, bottom, left, right = (
            (x, y - 1.5 * r),
            (x, y + 1.5 * r),
            (x - 0.7 * r, y),
            (x + 0.7 * r, y),
        )
        middle = (x - 0.1 * r, y + 0.15 * r)
        pen.shape([top, left, middle], mix(pen.ink.figure, pen.ink.light, 0.55))
        pen.shape([top, right, middle], pen.ink.light)
        pen.shape([bottom, left, middle], pen.ink.figure)
        pen.shape([bottom, right, middle], mix(pen.ink.figure, pen.ink.ground, 0.35))


@motif("middle")
def wings(pen: Pen) -> None:
    for _ in range(pen.count(2)):
        r = pen.fit(0.17)
        x, y = pen.inside(1.2 * r), pen.between(0.3, 0.62)
        for side in (-1, 1):
            pen.disc(x + side * 0.62 * r, y - 0.4 * r, 0.62 * r, pen.ink.figure)
            pen.disc(
                x + side * 0.5 * r, y + 0.48 * r, 0.45 * r, mix(pen.ink.figure, pen.ink.light, 0.35)
            )
            pen.disc(x + side * 0.66 * r, y - 0.42 * r, 0.24 * r, pen.ink.light)
        pen.line([(x, y - 0.8 * r), (x, y + 0.9 * r)], 0.03, mix(pen.ink.sky, (0, 0, 0), 0.7))


@motif("middle")
def smoke(pen: Pen) -> None:
    for _ in range(pen.count(3)):
        x, phase = pen.inside(0.08), pen.between(0, 2 * pi)
        for i in range(26):
            t = i / 25
            sway = 0.07 * sin(phase + 5 * t) * (0.3 + t)
            pen.disc(
                x + sway,
                0.88 - 0.75 * t,
                pen.fit(0.028 + 0.05 * t),
                mix(pen.ink.figure, pen.ink.haze, 0.7 * t),
            )


@motif("middle")
def bars(pen: Pen) -> None:
    pitch = pen.between(0.1, 0.125)
    lean = pen.between(-0.05, 0.05)
    for x in pen.steps(pitch):
        pen.line([(x + lean, -0.02), (x - lean, 1.02)], 0.05, pen.ink.figure)


@motif("middle")
def weave(pen: Pen) -> None:
    pitch = pen.between(0.13, 0.15)
    shift = pen.between(0, pitch)
    for x in pen.steps(pitch):
        pen.line([(x, 0.1), (x, 0.92)], 0.028, pen.ink.figure)
    y = 0.1 + shift
    while y < 0.92:
        pen.line([(pen.left, y), (pen.right, y)], 0.028, pen.ink.figure)
        y += pitch
