"""The experiment: where words are changed, and what the runs under controls are."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from painted import WORDS, PaintedGenerator

from flopslab.controls import CONTROLS
from flopslab.errors import ParameterError
from flopslab.experiment import Experiment
from flopslab.params import Study
from flopslab.passes import run
from flopslab.progress import NoProgress
from flopslab.reading import open_run

FULL = Path(__file__).parent.parent / "params" / "propagation-full.yaml"


@pytest.fixture
def experiment(study: Study) -> Experiment:
    return Experiment(study, new_word="comet", changes=3, control_changes=2)


def places(**names) -> list[int]:
    own = {key: names.pop(key) for key in ("changes", "new_word") if key in names}
    study = Study.of(**{"context_diameter": 4} | names)
    return [change.position for change in Experiment(study, **own).planned()]


def test_changes_stand_where_their_wave_meets_no_end():
    assert places(changes=28, new_word="comet") == list(range(11, 39))
    spread = places(changes=6)
    assert len(spread) == 6 and spread[0] >= 11 and spread[-1] <= 38
    assert np.ptp(np.diff(spread)) <= 1


def test_where_every_wave_meets_an_end_they_are_spread_over_all():
    assert places(changes=3, limit=8) == [2, 5, 7]
    assert places(changes=100, limit=2) == [1, 2]


def test_a_front_is_predicted_as_far_as_the_cones_reach():
    roomy = Experiment(Study(context_diameter=4), new_word="comet")
    assert roomy.reaches == [2, 6, 10]
    narrow = Experiment(Study(context_diameter=10, limit=16, passes=2), new_word="comet")
    assert [change.position for change in narrow.planned()] == [3, 9, 14]
    assert narrow.reaches == [8, 13]  # frame 1 reads words 1 to 11; there are 16 frames


def test_changes_stand_at_frames_and_never_put_a_word_in_its_own_place():
    assert all(place % 3 == 1 for place in places(changes=5, frame_interval=3))
    assert 23 in places(changes=28) and 23 not in places(changes=28, new_word="sun")


@pytest.mark.parametrize(("changes", "control_changes"), [(0, 0), (2, 3), (2, 0)])
def test_a_number_of_changes_that_makes_no_sense_is_refused(changes, control_changes):
    with pytest.raises(ParameterError, match=f"changes = {changes}"):
        Experiment(Study(), changes=changes, control_changes=control_changes)


def test_a_cell_is_read_like_that_of_a_study():
    found = Experiment.from_cell({"passes": 2, "changes": 7, "probe": "a/clip", "np": np})
    assert found == Experiment(Study(passes=2), changes=7, probe="a/clip")
    with pytest.raises(ParameterError, match="use frame_interval instead"):
        Experiment.from_cell({"frame_intervall": 2, "changes": 7})


def test_the_full_form_is_an_experiment_on_every_inner_word():
    full = Experiment.from_cell(yaml.safe_load(FULL.read_text()))
    assert len(full.planned()) == full.changes == 27
    assert len(full.frames) == len(full.words) == 48


def test_controls_measure_some_changes_under_each_and_another_seed(experiment):
    generator = PaintedGenerator()
    run(experiment.study, generator, NoProgress())
    found = experiment.controls(generator)
    assert list(found) == [*CONTROLS, "seed"]
    centres = [change.position for change in experiment.planned(2)]
    assert all(each.centres.tolist() == centres for each in found.values())
    assert found["seed"].differs.all() and not found["no_images"].differs.all()


def test_a_control_takes_its_first_pass_from_the_base_run(experiment):
    run(experiment.study, PaintedGenerator(), NoProgress())
    generator = PaintedGenerator()
    (found, _) = experiment.control("no_images", generator)
    assert generator.calls == 12 + 2 * (3 + 3), "pass 2 of all, and two changes of three frames"
    assert found.base == Path(experiment.controlled("no_images").output_dir)


def test_shown_words_are_those_of_the_last_pass(experiment):
    class Spelling:
        """A point for each word, and for each picture what it is asked in turn."""

        def images(self, images):
            self.seen = [image.tobytes() for image in images]
            return np.eye(12)[: len(images)]

        def texts(self, texts):
            assert list(texts) == WORDS
            return np.eye(12)

    finished, probe = run(experiment.study, PaintedGenerator(), NoProgress()), Spelling()
    shown = experiment.shown_words(finished.directory, probe)
    opened = open_run(finished.directory)
    assert probe.seen == [opened.frame(2, p)[0].tobytes() for p in range(1, 13)]
    assert shown.argmax(axis=1).tolist() == list(range(12))
