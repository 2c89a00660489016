"""Motifs of the ground: they share the lower part of a scene."""

from math import cos, pi, sin

from flopslab.tiny.motifs.table import motif
from flopslab.tiny.palettes import mix
from flopslab.tiny.pen import BLACK, Pen


@motif("ground")
def waves(pen: Pen) -> None:
    """Rows of scallops, nearer ones deeper in tone."""
    ink, c = pen.ink, pen.cell
    columns = pen.columns(pen.between(0.25, 0.34) if c.width > 0.5 else 0.2)
    half = columns[0][1]
    tall = half * (0.75 + 0.5 * pen.energy)
    tones = [mix(ink.haze, ink.ground, share) for share in (0.5, 0.8)]
    tones += [mix(ink.ground, pen.dark, share) for share in (0.15, 0.5, 0.8)]
    places = [columns[0][0] - 2 * half, *(x for x, _ in columns), columns[-1][0] + 2 * half]
    for j, tone in enumerate(tones):
        y = pen.at(0, 0.4 + 0.16 * j)[1] if c.height > 0.5 else pen.at(0, 0.25 + 0.24 * j)[1]
        crest = mix(tone, ink.light, 0.72)
        pen.box(c.left, y, c.right, c.bottom, tone)
        for x in places:
            x += pen.flip * half if j % 2 else 0.0
            pen.oval(x, y, half, tall, crest)
            pen.oval(x, y + 0.28 * tall, 0.78 * half, 0.86 * tall, tone)


def tongue(x: float, foot: float, w: float, h: float, sway: float) -> list[tuple[float, float]]:
    """The outline of a flame."""
    wide = (
        (0, 0.5),
        (0.08, 0.82),
        (0.2, 1.0),
        (0.34, 0.95),
        (0.5, 0.7),
        (0.66, 0.42),
        (0.85, 0.16),
    )
    tip = [(x + sway * w, foot - h)]
    left = [(x - k * w + sway * w * t * t, foot - t * h) for t, k in wide]
    right = [(x + k * w + sway * w * t * t, foot - t * h) for t, k in reversed(wide)]
    return left + tip + right


@motif("ground")
def flames(pen: Pen) -> None:
    """Three tongues, each in three colours, one in the other."""
    columns = pen.columns(0.31)
    outer = mix(pen.ink.figure, pen.ink.haze, 0.5)
    pen.glow(*pen.at(0.5, 0.75), 0.75 * pen.cell.height, outer)
    for k, colour in ((1.0, outer), (0.68, pen.ink.figure), (0.38, pen.ink.light)):
        for i, (x, half) in enumerate(columns):
            tall = i % 2 == len(columns) // 2 % 2
            h = pen.cell.height * (0.9 if tall else 0.66)
            w = min(1.04 * half, 0.42 * h) * (0.2 + 0.8 * k)
            pen.shape(
                tongue(x, pen.cell.bottom - 0.02, w, k * h, pen.flip * (0.5 if tall else -0.5)),
                colour,
            )


@motif("ground")
def peaks(pen: Pen) -> None:
    c = pen.cell
    rows = ((0.3, 0.34, 0.42), (0.68, 0.06, 0.52)) if c.width > 0.3 else ((0.5, 0.06, 0.55),)
    for i, (across, top, wide) in enumerate(rows):
        across = (across if pen.flip > 0 else 1 - across) + pen.between(-0.1, 0.1)
        (x, y), foot = pen.at(across, top + pen.between(0, 0.12)), pen.at(0, 0.86)[1]
        w = min(wide * c.width, 0.9 * (foot - y))
        tone = mix(pen.bold, pen.ink.haze, 0.0 if i == len(rows) - 1 else 0.35)
        pen.shape([(x - w, foot), (x, y), (x + w, foot)], tone)
        shade = [(x, y), (x + pen.flip * w, foot), (x + pen.flip * 0.15 * w, foot)]
        pen.shape(shade, mix(tone, BLACK, 0.35))
        cap, d = 0.36, foot - y
        cut = [(-cap, cap), (0, 0), (cap, cap), (0.5 * cap, 0.75 * cap), (0, 1.15 * cap)]
        white = pen.unlike(tone) if pen.bold == pen.ink.light else pen.ink.light
        pen.shape([(x + a * w, y + b * d) for a, b in [*cut, (-0.5 * cap, 0.75 * cap)]], white)
    x, y = pen.at(0.5, 1.15)
    pen.oval(x, y, 0.85 * c.width, 0.36 * c.height, mix(pen.ink.ground, BLACK, 0.12))


