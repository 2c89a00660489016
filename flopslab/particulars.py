"""How a frame was made: facts, neighbours, what it started from, the whole recipe."""

import ipywidgets as widgets
from PIL import Image

from flopslab import compositing, views
from flopslab.album import Album, Key
from flopslab.compositing import Neighbour
from flopslab.errors import FlopslabError
from flopslab.overview import png
from flopslab.panels import EMPTY, Panel
from flopslab.recipe import Recipe
from flopslab.views import Seen


class Particulars(widgets.VBox):
    """What a picture looked at; `facts` is a widget of its own, to be placed beside it."""

    def __init__(self) -> None:
        self.facts, self.strip, self.recipe = (widgets.HTML() for _ in range(3))
        self.start = Panel()
        self.start.layout.width = "160px"
        self.facts.layout.flex = "1 1 300px"
        self.strip.layout.flex = "1 1 320px"
        self.title = widgets.HTML(views.title("What it looked at"))
        seen = widgets.HBox([self.start, self.strip])
        seen.layout.grid_gap, seen.layout.flex_flow = "16px", "row wrap"
        record = widgets.Accordion([self.recipe], titles=["Recipe"])
        super().__init__([self.title, seen, record])

    def show(self, album: Album, key: Key) -> None:
        """The particulars of this picture. RunError if it cannot be read."""
        recipe = album.recipe(key)
        self.facts.value = views.facts(recipe)
        self.recipe.value = views.whole_recipe(recipe)
        self.strip.value = views.strip(_seen(album, recipe), recipe.position)
        self._start(album, recipe)

    def _start(self, album: Album, recipe: Recipe) -> None:
        """The image that the frame started from, composed again."""
        shown = ""
        if recipe.number > 1:
            try:
                image = started_from(album, recipe)
                self.start.show(png(image) if image else EMPTY, "what it started from")
            except FlopslabError as error:
                self.start.show(EMPTY, f"a neighbour is gone: {error.found}")
        else:
            shown = "none"
        self.start.layout.display = shown


def started_from(album: Album, recipe: Recipe) -> Image.Image | None:
    """The init image of a refined frame; None if its method starts from noise."""
    before, inputs = recipe.number - 1, recipe.pixels["inputs"]
    neighbours = [
        Neighbour(entry["offset"], album.image((before, position)))
        for entry, position in zip(inputs, recipe.input_positions, strict=True)
    ]
    settings = recipe.pixels["settings"]
    size = settings["width"], settings["height"]
    return compositing.compose(recipe.pixels["refinement"]["method"], neighbours, size).init


def _seen(album: Album, recipe: Recipe) -> list[Seen]:
    before = recipe.number - 1
    return [Seen(p, weight, album.thumbnail((before, p))) for p, weight in views.neighbours(recipe)]
