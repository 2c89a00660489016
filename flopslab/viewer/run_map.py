"""The map of a run with its choices: pictures or a measure, the whole or close."""

import time
from collections.abc import Callable

import ipywidgets as widgets

from flopslab.viewer import html as views
from flopslab.viewer import overview
from flopslab.viewer.overview import DIFFERENCE, MEASURES
from flopslab.viewer.sequence_map import SequenceMap
from flopslab.viewer.snapshot import Album, Key

PICTURES = "pictures"


class RunMap(widgets.VBox):
    """Rows are passes, columns positions; `chosen(key)` is called for a click.

    `work` makes thumbnails or measures for a while and draws: it is a thread's task.
    """

    def __init__(self, album: Album, chosen: Callable[[Key], None]) -> None:
        self._album, self._against, self._chosen = album, None, chosen
        self._values: dict[str, dict[Key, float]] = {name: {} for name in MEASURES}
        self._tried: set[tuple[str, Key]] = set()
        self._drawn: object = None
        self.map = SequenceMap()
        self.measure = widgets.Dropdown(description="The map shows", layout={"width": "330px"})
        self.close_view = widgets.Checkbox(description="close up", indent=False)
        self.close_view.layout.width, self.measure.style.description_width = "auto", "auto"
        self.legend = widgets.HTML()
        widgets.link((self.close_view, "value"), (self.map, "close"))
        self.map.observe(self._clicked, ["row", "column"])
        self.compare(None)
        super().__init__(
            [self.map, widgets.HBox([self.measure, self.legend, self.close_view], layout=_LINE)]
        )

    def compare(self, against: Album | None) -> None:
        """The run that `difference between the runs` compares with."""
        self._against = against
        self._values[DIFFERENCE] = {}
        self._tried, self._drawn = set(), None
        offered = [PICTURES, *(name for name in MEASURES if against or name != DIFFERENCE)]
        chosen = self.measure.value
        self.measure.options = offered
        self.measure.value = chosen if chosen in offered else PICTURES

    def at(self, key: Key) -> None:
        """Show where this picture is, and which ones it has seen."""
        rows = {number: row for row, number in enumerate(self._album.passes)}
        columns = {position: column for column, position in enumerate(self._album.positions)}
        spans = self._album.ancestors(key)
        with self.map.hold_sync():
            self.map.row, self.map.column = rows.get(key[0], 0), columns.get(key[1], 0)
            self.map.marks = [[rows[n], columns[first], columns[last]] for n, first, last in spans]

    def changed(self, keys: set[Key]) -> None:
        """These pictures are new, or others than before."""
        self._tried, self._drawn = set(), None
        for values in self._values.values():
            if keys & values.keys():
                values.clear()

    def work(self, seconds: float) -> bool:
        """Make what the map shows for so long, then draw it; is there more to make?"""
        shown, end = self.measure.value, time.perf_counter() + seconds
        todo = [key for key in self._album.keys if not self._ready(shown, key)]
        left = list(todo)
        while left and time.perf_counter() < end:
            self._make(shown, left.pop(0))
        if todo or self._drawn != shown:
            self._draw(shown)
        return bool(left) or shown != self.measure.value

    def _ready(self, shown: str, key: Key) -> bool:
        if shown == PICTURES:
            return self._album.has_thumbnail(key)
        return key in self._values[shown] or (shown, key) in self._tried

    def _make(self, shown: str, key: Key) -> None:
        if shown == PICTURES:
            self._album.thumbnail(key)
            return
        self._tried.add((shown, key))
        value = overview.measured(shown, self._album, self._against, key)
        if value is not None:
            self._values[shown][key] = value

    def _draw(self, shown: str) -> None:
        positions = self._album.positions
        words = self._album.words(range(1, positions[-1] + 1))
        with self.map.hold_sync():
            self.map.rows = [f"pass {number}" for number in self._album.passes]
            self.map.columns = [f"position {p} · {words.get(p, '')}" for p in positions]
            self.map.exact = shown != PICTURES
            self.map.image = self._picture(shown)
        values = {} if shown == PICTURES else self._values[shown]
        self.legend.value = views.legend(*overview.limits(values)) if values else ""
        self._drawn = shown

    def _picture(self, shown: str) -> bytes:
        if shown == PICTURES:
            return overview.webp(overview.of_pictures(self._album))
        return overview.png(overview.of_values(self._album, self._values[shown]))

    def _clicked(self, _: object) -> None:
        passes, positions = self._album.passes, self._album.positions
        if self.map.row < len(passes) and self.map.column < len(positions):
            self._chosen((passes[self.map.row], positions[self.map.column]))


_LINE = {"align_items": "center", "flex_flow": "row wrap", "grid_gap": "12px"}
