"""The map as a widget: a picture with rows and columns to click into."""

from pathlib import Path

import anywidget
import traitlets

_STATIC = Path(__file__).parent / "static"


class SequenceMap(anywidget.AnyWidget):
    """`row` and `column` follow a click, the arrow keys, or what is set here."""

    _esm = (_STATIC / "sequence_map.js").read_text(encoding="utf-8")
    _css = (_STATIC / "explorer.css").read_text(encoding="utf-8")

    image = traitlets.Bytes().tag(sync=True)  # of the whole map, cells of one size
    exact = traitlets.Bool(False).tag(sync=True)  # a pixel is a cell: do not smooth
    rows = traitlets.List(traitlets.Unicode()).tag(sync=True)  # their names, from the top
    columns = traitlets.List(traitlets.Unicode()).tag(sync=True)  # their names, from the left
    row = traitlets.Int(0).tag(sync=True)
    column = traitlets.Int(0).tag(sync=True)
    marks = traitlets.List().tag(sync=True)  # of [row, first column, last column]
    close = traitlets.Bool(False).tag(sync=True)  # cells large enough to see, scrolled
