"""The figures of the documents: `python docs/figures.py`, or `python docs/figures.py compare`.

    propagation-story   of the README, from a run of the embedded model: minutes the first time
    compare             of docs/compare.md, from the table of params/compare-full.yaml, or of
                        another comparison: `python docs/figures.py compare --table TABLE.csv`

    propagation         of docs/propagation.md, from those of params/propagation-full.yaml, or of
                        another experiment: `python docs/figures.py propagation --figures FOLDER`

The run is kept in output/story. The comparison and the experiment must have been made, see
docs/compare.md and docs/propagation.md.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from flopslab.core.study import Study
from flopslab.experiments.comparison.intervals import summarise
from flopslab.experiments.comparison.table import read_rows
from flopslab.experiments.interventions import Replace, intervene
from flopslab.plots.propagation import propagation_story
from flopslab.plots.responses import responses
from flopslab.plots.style import save

STUDY = Study(output_dir="output/story", method="latent", passes=4, context_diameter=2, limit=24)
CHANGE = Replace(position=16, word="fire")
TABLE = Path("output/compare-full/table.csv")
FIGURES = Path("output/propagation-full-figures")
WIDTH = 1200  # of the figure that is put together, in pixels
DOCS = Path(__file__).parent


def draw_story() -> Path:
    """The path of the figure of the README."""
    story = propagation_story(intervene(STUDY, CHANGE))
    return save(story, DOCS / "propagation-story.png", dpi=112)


def draw_comparison(table: Path) -> Path:
    """The path of the figure of docs/compare.md."""
    means = summarise(list(read_rows(table).values()), np.random.default_rng(0))
    return save(responses(means), DOCS / "compare-measures.png")


def draw_propagation(figures: Path, path: Path = DOCS / "propagation.jpg") -> Path:
    """The path of the figure of docs/propagation.md: three of the notebook's, one below another."""
    names = "difference", "decay", "arrival"
    parts = [Image.open(figures / f"{name}.png").convert("RGB") for name in names]
    parts = [part.resize((WIDTH, round(part.height * WIDTH / part.width))) for part in parts]
    whole = Image.new("RGB", (WIDTH, sum(part.height for part in parts)))
    for index, part in enumerate(parts):
        whole.paste(part, (0, sum(above.height for above in parts[:index])))
    whole.save(path, quality=85)
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = ["propagation-story", "compare", "propagation"]
    parser.add_argument("names", nargs="*", metavar="FIGURE", help=", ".join(names))
    parser.add_argument("--table", type=Path, default=TABLE, help="the table of a comparison")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="those of an experiment")
    options = parser.parse_args()
    chosen = options.names or names[:1]
    if unknown := set(chosen) - set(names):
        parser.error(f"no figure {sorted(unknown)}: the figures are {names}")
    if "propagation-story" in chosen:
        print(draw_story())
    if "compare" in chosen:
        print(draw_comparison(options.table))
    if "propagation" in chosen:
        print(draw_propagation(options.figures))
