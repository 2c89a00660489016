"""The pictures side by side: passes of one run, or two runs and their difference."""

from collections.abc import Sequence

import ipywidgets as widgets

from flopslab.analysis import metrics
from flopslab.core.windows import FrameKey
from flopslab.errors import FlopslabError
from flopslab.viewer import html, images
from flopslab.viewer.snapshot import RunSnapshot

BASE, VARIANT, DIFFERENCE = "base", "variant", "difference"
ALONE, IN_ROW, IN_GRID = 320, 220, 150  # widest side of a picture, in pixels
GAP = 14  # pixels between two columns


class Panel(widgets.VBox):
    """One picture with a line under it."""

    def __init__(self) -> None:
        self.image, self.caption = widgets.Image(format="png"), widgets.HTML()
        self.image.layout.width, self.image.layout.object_fit = "100%", "contain"
        super().__init__([self.image, self.caption])
        self.add_class("flopslab-panel")

    def mark(self, is_current: bool) -> None:
        """Mark the picture that words and recipe are about."""
        (self.add_class if is_current else self.remove_class)("flopslab-current")

    def show(self, data: bytes, *caption: str) -> None:
        """Swap the bytes, if they are others."""
        if self.image.value != data:
            self.image.value = data
        self.caption.value = html.caption(*caption)


class Panels(widgets.GridBox):
    """A row for each run and one for their difference, a column for each pass; or one row."""

    def __init__(self) -> None:
        # As wide as its pictures, narrower where other parts of the view want to stand beside it.
        super().__init__(layout={"grid_gap": f"6px {GAP}px", "flex": "10 1 300px"})
        self.add_class("flopslab-panels")
        self.panels: dict[tuple[str, int], Panel] = {}  # every one that was ever shown

    def __getitem__(self, place: tuple[str, int]) -> Panel:
        """The panel of ("base", "variant" or "difference", pass number)."""
        if place not in self.panels:
            self.panels[place] = Panel()
        return self.panels[place]

    def show(
        self,
        base: RunSnapshot,
        variant: RunSnapshot | None,
        pass_numbers: Sequence[int],
        key: FrameKey,
    ) -> None:
        """The frames of these passes at the position of `key`, which is marked among several."""
        kinds = [BASE, VARIANT, DIFFERENCE] if variant else [BASE]
        runs = {BASE: base} | ({VARIANT: variant} if variant else {})
        for kind in kinds:
            for number in pass_numbers:
                panel = self[kind, number]
                panel.show(*_content(kind, runs, FrameKey(number, key.position)))
                is_current = kind == BASE and number == key.pass_number
                panel.mark(is_current and len(kinds) * len(pass_numbers) > 1)
        self._arrange(kinds, pass_numbers)

    def _arrange(self, kinds: Sequence[str], pass_numbers: Sequence[int]) -> None:
        children = tuple(self[kind, number] for kind in kinds for number in pass_numbers)
        if self.children != children:
            columns = len(pass_numbers) if len(pass_numbers) > 1 else len(kinds)
            rows = len(children) // columns
            side = IN_GRID if rows > 1 else IN_ROW if columns > 1 else ALONE
            self.layout.grid_template_columns = f"repeat({columns}, minmax(0, {side}px))"
            self.layout.max_width = f"{columns * (side + GAP) - GAP}px"
            self.children = children


def _content(kind: str, runs: dict[str, RunSnapshot], key: FrameKey) -> tuple[bytes, str, str, str]:
    """A PNG file and the parts of its caption; an empty picture where there is none."""
    parties = list(runs.values()) if kind == DIFFERENCE else [runs[kind]]
    try:
        data, text = _difference(parties, key) if kind == DIFFERENCE else (parties[0].file(key), "")
    except FlopslabError:
        is_there = all(run.has(key) for run in parties)
        data, text = images.EMPTY, "damaged" if is_there else "not there yet"
    return data, f"pass {key.pass_number}", kind if len(runs) > 1 else "", text


def _difference(runs: Sequence[RunSnapshot], key: FrameKey) -> tuple[bytes, str]:
    """The difference of two runs' pictures as a PNG file, and its mean."""
    a, b = (run.image(key) for run in runs)
    distance = metrics.pixel_distance(a, b)
    text = f"{distance:.2g} of 1" if distance else "none: the same pixels"
    return images.encode(images.difference(a, b), "PNG"), text
