"""The figure of the README, from a run of the embedded model: `python docs/figures.py`.

Takes minutes the first time; the run is kept in output/story.
"""

from pathlib import Path

from flopslab.core.study import Study
from flopslab.experiments.interventions import Replace, intervene
from flopslab.plots.propagation import propagation_story
from flopslab.plots.style import save

STUDY = Study(output_dir="output/story", method="latent", passes=4, context_diameter=2, limit=24)
CHANGE = Replace(position=16, word="fire")
PATH = Path(__file__).parent / "propagation-story.png"

if __name__ == "__main__":
    print(save(propagation_story(intervene(STUDY, CHANGE)), PATH, dpi=112))