def standing(pen: Pen, pitch: float) -> list[tuple[float, float, float, float]]:
    """Things side by side, x, foot, half width and height, each with its shadow on the ground."""
    things = []
    for i, (x, half) in enumerate(pen.columns(pitch)):
        far = (i + (pen.flip > 0)) % 2
        foot = pen.at(0, 0.86 if far else 0.94)[1]
        h = pen.cell.height * (0.7 if far else 0.8) * pen.between(0.92, 1.05)
        pen.oval(x, foot, 0.95 * half, 0.05 * h, mix(pen.ink.ground, BLACK, 0.4))
        things.append((x, foot, half, h))
    return things


@motif("ground")
def pines(pen: Pen) -> None:
    tone = pen.unlike(pen.ink.haze, mix(pen.ink.ground, pen.ink.haze, 0.5))
    for x, foot, half, h in standing(pen, 0.28):
        w = min(0.95 * half, 0.36 * h)
        pen.box(x - 0.14 * w, foot - 0.2 * h, x + 0.14 * w, foot, mix(tone, BLACK, 0.4))
        for k, low, high in ((1.0, 0.12, 0.55), (0.78, 0.38, 0.8), (0.52, 0.64, 1.0)):
            pen.shape(
                [(x - k * w, foot - low * h), (x, foot - high * h), (x, foot - low * h)], tone
            )
            shade = mix(tone, pen.ink.ground, 0.35)
            pen.shape(
                [(x + k * w, foot - low * h), (x, foot - high * h), (x, foot - low * h)], shade
            )


@motif("ground")
def trees(pen: Pen) -> None:
    tone = pen.bold
    bark = mix(pen.ink.ground, BLACK if sum(pen.ink.ground) > 150 else pen.ink.light, 0.5)
    for x, foot, half, h in standing(pen, 0.36):
        r = min(0.98 * half, 0.36 * h)
        pen.shape([(x - 0.26 * r, foot), (x, foot - 0.8 * h), (x + 0.26 * r, foot)], bark)
        pen.disc(x, foot - h + r, r, mix(tone, BLACK, 0.2))
        pen.disc(x - pen.flip * 0.12 * r, foot - h + 0.92 * r, 0.84 * r, tone)
        pen.disc(
            x - pen.flip * 0.34 * r, foot - h + 0.7 * r, 0.32 * r, mix(tone, pen.ink.light, 0.6)
        )


@motif("ground")
def grass(pen: Pen) -> None:
    foot = pen.cell.bottom
    tall = pen.unlike(pen.ink.haze, pen.ink.ground)
    for i, (x, half) in enumerate(pen.columns(min(0.115, pen.cell.width / 4))):
        h = pen.cell.height * (0.78, 0.56, 0.68)[i % 3]
        lean = pen.flip * half * (0.6 + 1.4 * pen.energy) * (1.2, -0.3, 0.7)[i % 3]
        w = 0.8 * half
        blade = [
            (x - w, foot),
            (x - 0.8 * w + 0.3 * lean, foot - 0.55 * h),
            (x + 1.6 * lean, foot - h),
            (x + 0.8 * w + 0.3 * lean, foot - 0.5 * h),
            (x + w, foot),
        ]
        pen.shape(blade, tall if i % 2 else mix(tall, pen.ink.ground, 0.35))


@motif("ground")
def flowers(pen: Pen) -> None:
    """Daisies on stems."""
    tone = pen.ink.figure
    heart = pen.ink.light if tone != pen.ink.light else pen.dark
    stem = mix(pen.ink.ground, (18, 70, 30), 0.6)
    for x, foot, half, h in standing(pen, 0.36):
        r = min(0.56 * half, 0.22 * h)
        y = foot - h + 1.6 * r
        pen.box(x - 0.2 * r, y, x + 0.2 * r, foot, stem)
        leaf = pen.flip * 0.8 * r
        pen.oval(x + leaf, foot - 0.24 * h, 0.75 * r, 0.34 * r, stem)
        for i in range(6):
            a = pi * i / 3 + pi / 6
            pen.disc(x + r * cos(a), y + r * sin(a), 0.62 * r, tone)
        pen.disc(x, y, 0.58 * r, heart)


