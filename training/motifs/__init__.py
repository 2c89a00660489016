"""Motifs: what a word looks like. Each is one function that draws with a pen.

A pen draws in one cell of the picture (the word's share of it). Coordinates are fractions of
the whole picture, x to the right and y down; `pen.at` and `pen.spot` find places in the cell,
and shapes are never thinner than about a twentieth of the cell: what learns them is small. A new
motif is a new function with `@motif(zone)` above it. The order of the table is that of the
trained judge's outputs: add to its end.
"""

from training.motifs import sky, middle, ground, land, life  # noqa: F401, I001
from training.motifs import heavens, things, wild, buildings, signs  # noqa: F401
from training.motifs.table import MOTIFS, ZONES

__all__ = ["MOTIFS", "ZONES"]
