"""Motifs that stand before the scene: things that people make and hold."""

from math import cos, pi, sin

from training.motifs.ground import tongue
from training.motifs.middle import backing
from training.motifs.table import motif
from training.palettes import mix
from training.pen import Pen, Point

Corners = list[tuple[float, float]]


def _around(x: float, y: float, r: float, flip: int, corners: Corners) -> list[Point]:
    """Corners in units of r around (x, y), mirrored where flip is -1."""
    return [(x + flip * a * r, y + b * r) for a, b in corners]


@motif("middle")
def key(pen: Pen) -> None:
    x, y, r = pen.spot(1.0, 0.56, 0.98)
    backing(pen, x, y, 1.4 * r)
    f = pen.flip * r
    left, right = sorted((x - 0.2 * f, x + 0.95 * f))
    pen.box(left, y - 0.1 * r, right, y + 0.1 * r, pen.bold)
    for at in (0.5, 0.84):
        a, b = sorted((x + (at - 0.1) * f, x + (at + 0.1) * f))
        pen.box(a, y, b, y + 0.44 * r, pen.bold)
    pen.ring(x - 0.52 * f, y, 0.44 * r, 0.19 * r, pen.bold)


@motif("middle")
def crown(pen: Pen) -> None:
    """Three points with balls, and a band."""
    x, y, r = pen.spot(0.95, 0.8, 0.92)
    backing(pen, x, y, 1.5 * r)
    edge = [(-0.8, 0.62), (-0.9, -0.3), (-0.42, 0.1), (0, -0.55), (0.42, 0.1), (0.9, -0.3)]
    pen.shape(_around(x, y, r, 1, [*edge, (0.8, 0.62)]), pen.bold)
    band = mix(pen.bold, pen.unlike(pen.bold), 0.45)
    pen.box(x - 0.8 * r, y + 0.4 * r, x + 0.8 * r, y + 0.68 * r, band)
    for a, b in ((-0.9, -0.36), (0, -0.6), (0.9, -0.36)):
        pen.disc(x + a * r, y + b * r, 0.17 * r, pen.bold)


@motif("middle")
def bell(pen: Pen) -> None:
    x, y, r = pen.spot(0.8, 1.0, 0.9)
    backing(pen, x, y, 1.5 * r)
    side = [(0.8, 0.5), (0.58, 0.3), (0.5, -0.2), (0.32, -0.56), (0, -0.68)]
    pen.disc(x, y - 0.74 * r, 0.16 * r, pen.bold)
    pen.disc(x, y + 0.66 * r, 0.2 * r, mix(pen.bold, pen.unlike(pen.bold), 0.4))
    pen.shape(_around(x, y, r, 1, side + [(-a, b) for a, b in reversed(side)]), pen.bold)
    pen.box(x - 0.86 * r, y + 0.42 * r, x + 0.86 * r, y + 0.6 * r, pen.bold)


@motif("middle")
def hourglass(pen: Pen) -> None:
    x, y, r = pen.spot(0.7, 1.0, 0.92)
    backing(pen, x, y, 1.5 * r)
    glass = mix(pen.ink.light, pen.ink.haze, 0.25)
    frame = pen.unlike(glass, pen.ink.sky)
    sand = pen.unlike(glass, frame, among=(pen.ink.figure, pen.ink.ground, pen.ink.haze, pen.dark))
    upper = [(-0.56, -0.8), (0.56, -0.8), (0.1, 0.0), (-0.1, 0.0)]
    pen.shape(_around(x, y, r, 1, upper), glass)
    pen.shape(_around(x, y, -r, 1, upper), glass)
    pen.shape(_around(x, y, r, 1, [(-0.32, -0.42), (0.32, -0.42), (0, 0.06)]), sand)
    pen.shape(_around(x, y, r, 1, [(-0.56, 0.8), (0, 0.26), (0.56, 0.8)]), sand)
    for down in (-0.9, 0.72):
        pen.box(x - 0.66 * r, y + down * r, x + 0.66 * r, y + (down + 0.2) * r, frame)


