"""Motifs of the ground: they share the lower part of a scene."""

from math import cos, pi, sin

from flopslab.tiny.motifs.table import motif
from flopslab.tiny.palettes import mix
from flopslab.tiny.pen import Pen


@motif("ground")
def waves(pen: Pen) -> None:
    rows = 5
    height = 0.012 + 0.045 * pen.energy
    for i in range(rows):
        y = pen.horizon + (1 - pen.horizon) * (i + 0.2) / rows
        phase, k = pen.between(0, 2 * pi), pen.between(14, 19)
        crest = [(x, y + height * sin(phase + k * x)) for x in pen.steps(0.02)]
        colour = mix(pen.ink.ground, pen.ink.figure, 0.25 + 0.75 * (i / rows))
        pen.shape([*crest, (pen.right, 1.0), (pen.left, 1.0)], colour)
        pen.line(crest, 0.02, pen.ink.light)


@motif("ground")
def flames(pen: Pen) -> None:
    for scale, colour in (
        (1.0, mix(pen.ink.figure, pen.ink.haze, 0.45)),
        (0.72, pen.ink.figure),
        (0.4, pen.ink.light),
    ):
        for x in pen.steps(0.17):
            x, h, w = (
                x + pen.between(-0.04, 0.04),
                scale * pen.between(0.4, 0.7),
                0.1 * (0.4 + 0.6 * scale),
            )
            sway = pen.between(-0.06, 0.06)
            pen.shape(
                [
                    (x - w, 1.0),
                    (x - 0.9 * w, 1 - 0.35 * h),
                    (x + sway, 1 - h),
                    (x + 0.9 * w, 1 - 0.3 * h),
                    (x + w, 1.0),
                ],
                colour,
            )


@motif("ground")
def peaks(pen: Pen) -> None:
    for _ in range(max(2, pen.count(4))):
        w = pen.fit(pen.between(0.2, 0.3))
        x, top = (
            pen.inside(0.3 * w),
            pen.horizon - pen.between(0.2, 0.42) * (0.7 + 0.6 * pen.energy),
        )
        base = pen.horizon + 0.06
        slope = w / (base - top)
        pen.shape([(x - w, base), (x, top), (x + w, base)], pen.ink.figure)
        pen.shape(
            [(x, top), (x + w, base), (x + 0.2 * w, base)], mix(pen.ink.figure, pen.ink.ground, 0.5)
        )
        cap = 0.34 * (base - top)
        pen.shape(
            [
                (x - cap * slope, top + cap),
                (x, top),
                (x + cap * slope, top + cap),
                (x + 0.3 * cap * slope, top + 0.7 * cap),
                (x - 0.2 * cap * slope, top + cap),
            ],
            pen.ink.light,
        )


@motif("ground")
def pines(pen: Pen) -> None:
    for x, y in pen.rows(pen.count(9), 0.06):
        h = pen.between(0.26, 0.4)
        w = 0.3 * h
        pen.line([(x, y), (x, y - 0.2 * h)], 0.025, mix(pen.ink.figure, pen.ink.ground, 0.4))
        for k, tone in ((0.0, 0.0), (0.28, 0.12), (0.54, 0.24)):
            s = 1 - 0.75 * k
            pen.shape(
                [
                    (x - s * w, y - (0.12 + k) * h),
                    (x, y - (0.52 + 0.9 * k) * h),
                    (x + s * w, y - (0.12 + k) * h),
                ],
                mix(pen.ink.figure, pen.ink.light, tone),
            )


@motif("ground")
def trees(pen: Pen) -> None:
    for x, y in pen.rows(pen.count(6), 0.07):
        h = pen.between(0.26, 0.36)
        pen.line([(x, y), (x, y - 0.55 * h)], 0.036, mix(pen.ink.ground, (0, 0, 0), 0.45))
        for dx, dy, k in ((-0.22, -0.62, 0.26), (0.22, -0.64, 0.25), (0, -0.84, 0.29)):
            pen.disc(x + dx * h, y + dy * h, k * h, pen.ink.figure)
        pen.disc(x - 0.1 * h, y - 0.86 * h, 0.13 * h, mix(pen.ink.figure, pen.ink.light, 0.6))


@motif("ground")
def grass(pen: Pen) -> None:
    for x in pen.steps(0.035):
        x, h = x + pen.between(-0.012, 0.012), pen.between(0.2, 0.42)
        lean = pen.between(-0.08, 0.08) * (0.5 + pen.energy)
        tone = mix(pen.ink.figure, pen.ink.light, pen.between(0.5, 0.8) if pen.chance(0.5) else 0.0)
        pen.shape([(x - 0.02, 1.0), (x + lean, 1 - h), (x + 0.02, 1.0)], tone)


@motif("ground")
def flowers(pen: Pen) -> None:
    for x, y in pen.rows(pen.count(7), 0.12):
        h, r = pen.between(0.12, 0.22), pen.fit(pen.between(0.04, 0.055))
        pen.line([(x, y + 0.1), (x, y - h)], 0.018, mix(pen.ink.ground, (20, 60, 20), 0.6))
        for i in range(5):
            a = 2 * pi * i / 5 - pi / 2
            pen.disc(x + 1.05 * r * cos(a), y - h + 1.05 * r * sin(a), 0.75 * r, pen.ink.figure)
        pen.disc(x, y - h, 0.6 * r, pen.ink.light)


