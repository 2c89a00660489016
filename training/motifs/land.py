"""Motifs of the ground: what people build there, and the ways across it."""

from math import pi, sin

from training.motifs.ground import standing
from training.motifs.table import motif
from training.palettes import mix
from training.pen import BLACK, Pen


@motif("ground")
def city(pen: Pen) -> None:
    """Towers with lit windows."""
    tone, c = pen.unlike(pen.ink.haze, pen.ink.sky), pen.cell
    if tone != pen.dark:
        tone = mix(pen.ink.haze, tone, 0.4)
    lamp = pen.unlike(tone)
    for i, (x, half) in enumerate(pen.columns(min(0.25, max(c.width / 3, 0.1)))):
        k = (0.62, 0.9, 0.72, 0.98, 0.56)[(i + 2 * pen.shift) % 5]
        top, w = c.bottom - c.height * 0.95 * k, 0.86 * half
        pen.box(x - w, top, x + w, c.bottom, tone if i % 2 else mix(tone, pen.ink.haze, 0.22))
        y = top + 0.5 * w
        while y + 0.7 * w < c.bottom:
            pen.box(x - 0.5 * w, y, x + 0.5 * w, y + 0.6 * w, lamp)
            y += 1.3 * w


@motif("ground")
def houses(pen: Pen) -> None:
    wall = mix(pen.ink.light, pen.ink.haze, 0.2)
    roof = pen.unlike(wall, pen.ink.ground, among=(pen.ink.figure, pen.ink.haze, pen.dark))
    for x, foot, half, h in standing(pen, 0.36):
        w = min(0.78 * half, 0.36 * h)
        eaves, ridge = foot - 1.2 * w, foot - 2.4 * w
        pen.box(x - w, eaves, x + w, foot, wall)
        pen.shape([(x - 1.22 * w, eaves), (x, ridge), (x + 1.22 * w, eaves)], roof)
        pen.box(x - 0.28 * w, foot - 0.85 * w, x + 0.28 * w, foot, roof)


@motif("ground")
def stones(pen: Pen) -> None:
    """Cairns: stones one on another."""
    tone = pen.unlike(pen.ink.haze, pen.ink.ground)
    for x, foot, half, h in standing(pen, 0.5):
        w, y = min(0.9 * half, 0.56 * h), foot
        for i, (k, tall) in enumerate(((1.0, 0.2), (0.74, 0.17), (0.52, 0.14), (0.3, 0.1))):
            y -= tall * h * 0.72
            dx = pen.flip * w * (0.0, 0.08, -0.07, 0.03)[i]
            pen.oval(x + dx, y, k * w, tall * h * 0.78, mix(tone, BLACK, 0.3))
            lit = mix(tone, pen.ink.light, 0.1 + 0.12 * i)
            pen.oval(x + dx - 0.04 * w, y - 0.03 * h, 0.9 * k * w, tall * h * 0.58, lit)
            y -= tall * h * 0.62


@motif("ground")
def dunes(pen: Pen) -> None:
    """Three hills of sand, one before the other, each lit on one side of its winding crest."""
    c = pen.cell
    far = ((0.26, 0.3, 0.45), (0.46, 0.72, 0.2)) if c.width > 0.4 else ()
    for top, across, tone in (*far, (0.7 if far else 0.3, 0.34, 0.0)):
        across = across if pen.flip > 0 else 1 - across
        (x, y), wide = pen.at(across, top), max(c.width, 0.4)
        lit = mix(mix(pen.ink.ground, pen.ink.light, 0.45), pen.ink.haze, tone)
        slope = [i / 12 for i in range(-24, 25)]
        ridge = [(x + t * wide, y + 0.9 * c.height * t * t / (0.3 + abs(t))) for t in slope]
        pen.shape([*ridge, (c.right + 1, c.bottom), (c.left - 1, c.bottom)], lit)
        crest = [
            (x + 0.12 * wide * sin(2.6 * pi * t) - 0.1 * wide * t, y + t * (c.bottom - y))
            for t in (i / 12 for i in range(12, -1, -1))
        ]
        pen.shape([*crest, *ridge[24:], (c.right + 1, c.bottom)], mix(lit, pen.dark, 0.42))


