"""Motifs: what a word looks like. Each is one function that draws with a pen.

A pen draws in one strip of the picture (the word's share of it). Coordinates are fractions of
the whole picture, x to the right and y down; `pen.left` to `pen.right` is the strip. A new
motif is a new function with `@motif(zone)` above it. The order of the table is that of the
trained judge's outputs: add to its end.
"""

from flopslab.tiny.motifs import sky, middle, ground  # noqa: F401, I001
from flopslab.tiny.motifs.table import MOTIFS, ZONES

__all__ = ["MOTIFS", "ZONES"]
