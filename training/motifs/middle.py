"""Motifs that stand before the scene, between sky and ground."""

from math import cos, pi, sin

from training.motifs.table import motif
from training.palettes import gap, mix
from training.pen import BLACK, Pen


def backing(pen: Pen, x: float, y: float, r: float) -> None:
    """A soft light or shadow behind a figure, whichever it stands out from."""
    tones = (mix(pen.ink.sky, BLACK, 0.5), pen.ink.sky, pen.ink.haze, pen.ink.light)
    pen.glow(x, y, r, pen.unlike(pen.bold, among=tones))


@motif("middle")
def rings(pen: Pen) -> None:
    """Rings around a dot: two, or one where there is little room."""
    x, y, r = pen.spot()
    backing(pen, x, y, 1.5 * r)
    roomy = r > 0.19
    for k in (1.0, 0.62) if roomy else (1.0,):
        pen.ring(x, y, k * r, (0.19 if roomy else 0.27) * r, pen.bold)
    pen.disc(x, y, (0.22 if roomy else 0.36) * r, pen.bold)


@motif("middle")
def spiral(pen: Pen) -> None:
    x, y, r = pen.spot(share=0.9)
    backing(pen, x, y, 1.5 * r)
    turns, width = (1.9, 0.23) if r > 0.19 else (1.4, 0.3)
    points = []
    for i in range(61):
        t, a = i / 60, pen.flip * 2 * pi * turns * i / 60
        points.append((x + 0.9 * r * t * cos(a), y + 0.9 * r * t * sin(a)))
    pen.line(points, width * r, pen.bold)


@motif("middle")
def orbs(pen: Pen) -> None:
    """Three shaded balls."""
    size = min(pen.cell.width, pen.cell.height)
    tone = pen.bold if sum(pen.bold) < 560 else mix(pen.bold, pen.ink.sky, 0.4)
    for across, down, k in ((0.36, 0.62, 0.27), (0.68, 0.32, 0.2), (0.76, 0.76, 0.14)):
        across = across if pen.flip > 0 else 1 - across
        x, y = pen.at(across, down)
        r = k * size
        pen.glow(x, y, 1.6 * r, mix(pen.ink.haze, pen.ink.light, 0.4))
        pen.disc(x, y, r, mix(tone, BLACK, 0.35))
        pen.disc(x - 0.12 * r, y - 0.12 * r, 0.8 * r, tone)
        pen.disc(x - 0.3 * r, y - 0.32 * r, 0.3 * r, mix(tone, (255, 255, 255), 0.75))


@motif("middle")
def heart(pen: Pen) -> None:
    x, y, r = pen.spot()
    backing(pen, x, y, 1.7 * r)
    curve = [
        (
            x + r * sin(t) ** 3,
            y - r * (13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)) / 16,
        )
        for t in (2 * pi * i / 48 for i in range(48))
    ]
    pen.shape(curve, pen.bold)
    gleam = mix(pen.bold, (255, 255, 255), 0.6)
    pen.oval(x - pen.flip * 0.45 * r, y - 0.4 * r, 0.2 * r, 0.16 * r, gleam)


@motif("middle")
def eye(pen: Pen) -> None:
    x, y, r = pen.spot(1.0, 0.7, 0.92)
    upper = [(x + r * (2 * t - 1), y - 0.62 * r * sin(pi * t)) for t in (i / 20 for i in range(21))]
    lower = [(a, y + 0.85 * (y - b)) for a, b in reversed(upper)]
    iris, white = pen.bold, pen.ink.light
    if gap(iris, white) < 200:
        iris = pen.dark
    pen.shape([(a, b - 0.16 * r) for a, b in upper] + [(a, b + 0.1 * r) for a, b in lower], iris)
    pen.shape(upper + lower, white)
    pen.disc(x, y, 0.46 * r, iris)
    pen.disc(x, y, 0.22 * r, mix(iris, BLACK, 0.85) if sum(iris) > 240 else white)