@motif("ground")
def city(pen: Pen) -> None:
    """Towers with lit windows."""
    tone, c = pen.unlike(pen.ink.haze, pen.ink.sky), pen.cell
    if tone != pen.dark:
        tone = mix(pen.ink.haze, tone, 0.4)
    lamp = pen.unlike(tone)
    turn = int(pen.between(0, 5))
    for i, (x, half) in enumerate(pen.columns(0.2)):
        k = (0.62, 0.9, 0.72, 0.98, 0.56)[(i + turn) % 5]
        top, w = c.bottom - c.height * k * pen.between(0.9, 1.0), 0.86 * half
        pen.box(x - w, top, x + w, c.bottom, tone if i % 2 else mix(tone, pen.ink.haze, 0.22))
        y = top + 0.5 * w
        while y + 0.7 * w < c.bottom:
            for side in (-0.44, 0.44):
                pen.box(x + (side - 0.26) * w, y, x + (side + 0.26) * w, y + 0.75 * w, lamp)
            y += 1.35 * w


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
        w, y = min(0.86 * half, 0.46 * h), foot
        for i, (k, tall) in enumerate(((1.0, 0.2), (0.74, 0.17), (0.52, 0.14), (0.3, 0.1))):
            y -= tall * h * 0.72
            dx = pen.flip * w * (0.0, 0.08, -0.07, 0.03)[i]
            pen.oval(x + dx, y, k * w, tall * h * 0.78, mix(tone, BLACK, 0.3))
            lit = mix(tone, pen.ink.light, 0.12 * i)
            pen.oval(x + dx - 0.04 * w, y - 0.03 * h, 0.9 * k * w, tall * h * 0.58, lit)
            y -= tall * h * 0.62


@motif("ground")
def dunes(pen: Pen) -> None:
    """Three hills of sand, one before the other, each lit on one side of its winding crest."""
    c = pen.cell
    for top, across, tone in ((0.26, 0.3, 0.45), (0.46, 0.72, 0.2), (0.7, 0.34, 0.0)):
        across = (across if pen.flip > 0 else 1 - across) + pen.between(-0.08, 0.08)
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
    left, right, middle = [], [], []
    for i in range(21):
        t = i / 20
        x, y = pen.at(0.5, 0.3 + 0.72 * t)
        w = half * (0.07 + 0.72 * t**1.4)
        x += pen.flip * half * 0.75 * sin(1.15 * pi * (1 - t) ** 0.7 * 1.8) * (0.35 + 0.4 * t)
        left.append((x - w, y))
        right.append((x + w, y))
        middle.append((x, y, w))
    pen.shape(left + right[::-1], tone)
    for i in (6, 11, 16):
        (x, y, w), (x1, y1, w1) = middle[i], middle[i + 2]
        k = 0.13
        pen.shape([(x - k * w, y), (x + k * w, y), (x1 + k * w1, y1), (x1 - k * w1, y1)], dash)


@motif("ground")
def arches(pen: Pen) -> None:
    """A viaduct."""
    tone = pen.bold
    top, foot = pen.at(0, 0.26 + pen.between(0, 0.06))[1], pen.at(0, 0.9)[1]
    hole = (
        mix(pen.ink.haze, pen.ink.light, 0.3) if tone == pen.dark else mix(pen.ink.sky, BLACK, 0.4)
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
    for k, colour in ((1.0, frame), (0.7, pen.ink.light)):
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
    pen.disc(x + pen.flip * 0.36 * w, y + 0.3 * r, 0.14 * w, frame)


@motif("ground")
def boat(pen: Pen) -> None:
    x, y, r = pen.spot(1.0, 1.0, 0.86)
    sea = pen.at(0, 0.72)[1]
    y, f = sea - 0.2 * r, pen.flip * r
    water = mix(pen.ink.ground, pen.ink.haze, 0.25)
    pen.box(pen.cell.left, sea, pen.cell.right, 1.0, water)
    glass = mix(water, pen.ink.light, 0.55)
    pen.oval(x, sea + 0.3 * r, 0.7 * r, 0.07 * r, glass)
    pen.oval(x, sea + 0.55 * r, 0.45 * r, 0.07 * r, glass)
    hull = pen.unlike(water, pen.ink.haze)
    cloth = pen.unlike(pen.ink.haze, mix(pen.ink.sky, pen.ink.haze, 0.5))
    pen.shape(
        [(x - r, y), (x + r, y), (x + 0.66 * r, y + 0.4 * r), (x - 0.66 * r, y + 0.4 * r)], hull
    )
    pen.shape(
        [(x + 0.06 * f, y - 0.1 * r), (x + 0.06 * f, y - 1.5 * r), (x + 0.9 * f, y - 0.1 * r)],
        cloth,
    )
    jib = mix(cloth, pen.ink.haze, 0.3)
    pen.shape(
        [(x - 0.1 * f, y - 0.1 * r), (x - 0.1 * f, y - 1.15 * r), (x - 0.7 * f, y - 0.1 * r)], jib
    )