@motif("middle")
def book(pen: Pen) -> None:
    """An open book."""
    x, y, r = pen.spot(1.0, 0.7, 0.96)
    backing(pen, x, y, 1.5 * r)
    page = mix(pen.ink.light, pen.ink.haze, 0.1)
    cover = pen.unlike(page, pen.ink.sky)
    line = mix(page, cover, 0.55)
    for side in (-1, 1):
        edge = [(0, -0.42), (0.42, -0.6), (0.98, -0.46), (0.98, 0.52), (0.42, 0.4), (0, 0.62)]
        pen.shape(_around(x, y, r, side, edge), cover)
        inner = [
            (0.05, -0.3),
            (0.42, -0.46),
            (0.84, -0.36),
            (0.84, 0.34),
            (0.42, 0.24),
            (0.05, 0.4),
        ]
        pen.shape(_around(x, y, r, side, inner), page)
        for down in (-0.2, 0.06):
            mark = [(0.2, down), (0.7, down - 0.08), (0.7, down + 0.06), (0.2, down + 0.14)]
            pen.shape(_around(x, y, r, side, mark), line)


@motif("middle")
def cup(pen: Pen) -> None:
    """A cup with a handle, and two wisps of steam."""
    x, y, r = pen.spot(0.95, 1.0, 0.88)
    backing(pen, x, y, 1.5 * r)
    pen.ring(x + pen.flip * 0.56 * r, y + 0.24 * r, 0.36 * r, 0.16 * r, pen.bold)
    side = [(0.62, -0.12), (0.56, 0.46), (0.32, 0.76)]
    pen.shape(_around(x, y, r, 1, side + [(-a, b) for a, b in reversed(side)]), pen.bold)
    pen.oval(x, y - 0.12 * r, 0.62 * r, 0.15 * r, mix(pen.bold, pen.unlike(pen.bold), 0.5))
    pen.oval(x, y + 0.82 * r, 0.84 * r, 0.13 * r, pen.bold)
    for across in (-0.24, 0.24):
        wisp = [(x + (across + 0.1 * sin(4 * t)) * r, y - (0.36 + 0.5 * t) * r) for t in _SHARES]
        pen.line(wisp, 0.13 * r, pen.ink.light if pen.bold != pen.ink.light else pen.ink.haze)


_SHARES = [i / 10 for i in range(11)]


@motif("middle")
def sword(pen: Pen) -> None:
    """A sword, aslant, its point down."""
    x, y, r = pen.spot(0.75, 1.0, 0.98)
    backing(pen, x, y, 1.4 * r)
    blade = pen.unlike(pen.ink.sky, pen.ink.haze)
    hilt = mix(blade, pen.unlike(blade, pen.ink.sky), 0.5)
    lean = 0.55 * pen.flip

    def turned(corners: Corners) -> list[Point]:
        return [
            (x + r * (a * cos(lean) - b * sin(lean)), y + r * (a * sin(lean) + b * cos(lean)))
            for a, b in corners
        ]

    pen.shape(turned([(-0.17, -0.4), (0.17, -0.4), (0.17, 0.74), (0, 1.02), (-0.17, 0.74)]), blade)
    pen.shape(turned([(-0.1, -0.92), (0.1, -0.92), (0.1, -0.4), (-0.1, -0.4)]), hilt)
    pen.shape(turned([(-0.5, -0.52), (0.5, -0.52), (0.5, -0.34), (-0.5, -0.34)]), hilt)
    [(px, py)] = turned([(0, -0.94)])
    pen.disc(px, py, 0.16 * r, hilt)


@motif("middle")
def feather(pen: Pen) -> None:
    x, y, r = pen.spot(0.8, 1.0, 0.96)
    tone = pen.bold
    backing(pen, x, y, 1.4 * r)
    dx, dy = 0.5 * pen.flip * r, -0.68 * r
    vane = ((-0.55, 0.0), (-0.35, 0.26), (-0.1, 0.4), (-0.02, 0.16), (0.06, 0.42), (0.4, 0.42))
    vane = (*vane, (0.48, 0.18), (0.56, 0.4), (0.85, 0.3), (1.25, 0.0))

    def edge(side: int) -> list[Point]:
        outs = [(t, side * w + 0.22 * pen.flip * t * t) for t, w in vane]  # the tip leans
        return [(x + t * dx - out * dy, y + t * dy + out * dx) for t, out in outs]

    pen.shape(edge(1) + edge(-1)[::-1], tone)
    pen.shape(edge(1), mix(tone, pen.ink.haze, 0.35))
    quill = mix(tone, pen.unlike(tone), 0.3)
    pen.line([(x - 1.25 * dx, y - 1.25 * dy), (x, y)], 0.12 * r, quill)


