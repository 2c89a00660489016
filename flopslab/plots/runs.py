"""Figures of a run. Each function returns a matplotlib Figure and keeps nothing."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from PIL import Image

Picture = str | Path | Image.Image

WIDTH = 12.0  # inches of a full row
MARGIN = 0.4  # inches on the left, for the names of the rows
GAP = 0.03  # between pictures, as a share of one
COLOURS = {"made": "#4477aa", "kept": "#bbbbbb"}


def sample(count: int, most: int) -> list[int]:
    """At most `most` of the indices 0 to count - 1, evenly spread, first and last among them."""
    if count <= most:
        return list(range(count))
    if most == 1:
        return [0]
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


def contact_sheet(
    rows: Sequence[Sequence[Picture]], captions: Sequence[str], columns: int = 12
) -> Figure:
    """One row per pass, one column per frame; says so if `columns` makes it show only some.

    `rows`: passes x frames, all of one size, first pass first. `captions`: one per frame.
    """
    shown = sample(len(captions), columns)
    cell = min(WIDTH / len(shown), 1.6)
    figure, grid = _grid(rows[0][0], len(rows), len(shown), cell, GAP, MARGIN)
    for number, (axes, row) in enumerate(zip(grid, rows, strict=True), 1):
        for place, index in zip(axes, shown, strict=True):
            _draw(place, row[index])
        write(axes[0].set_ylabel, f"pass {number}")
    for place, index in zip(grid[0], shown, strict=True):
        write(place.set_title, cut(captions[index], cell), fontsize=8)
    if len(shown) < len(captions):
        note = f"{len(shown)} of {len(captions)} frames, evenly spread"
        figure.text(1, 0, note, ha="right", va="top", fontsize=8, color="grey")
    return figure


def through_passes(pictures: Sequence[Picture], title: str, columns: int = 4) -> Figure:
    """One position's frame in every pass, large, first pass first."""
    columns = min(columns, len(pictures))
    lines = -(-len(pictures) // columns)
    figure, grid = _grid(pictures[0], lines, columns, 3.0, gap=0.12, margin=0)
    places = [place for axes in grid for place in axes]
    for number, (place, picture) in enumerate(zip(places, pictures, strict=False), 1):
        _draw(place, picture)
        write(place.set_xlabel, f"pass {number}")
    for place in places[len(pictures) :]:
        place.remove()
    write(figure.suptitle, cut(title, 3.0 * columns), y=1.02, va="bottom", fontsize=11)
    return figure


def timing(seconds: Sequence[float], made: Sequence[int], kept: Sequence[int]) -> Figure:
    """Seconds of each pass as bars, with frames made, frames kept and frames/s.

    All three: one number per pass, first pass first.
    """
    figure = Figure(figsize=(WIDTH * 0.7, 0.5 + 0.4 * len(seconds)))
    axes = figure.add_subplot()
    names = [f"pass {number}" for number in range(1, len(seconds) + 1)]
    bars = axes.barh(names, seconds, color=[COLOURS["made" if n else "kept"] for n in made])
    axes.bar_label(bars, [_pace(*row) for row in zip(seconds, made, kept, strict=True)], padding=4)
    axes.set(xlabel="seconds", xlim=(0, max([*seconds, 0.1]) * 1.6))
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _pace(seconds: float, made: int, kept: int) -> str:
    said = [f"{made} made, {made / max(seconds, 1e-3):.2f} frames/s"] if made else []
    return ", ".join(said + ([f"{kept} kept"] if kept else []))


def _grid(
    example: Picture, rows: int, columns: int, cell: float, gap: float, margin: float
) -> tuple[Figure, list[list[Axes]]]:
    """(figure, axes by row and column): cells `cell` inches wide, shaped like `example`.

    `gap`: between rows, as a share of a cell's height; `margin`: inches on the left.
    """
    wide, high = opened(example).size
    width = margin + cell * (columns + GAP * (columns - 1))
    height = cell * high / wide * (rows + gap * (rows - 1))
    edges = {"left": margin / width, "right": 1, "bottom": 0, "top": 1}
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(
        rows, columns, squeeze=False, gridspec_kw=edges | {"wspace": GAP, "hspace": gap}
    )
    return figure, grid.tolist()


def _draw(axes: Axes, picture: Picture) -> None:
    axes.imshow(opened(picture))
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def opened(picture: Picture) -> Image.Image:
    if isinstance(picture, Image.Image):
        return picture
    with Image.open(picture) as file:
        return file.convert("RGB")


def write(write, text: str, **style: object) -> None:
    """Text as it stands: a word with dollar signs is no formula."""
    write(text, **style).set_parse_math(False)


def cut(text: str, inches: float) -> str:
    """Text on one line, as much of it as has room, without letters that the font lacks."""
    most, font = int(inches * 13), get_font(findfont(FontProperties()))
    text = " ".join(text.split())
    text = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(letter if font.get_char_index(ord(letter)) else "□" for letter in text)
