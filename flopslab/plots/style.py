"""What all figures have in common: colours, markers, sizes, text, alt text, files.

Each function of this package returns a matplotlib Figure and keeps nothing. Categories have the
colours of Okabe and Ito, "Color universal design" (2008), which readers with any colour vision tell
apart, and differ in marker and line as well; amounts are drawn in cividis.
"""

import base64
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
AMOUNTS = "cividis"
BLUE, VERMILION = COLOURS[:2]
GREY, PALE = "#555555", "#bbbbbb"

FULL, PAGE, COLUMN = 12.0, 8.4, 5.5  # widths in inches: a row of pictures, a page, one panel
NORMAL, SMALL = 10, 8  # points
LETTERS = 13  # that have room in an inch of small text
DPI = 120


class DescribedFigure(Figure):
    """A figure on white with an `alt` text, which notebooks give to screen readers."""

    def __init__(self, width: float, height: float, alt: str, **options: Any) -> None:
        super().__init__(figsize=(width, height), facecolor="white", **options)
        self.alt = alt

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=DPI * 0.8, bbox_inches="tight")
        png = base64.b64encode(file.getvalue()).decode()
        return {"image/png": png, "text/plain": self.alt}, {"image/png": {"alt": self.alt}}


def new_panel(width: float, height: float, alt: str) -> tuple[DescribedFigure, Axes]:
    """A figure of one panel, in inches, with room for its labels."""
    figure = DescribedFigure(width, height, alt, layout="constrained")
    return figure, plain(figure.add_subplot())


def plain(axes: Axes) -> Axes:
    """The same axes, without a frame on the right and at the top."""
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def line_style(colour: int, line: int | None = None, marker: int | None = None) -> dict[str, Any]:
    """The colour, line and marker of a category; by default all three of the first number."""
    line, marker = (colour if number is None else number for number in (line, marker))
    return {
        "color": COLOURS[colour % len(COLOURS)],
        "ls": LINES[line % len(LINES)],
        "marker": MARKERS[marker % len(MARKERS)],
    }


def mark_style(index: int) -> dict[str, Any]:
    """The colour and marker of a category whose marks no line joins."""
    return {**line_style(index), "ls": "none"}


def write(label: Callable[..., Text], text: str, **style: Any) -> None:
    """Set a label to text as it stands: a word with dollar signs is no formula."""
    label(text, **style).set_parse_math(False)


def shorten(text: str, inches: float) -> str:
    """Text on one line, as much of it as has room, without letters that the font lacks."""
    most, font = int(inches * LETTERS), get_font(findfont(FontProperties()))
    text = " ".join(text.split())
    text = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(letter if font.get_char_index(ord(letter)) else "□" for letter in text)


def save(figure: Figure, path: Path, dpi: int = DPI) -> Path:
    """The path, where the figure now is, labels included: PNG, or what its name ends in."""
    figure.savefig(path, dpi=dpi, bbox_inches="tight", facecolor="white")
    return path


def export(figures: Mapping[str, Figure], directory: str | Path, *kinds: str) -> list[Path]:
    """The paths of the figures by name, a file of each kind (`png`, `pdf`, `svg`, ...).

    The directory is made if need be.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    pairs = [(name, kind) for name in figures for kind in kinds]
    return [save(figures[name], directory / f"{name}.{kind}") for name, kind in pairs]