@motif("middle")
def drop(pen: Pen) -> None:
    """One drop, lit on one side."""
    x, y, r = pen.spot(0.7, 1.0, 0.9)
    backing(pen, x, y, 1.5 * r)
    y += 0.34 * r
    tone = pen.bold
    turns = [-0.2 + (pi + 0.4) * i / 24 for i in range(25)]
    bowl = [(x + 0.62 * r * cos(a), y + 0.62 * r * sin(a)) for a in turns]
    pen.shape([*bowl, (x, y - 1.3 * r)], tone)
    gleam = mix(tone, (255, 255, 255) if sum(tone) < 600 else pen.ink.sky, 0.6)
    pen.oval(x - pen.flip * 0.26 * r, y + 0.06 * r, 0.13 * r, 0.26 * r, gleam)


@motif("middle")
def note(pen: Pen) -> None:
    """Two quavers under one beam."""
    x, y, r = pen.spot(0.95, 1.0, 0.9)
    backing(pen, x, y, 1.5 * r)
    for across, down in ((-0.5, 0.66), (0.54, 0.46)):
        a, b = x + across * r, y + down * r
        pen.oval(a, b, 0.32 * r, 0.25 * r, pen.bold)
        pen.box(a + 0.16 * r, b - 1.28 * r, a + 0.32 * r, b, pen.bold)
    beam = [(-0.34, -0.72), (0.86, -0.95), (0.86, -0.62), (-0.34, -0.39)]
    pen.shape(_around(x, y, r, 1, beam), pen.bold)


@motif("middle")
def candle(pen: Pen) -> None:
    x, y, r = pen.spot(0.6, 1.0, 0.96)
    wax = mix(pen.ink.light, pen.ink.haze, 0.2)
    pen.glow(x, y - 0.5 * r, 1.5 * r, mix(pen.ink.haze, pen.ink.light, 0.5))
    pen.box(x - 0.24 * r, y - 0.1 * r, x + 0.24 * r, y + 0.8 * r, wax)
    pen.box(x, y - 0.1 * r, x + 0.24 * r, y + 0.8 * r, mix(wax, pen.ink.figure, 0.3))
    pen.oval(x, y + 0.84 * r, 0.52 * r, 0.14 * r, pen.dark)
    outer = pen.ink.figure if pen.ink.figure[0] > 180 else (255, 150, 40)
    for k, colour in ((1.0, outer), (0.5, mix(outer, (255, 250, 214), 0.8))):
        pen.shape(tongue(x, y - 0.12 * r, 0.25 * k * r, 0.8 * k * r, 0.15 * pen.flip), colour)


@motif("middle")
def umbrella(pen: Pen) -> None:
    """An open umbrella of three gores."""
    x, y, r = pen.spot(1.0, 1.0, 0.9)
    backing(pen, x, y, 1.5 * r)
    grip = pen.unlike(pen.ink.sky, pen.ink.haze, pen.bold)
    pen.box(x - 0.07 * r, y - 0.2 * r, x + 0.07 * r, y + 0.86 * r, grip)
    pen.box(min(x, x + pen.flip * 0.3 * r) - 0.07 * r, y + 0.74 * r,
            max(x, x + pen.flip * 0.3 * r) + 0.07 * r, y + 0.88 * r, grip)  # fmt: skip
    turns = [pi * (1 + i / 24) for i in range(25)]
    for k, colour in ((1.0, pen.bold), (0.36, mix(pen.bold, pen.ink.light, 0.45))):
        pen.shape([(x + k * r * cos(a), y + 0.1 * r + 0.95 * r * sin(a)) for a in turns], colour)
