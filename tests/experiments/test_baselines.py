"""Baselines: each is what its name says, and differs from the first pass in nothing else."""

from pathlib import Path

import numpy as np
import pytest
from painted import PaintedGenerator

from flopslab.core.plan import inputs_of
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing
from flopslab.experiments.comparison.baselines import baselines_of, words_alone
from flopslab.experiments.comparison.measures import pass_images
from flopslab.passes import run
from flopslab.progress import NullProgress

DIFFERENCES = {
    "words alone": {},
    "shared noise": {"seed_policy": "shared"},
    "turning noise": {"seed_policy": "slerp"},
}


@pytest.fixture
def refined(study: Study) -> Study:
    return study.replace(method="latent", colour_anchor=0.5, passes=2)


def test_words_alone_are_the_first_pass_with_nothing_of_refinement(refined):
    assert words_alone(refined) == words_alone(refined.replace(method="grid", image_weight=0.9))
    assert words_alone(refined).passes == 1
    assert words_alone(refined) != words_alone(refined.replace(seed=1))


@pytest.mark.parametrize("name", DIFFERENCES)
def test_noise_is_all_that_a_baseline_of_noise_changes(refined, name):
    (baseline,) = (item for item in baselines_of(refined) if item.name == name)
    first = words_alone(refined).model_dump(exclude={"output_dir"})
    assert baseline.study.model_dump(exclude={"output_dir"}) == first | DIFFERENCES[name]
    assert baseline.pass_number == 1


@pytest.mark.parametrize(
    ("diameter", "passes", "expected"), [(4, 8, {2: 12, 3: 20}), (10, 2, {2: 30})]
)
def test_wider_windows_hold_every_word_that_can_reach_a_frame_of_their_pass(
    diameter, passes, expected
):
    study = Study(context_diameter=diameter, passes=passes, image_context_multiplier=2)
    wider = [item for item in baselines_of(study) if item.name == "wider windows"]
    assert {item.pass_number: item.study.context_diameter for item in wider} == expected
    for item in wider:
        windows = [Windowing(each, 48) for each in (study, item.study)]
        assert set(windows[1].words(24)) == windows[0].cone(FrameKey(item.pass_number, 24))


def test_windows_wider_than_the_sequence_are_left_out(study):
    names = [item.name for item in baselines_of(study.replace(context_diameter=6, passes=3))]
    assert "wider windows" not in names


def test_each_baseline_has_a_directory_of_its_own_but_the_cross_fade(study):
    paths = [item.study.output_dir for item in baselines_of(study)]
    assert len(set(paths)) == len(paths) - 1 and paths[-1] == paths[0]


@pytest.mark.slow
def test_a_cross_fade_is_the_weighted_mean_of_the_neighbours_pictures(study):
    study = study.replace(method="blend", workers=1)
    *_, baseline = baselines_of(study)
    run(baseline.study, PaintedGenerator(), NullProgress())
    first = np.stack([np.asarray(image, float) for image in pass_images(baseline.study, 1)])
    light = (first / 255) ** 2.2  # near enough to the curve of sRGB
    for place, image in enumerate(baseline.images()):
        weights = np.zeros(12)
        for entry in inputs_of(Windowing(study, 12), FrameKey(2, place + 1)):
            weights[entry.source - 1] = entry.weight
        mean = 255 * np.tensordot(weights, light, 1) ** (1 / 2.2)
        assert np.abs(np.asarray(image, float) - mean).mean() < 2
    assert not Path(baseline.study.output_dir, "pass2").exists()