@motif("middle")
def crystal(pen: Pen) -> None:
    """One gem, cut like a diamond."""
    x, y, r = pen.spot(0.9, 1.0, 0.86)
    backing(pen, x, y, 1.6 * r)
    left, right, foot = (x - 0.9 * r, y - 0.25 * r), (x + 0.9 * r, y - 0.25 * r), (x, y + r)
    a, b = (x - 0.5 * r, y - 0.8 * r), (x + 0.5 * r, y - 0.8 * r)
    c, d = (x - 0.35 * r, y - 0.25 * r), (x + 0.35 * r, y - 0.25 * r)
    base = pen.bold
    pale, deep = mix(base, (255, 255, 255), 0.6), mix(base, BLACK, 0.4)
    pen.shape([left, a, b, right, foot], base)
    lit, unlit = (deep, pale) if pen.flip < 0 else (pale, deep)
    pen.shape([left, a, c], lit)
    pen.shape([right, b, d], unlit)
    pen.shape([a, b, d, c], mix(pale, base, 0.5))
    pen.shape([left, c, foot], mix(lit, base, 0.5))
    pen.shape([right, d, foot], mix(unlit, base, 0.2))


@motif("middle")
def wings(pen: Pen) -> None:
    """One butterfly."""
    x, y, r = pen.spot(1.0, 0.85, 0.9)
    backing(pen, x, y, 1.6 * r)
    tone = pen.bold
    spot = mix(tone, pen.unlike(tone), 0.65)
    for side in (-1, 1):
        upper = [(0.05, -0.1), (0.3, -0.6), (0.7, -0.85), (1.0, -0.7), (0.95, -0.2), (0.5, 0.1)]
        pen.shape([(x + side * a * r, y + b * r) for a, b in upper], tone)
        pen.disc(x + side * 0.68 * r, y - 0.42 * r, 0.36 * r, tone)
        pen.disc(x + side * 0.46 * r, y + 0.38 * r, 0.4 * r, mix(tone, spot, 0.35))
        pen.oval(x + side * 0.66 * r, y - 0.44 * r, 0.22 * r, 0.17 * r, spot)
    pen.oval(x, y, 0.1 * r, 0.62 * r, pen.dark)


@motif("middle")
def smoke(pen: Pen) -> None:
    """Plumes that widen and sway as they rise, and end in a billow lit from one side."""
    for x, half in pen.columns(0.45):
        reach = min(half, 0.21, 0.5 * pen.cell.height)
        tone = mix(pen.bold, pen.ink.haze, 0.15)
        left, right = [], []
        middle, y = x, pen.at(0, 0.98)[1]
        for i in range(21):
            t = i / 20
            y = pen.at(0, 0.98 - 0.66 * t)[1]
            middle = x + pen.flip * reach * 0.3 * sin(4.5 * t)
            w = reach * (0.14 + 0.44 * t)
            left.append((middle - w, y))
            right.append((middle + w, y))
        pen.shape(left + right[::-1], tone)
        puffs = ((-0.5, 0.0, 0.46), (0.46, -0.12, 0.48), (-0.05, -0.4, 0.5), (0.3, 0.5, 0.36))
        for k, colour in ((1.0, tone), (0.6, mix(tone, pen.ink.haze, 0.5))):
            for dx, dy, size in puffs if k == 1 else puffs[:3]:
                up = (1 - k) * 0.3
                px, py = middle + pen.flip * (dx - up) * reach, y + (dy - up) * reach
                pen.disc(px, py, k * size * reach, colour)


@motif("middle")
def bars(pen: Pen) -> None:
    _, top = pen.at(0, -0.05)
    _, foot = pen.at(0, 1.05)
    lean = pen.flip * 0.12 * min(pen.cell.width, 0.4)
    for x, half in pen.columns(0.26 if pen.cell.width > 0.5 else 0.16):
        w = 0.46 * half
        pen.shape(
            [(x + lean - w, top), (x + lean + w, top), (x - lean + w, foot), (x - lean - w, foot)],
            pen.bold,
        )


@motif("middle")
def weave(pen: Pen) -> None:
    """A net of thick bands, one way over the other."""
    x0, y0 = pen.at(0.04, 0.06)
    x1, y1 = pen.at(0.96, 0.94)
    columns = pen.columns(0.29 if pen.cell.width > 0.5 else 0.18)
    w = 0.36 * columns[0][1]
    across = mix(pen.bold, pen.unlike(pen.bold), 0.3)
    for x, _ in columns:
        pen.box(x - w, y0, x + w, y1, pen.bold)
    count = max(2, round((y1 - y0) / (2 * columns[0][1])))
    for j in range(count):
        y = y0 + (y1 - y0) * (j + 0.5) / count
        pen.box(x0, y - w, x1, y + w, across)
        for x, _ in columns[j % 2 :: 2]:
            pen.box(x - w, y - 1.4 * w, x + w, y + 1.4 * w, pen.bold)