@motif("ground")
def city(pen: Pen) -> None:
    for x in pen.steps(0.13):
        w, top = pen.between(0.05, 0.065), pen.horizon + 0.1 - pen.between(0.28, 0.62)
        pen.box(x - w, top, x + w, 1.0, pen.ink.figure)
        y = top + 0.05
        while y < 0.94:
            for dx in (-0.5, 0.5):
                if pen.chance(0.7):
                    pen.box(x + dx * w - 0.014, y, x + dx * w + 0.014, y + 0.03, pen.ink.light)
            y += 0.075


@motif("ground")
def houses(pen: Pen) -> None:
    for x, y in pen.rows(pen.count(4), 0.1):
        w = pen.fit(pen.between(0.1, 0.13))
        pen.box(x - w, y - 1.2 * w, x + w, y + 0.2 * w, mix(pen.ink.light, pen.ink.haze, 0.3))
        pen.shape(
            [(x - 1.25 * w, y - 1.2 * w), (x, y - 2.3 * w), (x + 1.25 * w, y - 1.2 * w)],
            pen.ink.figure,
        )
        pen.box(x - 0.25 * w, y - 0.6 * w, x + 0.25 * w, y + 0.2 * w, pen.ink.figure)


@motif("ground")
def stones(pen: Pen) -> None:
    for x, y in pen.rows(pen.count(9), 0.16):
        r = pen.fit(pen.between(0.06, 0.11))
        pen.oval(x, y, r, 0.68 * r, pen.ink.figure)
        pen.oval(
            x - 0.2 * r, y - 0.22 * r, 0.55 * r, 0.28 * r, mix(pen.ink.figure, pen.ink.light, 0.55)
        )


@motif("ground")
def dunes(pen: Pen) -> None:
    for i in range(4):
        y = pen.horizon - 0.06 + 0.13 * i
        phase, k = pen.between(0, 2 * pi), pen.between(4, 7)
        ridge = [(x, y + 0.06 * sin(phase + k * x)) for x in pen.steps(0.02)]
        colour = mix(pen.ink.light, pen.ink.ground, 0.25 + 0.2 * i)
        pen.shape([*ridge, (pen.right, 1.0), (pen.left, 1.0)], colour)
        pen.line(ridge, 0.014, pen.ink.figure)


@motif("ground")
def road(pen: Pen) -> None:
    x, foot = pen.at(pen.between(0.3, 0.7)), pen.at(pen.between(0.35, 0.65))
    half = pen.fit(0.34)
    bend = x + pen.between(-0.12, 0.12)
    y = pen.horizon
    mid = (y + 1) / 2
    pen.shape(
        [
            (x - 0.02, y),
            (x + 0.02, y),
            (bend + 0.4 * half, mid),
            (foot + half, 1.0),
            (foot - half, 1.0),
            (bend - 0.4 * half, mid),
        ],
        pen.ink.figure,
    )
    pen.line([(x, y + 0.02), (bend, mid), (foot, 1.0)], 0.016, pen.ink.light)


@motif("ground")
def arches(pen: Pen) -> None:
    pitch = 0.25
    top = pen.horizon - pen.between(0.1, 0.2)
    pen.box(pen.left, top - 0.12, pen.right, 0.94, pen.ink.figure)
    pen.box(pen.left, top - 0.14, pen.right, top - 0.1, mix(pen.ink.figure, pen.ink.light, 0.6))
    for x in pen.steps(pitch):
        hole = mix(pen.ink.sky, (0, 0, 0), 0.25)
        pen.oval(x, top + 0.08, 0.085, 0.1, hole)
        pen.box(x - 0.085, top + 0.08, x + 0.085, 0.94, hole)


@motif("ground")
def door(pen: Pen) -> None:
    w = pen.fit(0.15)
    x, foot = pen.inside(1.2 * w), pen.between(0.86, 0.92)
    top = foot - 3.2 * w
    pen.glow(x, foot - 1.6 * w, 3 * w, pen.ink.light)
    for k, colour in ((1.25, pen.ink.figure), (1.0, pen.ink.light)):
        pen.oval(x, top + w, k * w, k * w, colour)
        pen.box(x - k * w, top + w, x + k * w, foot, colour)
    pen.disc(x + 0.6 * w, foot - 1.2 * w, 0.13 * w, pen.ink.figure)


@motif("ground")
def boat(pen: Pen) -> None:
    r = pen.fit(0.24)
    x, y = pen.inside(r), pen.horizon + pen.between(0.06, 0.14)
    pen.line([(pen.left, y + 0.45 * r), (pen.right, y + 0.45 * r)], 0.018, pen.ink.light)
    pen.shape(
        [(x - r, y), (x + r, y), (x + 0.65 * r, y + 0.45 * r), (x - 0.65 * r, y + 0.45 * r)],
        pen.ink.figure,
    )
    pen.shape(
        [(x - 0.06 * r, y - 0.1 * r), (x - 0.06 * r, y - 1.7 * r), (x - 0.85 * r, y - 0.1 * r)],
        mix(pen.ink.light, pen.ink.figure, 0.25),
    )
    pen.shape(
        [(x + 0.06 * r, y - 0.1 * r), (x + 0.06 * r, y - 1.4 * r), (x + 0.7 * r, y - 0.1 * r)],
        pen.ink.light,
    )
