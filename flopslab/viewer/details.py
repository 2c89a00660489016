"""How a frame was made: facts, neighbours, what it started from, the whole recipe."""

import ipywidgets as widgets
from PIL import Image

from flopslab.core import refinement
from flopslab.core.compositing import METHODS
from flopslab.core.study import Study
from flopslab.errors import FlopslabError
from flopslab.runs.provenance import REFINEMENT, Recipe
from flopslab.viewer import html as views
from flopslab.viewer.html import Seen
from flopslab.viewer.overview import png
from flopslab.viewer.panels import EMPTY, Panel
from flopslab.viewer.snapshot import Album, Key


class Particulars(widgets.VBox):
    """What a picture looked at; `facts` is a widget of its own, to be placed beside it."""

    def __init__(self) -> None:
        self.facts, self.strip, self.recipe = (widgets.HTML() for _ in range(3))
        self.start = Panel()
        self.start.layout.width = "160px"
        self.facts.layout.flex = "1 1 300px"
        self.strip.layout.flex = "1 1 320px"
        self.title = widgets.HTML()
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
        """The image that the frame started from, composed again, if there is one."""
        try:
            image, said = started_from(album, recipe), "what it started from"
        except FlopslabError as error:  # a neighbour is gone, or damaged
            image, said = None, error.found
        self.start.show(png(image) if image else EMPTY, said)
        self.start.layout.display = "none" if image is None else None
        self.title.value = views.title(_headline(recipe))


def _headline(recipe: Recipe) -> str:
    if recipe.number == 1:
        return "What it looked at"
    return f"What it looked at: {METHODS[recipe.made_with['method']].summary}"


def started_from(album: Album, recipe: Recipe) -> Image.Image | None:
    """The image that a frame started from; None in pass 1 and for noise or latents."""
    if recipe.number == 1 or METHODS[recipe.made_with["method"]].takes_latents:
        return None
    refined = {name: recipe.made_with[name] for name in REFINEMENT if name in recipe.made_with}
    places = [recipe.position + entry["offset"] for entry in recipe.pixels["inputs"]]
    weights = [weight for _, weight in views.neighbours(recipe)]
    return refinement.context(
        Study.of(**refined),
        album,
        recipe.number,
        recipe.position,
        dict(zip(places, weights, strict=True)),
        dict(zip(places, recipe.input_positions, strict=True)),
    ).init


def _seen(album: Album, recipe: Recipe) -> list[Seen]:
    before = recipe.number - 1
    return [Seen(p, weight, album.thumbnail((before, p))) for p, weight in views.neighbours(recipe)]
