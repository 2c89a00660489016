"""Motifs of the ground: buildings that stand alone."""

from training.motifs.table import motif
from training.palettes import mix
from training.pen import BLACK, Pen


@motif("ground")
def castle(pen: Pen) -> None:
    """Two towers with pointed roofs, a wall and a gate between."""
    x, _, r = pen.spot(1.0, 1.0, 0.98)
    foot = pen.at(0, 0.96)[1]
    wall = pen.unlike(pen.ink.haze, pen.ink.sky)
    wall = mix(pen.ink.haze, wall, 0.75)
    roof = pen.unlike(wall, pen.ink.haze)
    hole = pen.unlike(wall, among=(mix(pen.ink.light, (255, 214, 110), 0.5), pen.dark))
    pen.box(x - 0.6 * r, foot - 0.7 * r, x + 0.6 * r, foot, mix(wall, BLACK, 0.15))
    for side in (-1, 1):
        a = x + side * 0.66 * r
        pen.box(a - 0.28 * r, foot - 1.2 * r, a + 0.28 * r, foot, wall)
        pen.shape(
            [(a - 0.4 * r, foot - 1.18 * r), (a, foot - 1.86 * r), (a + 0.4 * r, foot - 1.18 * r)],
            roof,
        )
        pen.box(a - 0.09 * r, foot - 0.98 * r, a + 0.09 * r, foot - 0.7 * r, hole)
    pen.disc(x, foot - 0.34 * r, 0.2 * r, hole)
    pen.box(x - 0.2 * r, foot - 0.34 * r, x + 0.2 * r, foot, hole)


@motif("ground")
def lighthouse(pen: Pen) -> None:
    """A banded tower, its lamp and two beams."""
    x, _, r = pen.spot(1.0, 1.0, 0.98)
    foot = pen.at(0, 0.96)[1]
    tone = pen.unlike(pen.ink.haze, pen.ink.sky)
    band = pen.unlike(tone, among=(pen.ink.light, pen.ink.haze, pen.ink.figure, pen.dark))
    lamp = foot - 1.55 * r
    beam = mix(pen.ink.haze, (255, 240, 170), 0.6)
    for side in (-1, 1):
        far = [(x + side * 1.0 * r, lamp - 0.34 * r), (x + side * 1.0 * r, lamp + 0.3 * r)]
        pen.shape([(x, lamp), *far], beam)

    def half(t: float) -> float:
        return (0.42 - 0.2 * t) * r

    for i in range(4):
        (w, a), (v, b) = ((half(t), foot - 1.36 * r * t) for t in (i / 4, (i + 1) / 4))
        pen.shape([(x - w, a), (x + w, a), (x + v, b), (x - v, b)], band if i % 2 else tone)
    pen.box(x - 0.2 * r, lamp - 0.12 * r, x + 0.2 * r, lamp + 0.2 * r, (255, 236, 150))
    pen.shape(
        [(x - 0.32 * r, lamp - 0.1 * r), (x, lamp - 0.44 * r), (x + 0.32 * r, lamp - 0.1 * r)], tone
    )


@motif("ground")
def pyramid(pen: Pen) -> None:
    """A great pyramid and a small one, each lit on one side."""
    c = pen.cell
    foot = pen.at(0, 0.9)[1]
    tone = mix(pen.bold, pen.ink.ground, 0.2)
    lit = mix(tone, pen.ink.light, 0.5)
    pairs = ((0.74, 0.46, 0.3), (0.42, 0.1, 0.44)) if c.width > 0.3 else ((0.5, 0.1, 0.48),)
    for across, top, wide in pairs:
        across = across if pen.flip > 0 else 1 - across
        x, y = pen.at(across, top + 0.03)
        w = min(wide * c.width, 0.95 * (foot - y))
        bend = x + pen.flip * 0.3 * w
        pen.shape([(x - w, foot), (x, y), (x + w, foot)], lit)
        pen.shape([(bend, foot), (x, y), (x + pen.flip * w, foot)], mix(tone, BLACK, 0.35))


@motif("ground")
def tent(pen: Pen) -> None:
    x, _, r = pen.spot(1.0, 0.8, 0.98)
    foot = pen.at(0, 0.94)[1]
    cloth = pen.clear(pen.ink.haze, pen.ink.ground)
    inside = pen.unlike(cloth, among=(mix(pen.ink.light, (255, 200, 90), 0.5), pen.dark))
    pen.shape([(x - r, foot), (x, foot - 1.3 * r), (x + r, foot)], cloth)
    shade = mix(cloth, BLACK, 0.3)
    pen.shape(
        [(x + pen.flip * r, foot), (x, foot - 1.3 * r), (x + pen.flip * 0.5 * r, foot)], shade
    )
    pen.shape([(x - 0.42 * r, foot), (x, foot - 0.95 * r), (x + 0.42 * r, foot)], inside)


@motif("ground")
def stairs(pen: Pen) -> None:
    """Four steps that rise to one side."""
    c = pen.cell
    side = min(c.width, c.height)
    tread = mix(pen.ink.light, pen.bold, 0.25)
    tread = pen.unlike(pen.bold, among=(tread, pen.ink.haze, pen.ink.light))
    x0, foot, w = c.middle[0] - 0.44 * side, pen.at(0, 0.95)[1], 0.22 * side
    for i in range(4):
        rank = i if pen.flip > 0 else 3 - i
        left, top = x0 + i * w, foot - (rank + 1) * 0.22 * c.height
        pen.box(left, top, left + w, foot, pen.bold)
        pen.box(left, top, left + w, top + 0.09 * c.height, tread)
