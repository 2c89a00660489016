"""How a frame was made: facts, neighbours, what it started from, the whole recipe."""

import ipywidgets as widgets
from PIL import Image

from flopslab.core.compositing import METHODS
from flopslab.core.windows import FrameKey
from flopslab.errors import FlopslabError
from flopslab.reports.inspection import context_of
from flopslab.runs.provenance import Recipe
from flopslab.viewer import html, images
from flopslab.viewer.html import NeighbourView
from flopslab.viewer.panels import Panel
from flopslab.viewer.snapshot import RunSnapshot


class Details(widgets.VBox):
    """What a picture was made from; `facts` is a widget of its own, to be placed elsewhere."""

    def __init__(self) -> None:
        self.title, self.facts, self.strip, self.recipe = (widgets.HTML() for _ in range(4))
        self.start = Panel()
        self.start.layout.width = "96px"
        self.strip.layout.flex = "1 1 320px"
        self.neighbours = widgets.HBox([self.start, self.strip])
        self.neighbours.layout.grid_gap, self.neighbours.layout.flex_flow = "16px", "row wrap"
        self.record = widgets.Accordion([self.recipe])
        super().__init__([self.title, self.neighbours, self.record])

    def show(self, run: RunSnapshot, key: FrameKey, name: str = "") -> None:
        """The details of this picture; `name`: of its run, if there are two.

        RunError if the picture cannot be read.
        """
        recipe = run.recipe(key)
        self.facts.value = html.table(html.facts(recipe, name))
        self.recipe.value = html.whole_recipe(recipe)
        self.record.titles = [f"Recipe of {name}" if name else "Recipe"]
        self.strip.value = html.strip(_views(run, recipe), key)
        self.title.value = html.title(_headline(recipe, name))
        self._show_start(run, recipe)
        self.layout.display = None

    def clear(self) -> None:
        """Nothing: there is no picture."""
        self.facts.value, self.layout.display = "", "none"

    def _show_start(self, run: RunSnapshot, recipe: Recipe) -> None:
        """The image that the frame started from, composed again, if there is one."""
        try:
            image, text = start_image(run, recipe), "started from"
        except FlopslabError as error:  # a neighbour is gone, or damaged
            image, text = None, error.actual
        self.start.show(images.encode(image, "PNG") if image else images.EMPTY, text)
        self.start.layout.display = "none" if image is None else None


def start_image(run: RunSnapshot, recipe: Recipe) -> Image.Image | None:
    """The image that a frame started from; None in pass 1 and for noise or latents."""
    if not recipe.inputs or METHODS[recipe.study.method].takes_latents:
        return None
    return context_of(recipe, run).init


def _headline(recipe: Recipe, name: str) -> str:
    subject = f"What the frame of {name} looked at" if name else "What it looked at"
    return f"{subject}: {METHODS[recipe.study.method].summary}" if recipe.inputs else subject


def _views(run: RunSnapshot, recipe: Recipe) -> list[NeighbourView]:
    """What the frame looked at, with the thumbnail of each neighbour."""
    keys = [FrameKey(recipe.pass_number - 1, entry.source) for entry in recipe.inputs]
    thumbnails = [run.thumbnail(key) for key in keys]
    addresses = [images.data_uri(data) if data else None for data in thumbnails]
    return [
        NeighbourView(entry.source, entry.weight, address)
        for entry, address in zip(recipe.inputs, addresses, strict=True)
    ]
