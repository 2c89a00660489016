"""The map of a run as one image: a row for each pass, a column for each position.

Either thumbnails, or a measure of every picture as colour. What is not made yet is transparent.
"""

import contextlib
import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageOps

from flopslab.analysis import metrics
from flopslab.core.windows import FrameKey
from flopslab.errors import FlopslabError
from flopslab.viewer import images
from flopslab.viewer.snapshot import RunSnapshot

CELL = 32  # pixels of a cell, fewer if the map would be wider than WIDEST
WIDEST = 16000  # pixels; WebP ends at 16383
STEP = 0.1  # of the palette, from the least value to the next
DIFFERENCE = "difference between the runs"

Measure = Callable[[RunSnapshot, RunSnapshot | None, FrameKey], float | None]


def row_names(run: RunSnapshot) -> list[str]:
    """What to call the rows of the map."""
    return [f"pass {number}" for number in run.passes]


def column_names(run: RunSnapshot) -> list[str]:
    """What to call the columns of the map: each position with its word, if that is known."""
    words = run.words(range(1, max(run.positions, default=0) + 1))
    names = {position: f" · {word.text}" for position, word in words.items()}
    return [f"position {position}{names.get(position, '')}" for position in run.positions]


def ancestor_cells(run: RunSnapshot, key: FrameKey) -> list[tuple[int, int, int]]:
    """(row, first column, last column) of the pictures that went into this one, pass by pass."""
    rows, cells = _rows(run), []
    for span in run.ancestors(key):
        places = [n for n, p in enumerate(run.positions) if span.first <= p <= span.last]
        if places and span.pass_number in rows:
            cells.append((rows[span.pass_number], places[0], places[-1]))
    return cells


def thumbnail_sheet(run: RunSnapshot) -> Image.Image:
    """The thumbnails that were made so far, RGBA, on square cells."""
    rows, columns = _rows(run), _columns(run)
    side = max(1, min(CELL, WIDEST // max(1, len(columns))))
    sheet = Image.new("RGBA", (side * max(1, len(columns)), side * len(rows)))
    for key in run.keys:
        data = run.thumbnail(key) if run.has_thumbnail(key) else None
        if data is not None:
            cell = ImageOps.fit(Image.open(io.BytesIO(data)), (side, side))
            sheet.paste(cell, (columns[key.position] * side, rows[key.pass_number] * side))
    return sheet


def value_sheet(run: RunSnapshot, values: Mapping[FrameKey, float]) -> Image.Image:
    """One pixel for each picture, RGBA: from dark (the least value) to light (the greatest).

    Whatever is above the least is seen to be: the least difference does not look like none.
    """
    rows, columns, (low, high) = _rows(run), _columns(run), limits(values)
    pixels = np.zeros((len(rows), max(1, len(columns)), 4), dtype=np.uint8)
    for key, value in values.items():
        if key.pass_number in rows and key.position in columns:
            share = STEP + (1 - STEP) * (value - low) / (high - low) if value > low else 0.0
            pixels[rows[key.pass_number], columns[key.position]] = images.colours(share)
    return Image.fromarray(pixels)


def limits(values: Mapping[FrameKey, float]) -> tuple[float, float]:
    """(least, greatest) value."""
    return (min(values.values()), max(values.values())) if values else (0.0, 0.0)


def measure_frame(
    measure: str, run: RunSnapshot, variant: RunSnapshot | None, key: FrameKey
) -> float | None:
    """The measure of one picture; None if something that it compares with is not there."""
    with contextlib.suppress(FlopslabError):
        return MEASURES[measure](run, variant, key)
    return None


def _rows(run: RunSnapshot) -> dict[int, int]:
    return {number: row for row, number in enumerate(run.passes)}


def _columns(run: RunSnapshot) -> dict[int, int]:
    return {position: column for column, position in enumerate(run.positions)}


def _from_frame_before(run: RunSnapshot, _: RunSnapshot | None, key: FrameKey) -> float:
    place = run.positions.index(key.position)
    before = FrameKey(key.pass_number, run.positions[max(0, place - 1)])
    return metrics.pixel_distance(run.image(before), run.image(key))


def _from_pass_before(run: RunSnapshot, _: RunSnapshot | None, key: FrameKey) -> float:
    before = FrameKey(max(key.pass_number - 1, run.passes[0]), key.position)
    return metrics.pixel_distance(run.image(before), run.image(key))


def _from_variant(run: RunSnapshot, variant: RunSnapshot | None, key: FrameKey) -> float | None:
    return variant and metrics.pixel_distance(run.image(key), variant.image(key))


MEASURES: dict[str, Measure] = {
    DIFFERENCE: _from_variant,
    "change from the frame before": _from_frame_before,
    "change from the pass before": _from_pass_before,
    "contrast": lambda run, _, key: metrics.contrast(run.image(key)),
    "sharpness": lambda run, _, key: metrics.sharpness(run.image(key)),
}
