"""Pictures in a grid with both edges labelled: the general part of every figure of pictures."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageOps

from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.plots.style import FULL, GREY, NORMAL, SMALL, DescribedFigure, shorten, write
from flopslab.runs.reader import RunDirectory

Picture = str | Path | Image.Image
Grid = Sequence[Sequence[Picture | None]]  # rows x columns; None leaves a place empty

CELL = 1.3  # inches of a picture, at most, unless a figure says otherwise
GAP = 0.03  # between pictures, as a share of one
MOST = 12  # columns


def picture_sheet(
    pictures: Grid,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str = "",
    *,
    alt: str = "",
    note: str = "",
    across: str = "",
    down: str = "",
    cell: float = CELL,
) -> DescribedFigure:
    """Pictures in a grid, each row and column labelled.

    The first picture's size is everyone's: others are fitted into it. `note`: small, below, on the
    right. `across`, `down`: what the columns and the rows differ in. `cell`: inches of a picture at
    most. RunError if there is no picture.
    """
    first = next((picture for row in pictures for picture in row if picture is not None), None)
    if first is None:
        hint = "choose a pass and positions of which there are frames"
        raise RunError("pictures for a sheet", "none", hint)
    canvas, middles = compose_grid(pictures, open_picture(first).size)
    cell = min(cell, FULL / len(columns))
    width = cell * len(columns)
    figure = DescribedFigure(width, width * canvas.height / canvas.width, alt or title)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(canvas, aspect="auto")
    style: dict[str, Any] = {"fontsize": SMALL, "parse_math": False}
    axes.set_xticks(middles[0], [shorten(label, cell) for label in columns], **style)
    axes.set_yticks(middles[1], [shorten(label, 4 * CELL) for label in rows], **style)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.xaxis.set_label_position("top")
    axes.spines[:].set_visible(False)
    write(axes.set_xlabel, shorten(across, 4 * CELL), fontsize=SMALL, color=GREY)
    write(axes.set_ylabel, shorten(down, 4 * CELL), fontsize=SMALL, color=GREY)
    write(axes.set_title, shorten(title, width + 2), loc="left", fontsize=NORMAL)
    figure.text(1, -0.01, note, ha="right", va="top", fontsize=SMALL, color=GREY)
    return figure


def sample(count: int, most: int = MOST) -> list[int]:
    """At most `most` of the indices 0 to count - 1, evenly spread, first and last among them."""
    if count <= most:
        return list(range(count))
    if most == 1:
        return [0]
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


def open_picture(picture: Picture) -> Image.Image:
    """The picture, in RGB."""
    if isinstance(picture, Image.Image):
        return picture
    with Image.open(picture) as file:
        return file.convert("RGB")


def amplified_difference(a: Image.Image, b: Image.Image, gain: int = 8) -> Image.Image:
    """The absolute difference of two pictures, `gain` times; black where they are the same."""
    levels = [min(255, level * gain) for level in range(256)]
    return ImageChops.difference(a, b).point(levels * 3)


def frame_picture(run: RunDirectory, key: FrameKey) -> Path | None:
    """The path of a frame's picture; None if the run has no such frame."""
    return run.path(key) if key in run.frames else None


def frame_captions(run: RunDirectory) -> dict[int, str]:
    """Captions by position: `12 glass`, with the centre word; in an unfinished run `12`."""
    captions = {position: f"{position}" for position in run.positions}
    try:
        frames = run.manifest["frames"]
    except RunError:
        return captions
    words = {frame["position"]: f"{frame['position']} {frame['center_word']}" for frame in frames}
    return captions | {position: words[position] for position in captions if position in words}


def compose_grid(
    pictures: Grid, size: tuple[int, int]
) -> tuple[Image.Image, tuple[list[float], list[float]]]:
    """(all pictures in one, (middles of the columns, middles of the rows) in its pixels)."""
    gap = max(round(GAP * size[0]), 1)
    counts = len(pictures[0]), len(pictures)
    width, height = (n * (length + gap) - gap for n, length in zip(counts, size, strict=True))
    canvas = Image.new("RGB", (width, height), "white")
    for (y, row), x in itertools.product(enumerate(pictures), range(counts[0])):
        picture = row[x]
        if picture is not None:
            image = ImageOps.contain(open_picture(picture), size)
            canvas.paste(image, (x * (size[0] + gap), y * (size[1] + gap)))
    middles = [
        [n * (length + gap) + length / 2 for n in range(count)]
        for count, length in zip(counts, size, strict=True)
    ]
    return canvas, (middles[0], middles[1])
