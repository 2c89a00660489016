"""Signs: what stands for a word that the table does not know."""

from math import cos, pi, sin

from training.motifs.middle import backing
from training.motifs.table import motif
from training.pen import Pen


@motif("middle")
def question(pen: Pen) -> None:
    """A question mark."""
    x, y, r = pen.spot(0.7, 1.0, 0.96)
    backing(pen, x, y, 1.5 * r)
    turns = [pi * (1.05 + 1.3 * i / 20) for i in range(21)]
    bow = [(x + 0.44 * r * cos(a), y - 0.42 * r + 0.42 * r * sin(a)) for a in turns]
    pen.line([*bow, (x, y + 0.22 * r), (x, y + 0.38 * r)], 0.26 * r, pen.bold)
    pen.disc(x, y + 0.8 * r, 0.18 * r, pen.bold)
