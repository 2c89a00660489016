"""Motifs of the sky: they share the upper part of a scene."""

from math import atan2, cos, pi, sin

from training.motifs.table import motif
from training.palettes import mix
from training.pen import Pen, Point


def spokes(
    x: float, y: float, outer: float, inner: float, count: int, turn: float = 0.0
) -> list[Point]:
    """The outline of a star with `count` points."""
    return [
        (x + r * cos(turn + pi * i / count), y + r * sin(turn + pi * i / count))
        for i in range(2 * count)
        for r in [inner if i % 2 else outer]
    ]


@motif("sky")
def sun(pen: Pen) -> None:
    x, y, r = pen.spot(share=0.8)
    red, _, blue = pen.ink.figure
    rim = pen.ink.figure if red > blue else mix(pen.ink.light, (255, 206, 84), 0.55)
    pen.glow(x, y, 1.9 * r, mix(pen.ink.haze, pen.ink.light, 0.6))
    pen.shape(spokes(x, y, r, 0.68 * r, 12), rim)
    pen.disc(x, y, 0.6 * r, mix(pen.ink.sky, rim, 0.72))
    pen.disc(x, y, 0.5 * r, mix(rim, pen.ink.light, 0.7))


@motif("sky")
def moon(pen: Pen) -> None:
    """A crescent: what one disc leaves of another."""
    x, y, r = pen.spot(share=0.8)
    pen.glow(x, y, 1.9 * r, mix(pen.ink.sky, pen.ink.light, 0.5))
    tone = pen.ink.figure if sum(pen.ink.figure) > 380 else pen.ink.light
    horn = 0.9  # radians from the bright side's opposite at which both discs meet
    shift = 0.42
    radius = ((cos(horn) - shift) ** 2 + sin(horn) ** 2) ** 0.5
    turns = [horn + (2 * pi - 2 * horn) * i / 32 for i in range(33)]
    outer = [(cos(t), sin(t)) for t in turns]
    start = atan2(sin(horn), cos(horn) - shift)
    back = [2 * pi - start - (2 * pi - 2 * start) * i / 32 for i in range(33)]
    inner = [(shift + radius * cos(t), radius * sin(t)) for t in back]
    tilt = 0.4
    pen.shape(
        [
            (
                x + pen.flip * r * (a * cos(tilt) - b * sin(tilt)),
                y - r * (a * sin(tilt) + b * cos(tilt)),
            )
            for a, b in outer + inner
        ],
        tone,
    )


@motif("sky")
def stars(pen: Pen) -> None:
    spots = ((0.3, 0.34, 1.0), (0.76, 0.24, 0.7), (0.68, 0.72, 0.84))
    size = min(pen.cell.width, pen.cell.height, 0.7)
    for across, down, k in spots:
        across = across if pen.flip > 0 else 1 - across
        x, y = pen.at(across + 0.05 * pen.shift, down)
        r = 0.28 * size * k
        pen.glow(x, y, 1.5 * r, mix(pen.ink.sky, pen.ink.light, 0.55))
        pen.shape(spokes(x, y, r, 0.45 * r, 5, -pi / 2), pen.ink.light if k < 1 else pen.bold)


@motif("sky")
def clouds(pen: Pen) -> None:
    count = 2 if pen.cell.width > 0.6 else 1
    for i in range(count):
        r = min(pen.cell.width / 4.6, pen.cell.height / 3.4, 0.16) * (1 if i == 0 else 0.75)
        across = 0.5 if count == 1 else (0.36, 0.68)[i] if pen.flip > 0 else (0.64, 0.32)[i]
        x, y = pen.at(across + 0.05 * pen.shift, (0.38, 0.76)[i] if count > 1 else 0.5)
        shadow = mix(pen.ink.light, pen.ink.sky, 0.45)
        for lift, colour in ((0.22 * r, shadow), (0.0, pen.ink.light)):
            pen.box(x - 1.5 * r, y + lift, x + 1.5 * r, y + 0.7 * r + lift, colour)
            for dx, dy, k in ((-1.4, 0.1, 0.6), (-0.5, -0.35, 0.95), (0.6, -0.1, 0.8)):
                pen.disc(x + pen.flip * dx * r, y + dy * r + lift, k * r, colour)
            pen.disc(x + pen.flip * 1.45 * r, y + 0.2 * r + lift, 0.5 * r, colour)


