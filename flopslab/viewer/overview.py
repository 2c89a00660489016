"""The map of a run: a row for each pass, a column for each position, drawn as one picture.

Either thumbnails, or a measure of every picture as colour. What is not made yet is transparent.
"""

import contextlib
import io
from collections.abc import Callable, Mapping

import matplotlib
import numpy as np
from PIL import Image, ImageOps

from flopslab.analysis import metrics
from flopslab.errors import FlopslabError
from flopslab.viewer.snapshot import Album, Key

CELL = 32  # pixels of a cell, fewer if the map would be wider than WIDEST
WIDEST = 16000  # pixels; WebP ends at 16383
COLOURS = "viridis"
STEP = 0.1  # of the colours, from the least value to the next
DIFFERENCE = "difference between the runs"

Measure = Callable[[Album, Album | None, Key], float]


def of_pictures(album: Album) -> Image.Image:
    """The thumbnails that were made so far, RGBA, on square cells."""
    columns = {position: column for column, position in enumerate(album.positions)}
    side = max(1, min(CELL, WIDEST // max(1, len(columns))))
    sheet = Image.new("RGBA", (side * max(1, len(columns)), side * len(album.passes)))
    rows = {number: row for row, number in enumerate(album.passes)}
    for key in album.keys:
        data = album.thumbnail(key) if album.has_thumbnail(key) else None
        if data is not None:
            cell = ImageOps.fit(Image.open(io.BytesIO(data)), (side, side))
            sheet.paste(cell, (columns[key[1]] * side, rows[key[0]] * side))
    return sheet


def of_values(album: Album, values: Mapping[Key, float]) -> Image.Image:
    """One pixel for each picture, RGBA: from dark (the least value) to light (the greatest).

    Whatever is above the least is seen to be: the least difference does not look like none.
    """
    low, high = limits(values)
    pixels = np.zeros((len(album.passes), max(1, len(album.positions)), 4), dtype=np.uint8)
    columns = {position: column for column, position in enumerate(album.positions)}
    rows = {number: row for row, number in enumerate(album.passes)}
    palette = matplotlib.colormaps[COLOURS]
    for (number, position), value in values.items():
        if number in rows and position in columns:
            share = STEP + (1 - STEP) * (value - low) / (high - low) if value > low else 0.0
            pixels[rows[number], columns[position]] = palette(share, bytes=True)
    return Image.fromarray(pixels)


def limits(values: Mapping[Key, float]) -> tuple[float, float]:
    """(least, greatest) value."""
    return (min(values.values()), max(values.values())) if values else (0.0, 0.0)


def measured(measure: str, album: Album, against: Album | None, key: Key) -> float | None:
    """The measure of one picture; None if something that it compares with is not there."""
    with contextlib.suppress(FlopslabError):
        return MEASURES[measure](album, against, key)
    return None


def png(image: Image.Image) -> bytes:
    """The image as a PNG file: exact."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def webp(image: Image.Image) -> bytes:
    """The image as a WebP file: small, and transparent where it is."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80, method=0)
    return buffer.getvalue()


def _along(album: Album, against: Album | None, key: Key) -> float:
    """From the frame before it in its pass."""
    place = album.positions.index(key[1])
    before = album.positions[max(0, place - 1)]
    return metrics.pixel_distance(album.image(key[0], before), album.image(*key))


def _through(album: Album, against: Album | None, key: Key) -> float:
    """From the same frame in the pass before."""
    before = max(key[0] - 1, album.passes[0])
    return metrics.pixel_distance(album.image(before, key[1]), album.image(*key))


def _between(album: Album, against: Album | None, key: Key) -> float | None:
    """From the same frame of the other run."""
    return against and metrics.pixel_distance(album.image(*key), against.image(*key))


MEASURES: dict[str, Measure] = {
    DIFFERENCE: _between,
    "change from the frame before": _along,
    "change from the pass before": _through,
    "contrast": lambda album, against, key: metrics.contrast(album.image(*key)),
    "sharpness": lambda album, against, key: metrics.sharpness(album.image(*key)),
}
