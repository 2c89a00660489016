"""The map of a run as a widget: an image with rows and columns to click into, and its choices."""

import time
from collections.abc import Callable
from pathlib import Path

import anywidget
import ipywidgets as widgets
import traitlets

from flopslab.core.windows import FrameKey
from flopslab.viewer import html, images, map_image
from flopslab.viewer.map_image import DIFFERENCE, MEASURES
from flopslab.viewer.snapshot import RunSnapshot

PICTURES = "pictures"
_STATIC = Path(__file__).parent / "static"
_LINE = {"align_items": "center", "flex_flow": "row wrap", "grid_gap": "12px"}


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
    zoomed = traitlets.Bool(False).tag(sync=True)  # cells large enough to see, scrolled


class RunMap(widgets.VBox):
    """Rows are passes, columns positions; `on_choice(key)` is called for a click.

    `work` makes thumbnails or measures for a while and draws: it is a thread's task.
    """

    def __init__(self, base: RunSnapshot, on_choice: Callable[[FrameKey], None]) -> None:
        self._base, self._variant, self._on_choice = base, None, on_choice
        self._values: dict[str, dict[FrameKey, float]] = {name: {} for name in MEASURES}
        self._attempts: set[tuple[str, FrameKey]] = set()
        self._content: str | None = None  # what the image shows
        self.map = SequenceMap()
        self.measure = widgets.Dropdown(description="The map shows", layout={"width": "330px"})
        self.zoom = widgets.Checkbox(description="zoom in", indent=False)
        self.zoom.layout.width, self.measure.style.description_width = "auto", "auto"
        self.legend = widgets.HTML()
        widgets.link((self.zoom, "value"), (self.map, "zoomed"))
        self.map.observe(self._choose, ["row", "column"])
        self.compare(None)
        choices = widgets.HBox([self.measure, self.legend, self.zoom], layout=_LINE)
        super().__init__([self.map, choices])

    def compare(self, variant: RunSnapshot | None) -> None:
        """The run that `difference between the runs` compares with."""
        self._variant = variant
        self._values[DIFFERENCE] = {}
        self._attempts, self._content = set(), None
        options = [PICTURES, *(name for name in MEASURES if variant or name != DIFFERENCE)]
        measure = self.measure.value
        self.measure.options = options
        self.measure.value = measure if measure in options else PICTURES

    def point_to(self, key: FrameKey) -> None:
        """Show where this picture is, and which ones went into it."""
        passes, positions = self._base.passes, self._base.positions
        with self.map.hold_sync():
            self.map.row = passes.index(key.pass_number) if key.pass_number in passes else 0
            self.map.column = positions.index(key.position) if key.position in positions else 0
            self.map.marks = [list(cells) for cells in map_image.ancestor_cells(self._base, key)]

    def invalidate(self, keys: set[FrameKey]) -> None:
        """These pictures are new, or others than before."""
        self._attempts, self._content = set(), None
        for values in self._values.values():
            if keys & values.keys():
                values.clear()

    def work(self, seconds: float) -> bool:
        """Make what the map shows for so long, then draw it; whether there is more to make."""
        measure, end = str(self.measure.value), time.perf_counter() + seconds
        tasks = [key for key in self._base.keys if not self._is_ready(measure, key)]
        rest = list(tasks)
        while rest and time.perf_counter() < end:
            self._make(measure, rest.pop(0))
        if tasks or self._content != measure:
            self._draw(measure)
        return bool(rest) or measure != self.measure.value

    def _is_ready(self, measure: str, key: FrameKey) -> bool:
        if measure == PICTURES:
            return self._base.has_thumbnail(key)
        return key in self._values[measure] or (measure, key) in self._attempts

    def _make(self, measure: str, key: FrameKey) -> None:
        if measure == PICTURES:
            self._base.thumbnail(key)
            return
        self._attempts.add((measure, key))
        value = map_image.measure_frame(measure, self._base, self._variant, key)
        if value is not None:
            self._values[measure][key] = value

    def _draw(self, measure: str) -> None:
        with self.map.hold_sync():
            self.map.rows = map_image.row_names(self._base)
            self.map.columns = map_image.column_names(self._base)
            self.map.exact = measure != PICTURES
            self.map.image = self._image(measure)
        values = {} if measure == PICTURES else self._values[measure]
        colours = images.gradient()
        self.legend.value = html.legend(*map_image.limits(values), colours) if values else ""
        self._content = measure

    def _image(self, measure: str) -> bytes:
        if measure == PICTURES:
            return images.encode(map_image.thumbnail_sheet(self._base), "WEBP")
        return images.encode(map_image.value_sheet(self._base, self._values[measure]), "PNG")

    def _choose(self, _: object) -> None:
        passes, positions = self._base.passes, self._base.positions
        if self.map.row < len(passes) and self.map.column < len(positions):
            self._on_choice(FrameKey(passes[self.map.row], positions[self.map.column]))