@motif("sky")
def rays(pen: Pen) -> None:
    """Beams that fall from the upper edge of the cell in a fan."""
    across = 0.5 + 0.18 * pen.flip
    x, y = pen.at(across, 0.04)
    reach = 1.2 * max(pen.cell.width, pen.cell.height)
    colour = mix(pen.ink.haze, pen.ink.light, 0.85)
    for i in range(5):
        a = pi * (i + 0.5) / 5
        pen.shape(
            [
                (x, y),
                (x + reach * cos(a - 0.16), y + reach * sin(a - 0.16)),
                (x + reach * cos(a + 0.16), y + reach * sin(a + 0.16)),
            ],
            colour if i % 2 else mix(colour, pen.ink.haze, 0.45),
        )
    pen.disc(x, y, 0.2 * min(pen.cell.width, pen.cell.height), pen.ink.light)


@motif("sky")
def rain(pen: Pen) -> None:
    slant = pen.flip * (0.35 + 0.5 * pen.energy)
    tone = pen.unlike(pen.ink.sky, pen.ink.haze)
    for x, y in pen.grid(0.36):
        h = min(0.11, 0.22 * pen.cell.height)
        top, foot = (x + slant * h, y - h), (x - slant * h * 0.6, y + h * 0.6)
        w = 0.45 * h
        pen.shape([top, (foot[0] - w, foot[1]), (foot[0] + w, foot[1])], tone)
        pen.disc(*foot, w, tone)


@motif("sky")
def snowfall(pen: Pen) -> None:
    """Big soft flakes."""
    ground = pen.cell.bottom - 0.12 * pen.cell.height
    for i, (x, y) in enumerate(pen.grid(0.33)):
        r = min(0.07, 0.18 * pen.cell.height) * (1.0 if i % 2 else 0.75)
        if y < ground:
            pen.glow(x, y, 1.9 * r, mix(pen.ink.haze, pen.ink.light, 0.5))
            pen.disc(x, y, r, pen.ink.light)


@motif("sky")
def lightning(pen: Pen) -> None:
    x, y, r = pen.spot(0.7, 1.0, 0.98)
    bolt = (
        (0.0, -1),
        (-0.62, 0.2),
        (-0.1, 0.2),
        (-0.34, 1),
        (0.64, -0.3),
        (0.1, -0.3),
        (0.56, -1),
    )
    points = [(x + pen.flip * a * r, y + b * r) for a, b in bolt]
    pen.glow(x, y, 1.2 * r, mix(pen.ink.haze, pen.ink.light, 0.5))
    pen.shape(points, pen.ink.light)


def gull(x: float, y: float, w: float, h: float) -> list[tuple[float, float]]:
    """The outline of a bird that glides: two bent wings that end in points."""
    upper, lower = [], []
    for i in range(-10, 11):
        t = abs(i) / 10
        bend = -h * sin(0.8 * pi * t**0.7)
        upper.append((x + w * i / 10, y + bend))
        lower.append((x + w * i / 10, y + bend + 0.62 * h * (1 - t) ** 0.7))
    return upper + lower[::-1]


@motif("sky")
def birds(pen: Pen) -> None:
    size = min(pen.cell.width, 1.3 * pen.cell.height)
    for across, down, k in ((0.34, 0.46, 1.0), (0.78, 0.24, 0.64), (0.72, 0.76, 0.74)):
        across = across if pen.flip > 0 else 1 - across
        x, y = pen.at(across + 0.05 * pen.shift, down)
        w = 0.3 * size * k
        pen.shape(gull(x, y, w, w * (0.42 + 0.3 * pen.energy)), pen.bold)


@motif("sky")
def aurora(pen: Pen) -> None:
    """Two curtains of light, bright along their lower hems."""
    phase, step = 2 * pen.shift, 1 / 64
    for band, colour in enumerate((pen.bold, mix(pen.bold, pen.ink.light, 0.6))):
        for i in range(round(pen.cell.width / step)):
            sway = 0.1 * sin(phase + 2.2 * band + 6 * i * step / max(pen.cell.width, 0.5))
            x, y = pen.cell.left + i * step, pen.at(0, 0.06 + 0.36 * band + sway)[1]
            pen.veil(x, y, step, 0.42 * pen.cell.height, colour)
