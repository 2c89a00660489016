"""The figures of the documents: `python docs/figures.py`, or `python docs/figures.py compare`.

    propagation-story   of the README, from a run of the embedded model: minutes the first time
    compare             of docs/compare.md, from the table of params/compare-full.yaml, or of
                        another comparison: `python docs/figures.py compare --table TABLE.csv`

The run is kept in output/story. The comparison must have been made, see docs/compare.md.
"""

import argparse
from pathlib import Path

import numpy as np

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
DOCS = Path(__file__).parent


def draw_story() -> Path:
    """The path of the figure of the README."""
    story = propagation_story(intervene(STUDY, CHANGE))
    return save(story, DOCS / "propagation-story.png", dpi=112)


def draw_comparison(table: Path) -> Path:
    """The path of the figure of docs/compare.md."""
    means = summarise(list(read_rows(table).values()), np.random.default_rng(0))
    return save(responses(means), DOCS / "compare-measures.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = ["propagation-story", "compare"]
    parser.add_argument("names", nargs="*", default=names[:1], choices=names)
    parser.add_argument("--table", type=Path, default=TABLE, help="the table of a comparison")
    options = parser.parse_args()
    if "propagation-story" in options.names:
        print(draw_story())
    if "compare" in options.names:
        print(draw_comparison(options.table))
