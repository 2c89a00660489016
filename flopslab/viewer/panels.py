"""The pictures side by side: passes of one run, or two runs and their difference."""

import io

import ipywidgets as widgets
import matplotlib
import numpy as np
from PIL import Image

from flopslab.analysis import metrics
from flopslab.errors import FlopslabError
from flopslab.viewer import html as views
from flopslab.viewer.overview import COLOURS, png
from flopslab.viewer.snapshot import Album, Key

LARGE, SMALL = "320px", "220px"  # a picture alone in its column, and one of several


def difference(one: Image.Image, other: Image.Image) -> Image.Image:
    """Where two pictures of one size differ: the mean of the channels' distances as colour.

    From dark (equal) to light (the greatest distance in this pair).
    """
    distance = np.abs(np.subtract(one, other, dtype=np.float32)).mean(axis=2)
    shares = distance / max(float(distance.max()), 1.0)
    return Image.fromarray(matplotlib.colormaps[COLOURS](shares, bytes=True)[..., :3])


class Panel(widgets.VBox):
    """One picture with a line under it."""

    def __init__(self) -> None:
        self.image, self.caption = widgets.Image(format="png"), widgets.HTML()
        self.image.layout.width, self.image.layout.object_fit = "100%", "contain"
        super().__init__([self.image, self.caption])
        self.add_class("flopslab-panel")

    def choose(self, chosen: bool) -> None:
        """Mark the picture that words and recipe are about."""
        (self.add_class if chosen else self.remove_class)("flopslab-chosen")

    def show(self, data: bytes, *caption: str) -> None:
        """Swap the bytes, if they are others."""
        if self.image.value != data:
            self.image.value = data
        self.caption.value = views.caption(*caption)


class Panels(widgets.GridBox):
    """A row for each run and one for their difference, a column for each pass; or one row."""

    def __init__(self) -> None:
        super().__init__(layout={"grid_gap": "8px 14px", "min_width": "0"})
        self.add_class("flopslab-panels")
        self._panels: dict[tuple[str, int], Panel] = {}

    def __getitem__(self, place: tuple[str, int]) -> Panel:
        """The panel of ("base", "changed" or "difference", pass)."""
        return self._panels.setdefault(place, Panel())

    def show(self, base: Album, against: Album | None, numbers: list[int], key: Key) -> None:
        """The frames of these passes at the position of `key`, which is marked among several."""
        kinds = ["base", "changed", "difference"] if against else ["base"]
        places = [(kind, number) for kind in kinds for number in numbers]
        for kind, number in places:
            data, caption = _picture(kind, base, against, (number, key[1]))
            self[kind, number].show(data, *caption)
            self[kind, number].choose(len(numbers) > 1 and number == key[0])
        self._arrange(places, len(numbers) if len(numbers) > 1 else len(kinds))

    def _arrange(self, places: list[tuple[str, int]], columns: int) -> None:
        children = tuple(self[place] for place in places)
        if self.children != children:
            width = SMALL if len(places) > 3 else LARGE
            self.layout.grid_template_columns = f"repeat({columns}, minmax(0, {width}))"
            self.children = children


def _picture(
    kind: str, base: Album, against: Album | None, key: Key
) -> tuple[bytes, tuple[str, ...]]:
    """A PNG file and what to say about it; an empty picture where there is none."""
    title = f"pass {key[0]}"
    try:
        if kind == "base":
            return base.file(key), (title, "base") if against else (title,)
        if kind == "changed":
            return against.file(key), (title, "changed")
        one, other = base.image(*key), against.image(*key)
        distance = metrics.pixel_distance(one, other)
        said = f"difference {distance:.2g}" if distance else "no difference: the same pixels"
        return png(difference(one, other)), (title, said)
    except FlopslabError:
        return EMPTY, (title, "damaged" if _there(kind, base, against, key) else "not there yet")


def _there(kind: str, base: Album, against: Album | None, key: Key) -> bool:
    albums = {"base": [base], "changed": [against], "difference": [base, against]}[kind]
    return all(album.has(key) for album in albums)


def _empty() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (1, 1), (128, 128, 128, 40)).save(buffer, "PNG")
    return buffer.getvalue()


EMPTY = _empty()