@motif("ground")
def road(pen: Pen) -> None:
    """A road that winds to the horizon."""
    tone = pen.unlike(pen.ink.ground, mix(pen.ink.ground, pen.ink.haze, 0.4))
    dash = pen.dark if tone != pen.dark else pen.ink.light
    half = min(0.44 * pen.cell.width, 0.36)
    bend = 0.75 if half > 0.2 else 0.1
    left, right, middle = [], [], []
    for i in range(21):
        t = i / 20
        x, y = pen.at(0.5, 0.3 + 0.72 * t)
        w = half * (0.07 + 0.72 * t**1.4)
        x += pen.flip * half * bend * sin(1.15 * pi * (1 - t) ** 0.7 * 1.8) * (0.35 + 0.4 * t)
        left.append((x - w, y))
        right.append((x + w, y))
        middle.append((x, y, w))
    pen.shape(left + right[::-1], tone)
    for i in (6, 11, 16):
        (x, y, w), (x1, y1, w1) = middle[i], middle[i + 2]
        k = 0.13 if half > 0.2 else 0.2
        pen.shape([(x - k * w, y), (x + k * w, y), (x1 + k * w1, y1), (x1 - k * w1, y1)], dash)


@motif("ground")
def arches(pen: Pen) -> None:
    """A viaduct."""
    tone = pen.bold
    top, foot = pen.at(0, 0.29)[1], pen.at(0, 0.9)[1]
    hole = pen.unlike(
        tone, among=(mix(pen.ink.haze, pen.ink.light, 0.3), mix(pen.ink.sky, BLACK, 0.4))
    )
    pen.box(pen.cell.left, top, pen.cell.right, foot, tone)
    lip = 0.07 * pen.cell.height
    pen.box(pen.cell.left, top - lip, pen.cell.right, top + lip, mix(tone, pen.ink.light, 0.45))
    for x, half in pen.columns(0.34 if pen.cell.width > 0.5 else 0.2):
        w = 0.7 * half
        crown = top + 2.4 * lip + w
        pen.disc(x, crown, w, hole)
        pen.box(x - w, crown, x + w, foot, hole)


@motif("ground")
def door(pen: Pen) -> None:
    x, y, r = pen.spot(0.6, 1.0, 0.94)
    y = pen.cell.bottom - 1.08 * r
    w, foot, crown = 0.52 * r, y + r, y - 0.45 * r
    frame = pen.unlike(pen.ink.light, pen.ink.haze)
    pen.glow(x, y, 1.5 * r, mix(pen.ink.haze, pen.ink.light, 0.6))
    for k, colour in ((1.0, frame), (0.64, pen.ink.light)):
        pen.disc(x, crown, k * w, colour)
        pen.box(x - k * w, crown, x + k * w, foot, colour)
    pen.shape(
        [
            (x - 0.7 * w, foot),
            (x + 0.7 * w, foot),
            (x + 1.3 * w, foot + 0.3),
            (x - 1.3 * w, foot + 0.3),
        ],
        mix(pen.ink.ground, pen.ink.light, 0.6),
    )
    pen.disc(x + pen.flip * 0.3 * w, y + 0.3 * r, 0.17 * w, frame)


@motif("ground")
def boat(pen: Pen) -> None:
    x, y, r = pen.spot(1.0, 1.0, 0.86)
    sea = pen.at(0, 0.72)[1]
    y, f = sea - 0.2 * r, pen.flip * r
    water = mix(pen.ink.ground, pen.ink.haze, 0.25)
    pen.box(pen.cell.left, sea, pen.cell.right, 1.0, water)
    glass = mix(water, pen.ink.light, 0.55)
    pen.oval(x, sea + 0.45 * r, 0.7 * r, 0.1 * r, glass)
    hull = pen.unlike(water, pen.ink.haze)
    cloth = pen.unlike(pen.ink.haze, mix(pen.ink.sky, pen.ink.haze, 0.5))
    pen.shape(
        [(x - r, y), (x + r, y), (x + 0.66 * r, y + 0.4 * r), (x - 0.66 * r, y + 0.4 * r)], hull
    )
    pen.shape(
        [(x - 0.32 * f, y - 0.12 * r), (x - 0.32 * f, y - 1.5 * r), (x + 0.86 * f, y - 0.12 * r)],
        cloth,
    )
