"""Motifs of the ground, which share the lower part of a scene: water, fire, rock and plants."""

from math import cos, pi, sin

from training.motifs.table import motif
from training.palettes import mix
from training.pen import BLACK, Pen


@motif("ground")
def waves(pen: Pen) -> None:
    """Rows of scallops, nearer ones deeper in tone."""
    ink, c = pen.ink, pen.cell
    columns = pen.columns(0.3 if c.width > 0.5 else 0.2)
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
        across = across if pen.flip > 0 else 1 - across
        (x, y), foot = pen.at(across, top + 0.06), pen.at(0, 0.86)[1]
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
        h = pen.cell.height * (0.7 if far else 0.8)
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
    tone = pen.clear(pen.ink.haze)
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
