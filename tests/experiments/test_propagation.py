"""The experiment: where words are changed, and what the runs under controls are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from cells import cell
from painted import WORDS, ColourEmbedder, PaintedGenerator, write_words

from flopslab.calibration.curve import Calibration, Curve
from flopslab.core.neighbours import CONTROLS
from flopslab.core.study import Study
from flopslab.errors import ParameterError
from flopslab.experiments import propagation
from flopslab.experiments.influence import arrival, influence, run_difference
from flopslab.experiments.linear_model import predict_influence
from flopslab.experiments.propagation import Experiment
from flopslab.passes import run
from flopslab.prediction.reading import stored_calibration
from flopslab.progress import NullProgress
from flopslab.runs.reader import open_run
from flopslab.words.word import Word

pytestmark = pytest.mark.slow

FULL = Path(__file__).parents[2] / "params" / "propagation-full.yaml"


@pytest.fixture
def experiment(study: Study) -> Experiment:
    return Experiment(study, new_word="comet", changes=3, control_changes=2)


def places(**names) -> list[int]:
    own = {key: names.pop(key) for key in ("changes", "new_word", "seeds") if key in names}
    study = Study.of(**{"context_diameter": 4, "passes": 3} | names)
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
    roomy = Experiment(Study(context_diameter=4, passes=3), new_word="comet")
    assert roomy.fronts == [2, 6, 10]
    narrow = Experiment(Study(context_diameter=10, limit=16, passes=2), new_word="comet")
    assert [change.position for change in narrow.planned()] == [3, 9, 14]
    assert narrow.fronts == [8, 13]  # frame 1 reads words 1 to 11; there are 16 frames


def test_changes_stand_at_frames_and_never_put_a_word_in_its_own_place():
    assert all(place % 3 == 1 for place in places(changes=5, frame_interval=3))
    assert 23 in places(changes=28) and 23 not in places(changes=28, new_word="sun")


def test_several_new_words_take_turns_and_stand_in_no_place_of_their_own():
    experiment = Experiment(Study(context_diameter=4), ["comet", "fish"], changes=4)
    assert [change.word for change in experiment.planned()] == ["comet", "fish"] * 2
    assert experiment.planned(2) == [experiment.planned()[1], experiment.planned()[3]]
    assert 23 not in places(changes=28, new_word=["comet", "sun"])


def test_no_word_is_tied_to_a_seed():
    experiment = Experiment(Study(context_diameter=4), ["comet", "fish"], changes=8, seeds=2)
    own = experiment._study_of_change("none")
    assert {(change.word, study.seed) for change, study in own.items()} == {
        ("comet", 0), ("fish", 0), ("comet", 1), ("fish", 1),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "control_changes", "seeds"), [(0, 0, 1), (2, 3, 1), (2, 0, 1), (2, 1, 3), (2, 1, 0)]
)
def test_numbers_that_make_no_sense_are_refused(changes, control_changes, seeds):
    with pytest.raises(ParameterError, match=f"changes = {changes}") as caught:
        Experiment(Study(), changes=changes, control_changes=control_changes, seeds=seeds)
    assert f"seeds = {seeds}" in caught.value.actual


@pytest.mark.parametrize("names", [{"changes": "3"}, {"changes": 2.5}, {"new_word": 1984}])
def test_a_value_of_another_type_is_refused(names):
    with pytest.raises(ParameterError):
        Experiment(Study(), **names)


def test_an_experiment_needs_a_word_to_put_in():
    with pytest.raises(ParameterError, match="no new_word"):
        Experiment(Study(), new_word=[])


def test_a_sequence_of_nothing_but_the_new_word_has_no_word_to_change(study, tmp_path):
    fires = study.replace(sequence=str(write_words(tmp_path / "fires.json", ["fire"] * 12)))
    with pytest.raises(ParameterError, match="fire already"):
        Experiment(fires, "fire")
    assert Experiment(fires, "comet").planned()


def test_a_cell_is_read_like_that_of_a_study():
    found = Experiment.from_cell(cell({"passes": 2, "changes": 7, "probe": "a/clip"}) | {"np": np})
    assert found == Experiment(Study(passes=2), changes=7, probe="a/clip")
    with pytest.raises(ParameterError, match="use frame_interval instead"):
        Experiment.from_cell(cell({"frame_intervall": 2, "changes": 7}))
    with pytest.raises(ParameterError, match="use control_changes instead"):
        Experiment.from_cell(cell({"control_change": 2, "changes": 7}))


def test_the_full_form_changes_words_of_four_sequences_under_three_seeds():
    full = Experiment.from_cell(cell(yaml.safe_load(FULL.read_text())))
    assert len(full.planned()) == full.changes and full.seeds == 3
    assert len(full.all_sequences) == 4 and full.study.context_diameter == 4
    assert (np.bincount(full.groups) >= 2).all() and len(np.bincount(full.groups)) == 12


def test_controls_measure_some_changes_under_each_and_another_seed(experiment):
    generator = PaintedGenerator()
    run(experiment.study, generator, NullProgress())
    found = experiment.run_controls(generator)
    assert list(found) == [*CONTROLS]
    assert all([one.change for one in each] == experiment.planned(2) for each in found.values())
    seed = experiment.run_other_seed(generator)
    assert seed.centres.tolist() == [change.position for change in experiment.planned(2)]
    assert seed.differs.all() and not influence(found["no_images"]).differs.all()


def test_a_control_takes_its_first_pass_from_the_base_run(experiment):
    run(experiment.study, PaintedGenerator(), NullProgress())
    generator = PaintedGenerator()
    (found, _) = experiment.run_control("no_images", generator)
    assert generator.calls == 12 + 2 * (3 + 3), "pass 2 of all, and two changes of three frames"
    assert found.base == Path(experiment.studies("no_images")[0].output_dir)


def test_seeds_take_turns_and_every_change_keeps_its_own(study):
    experiment = Experiment(study, "comet", changes=4, control_changes=2, seeds=2)
    generator = PaintedGenerator()
    found = experiment.run_changes(generator)
    assert [each.change for each in found] == experiment.planned()
    assert [seed_of(each.base) for each in found] == [0, 1, 0, 1]
    assert [seed_of(each.directory) for each in found] == [0, 1, 0, 1]
    assert len({each.base for each in found}) == 2
    controlled = experiment.run_control("shuffled", generator)
    assert [each.change for each in controlled] == [found[1].change, found[3].change]
    assert [seed_of(each.base) for each in controlled] == [1, 1]
    assert seed_of(Path(f"{study.output_dir}-seeds/2")) is None
    experiment.run_other_seed(generator)
    assert seed_of(Path(f"{study.output_dir}-seeds/2")) == 2, "one that no change has"


def test_what_controls_did_is_compared_inside_and_outside_the_studys_own_front(experiment):
    generator, random = PaintedGenerator(), np.random.default_rng(0)
    changes = experiment.run_changes(generator)
    influences = {"none": influence(changes)}
    for name, items in experiment.run_controls(generator).items():
        influences[name] = influence(items)
    points = experiment.inside_outside_front(influences, random)
    assert points["none"][0][0] > 0 and points["none"][1][0] == 0
    assert points["no_images"][0][0] == points["no_images"][1][0] == 0
    assert points["shuffled"][1][0] > 0


def seed_of(directory: Path) -> int | None:
    """The run seed; None if there is no run."""
    if not directory.exists():
        return None
    return open_run(directory).manifest["parameters"]["seed"]


def test_what_is_predicted_for_a_control_is_in_its_order_and_layout(study):
    experiment = Experiment(study, "comet", changes=4, control_changes=3, seeds=2)
    whole, own = experiment.predicted(), experiment.predicted("shuffled")
    assert whole.centres.tolist() == [change.position for change in experiment.planned()]
    assert own.centres.tolist() == [change.position for change in experiment.planned(3)]
    for row, change in enumerate(experiment.planned(3)):
        turn = experiment.planned().index(change)
        asked = study.replace(**{"control": "shuffled", "seed": turn % 2})
        calibration = stored_calibration(asked)
        expected = predict_influence(asked, experiment.words, [change.position], calibration)
        assert (own.values[row] == expected.values[0]).all()
        assert (own.values[row] != whole.values[turn]).any()


def test_placebo_words_are_neither_in_the_sequence_nor_put_in():
    experiment = Experiment(Study.of(limit=8), new_word=["abyss", "air"])
    own = {word.text for word in experiment.words} | {"abyss", "air"}
    assert len(experiment.placebos) == len(set(experiment.placebos)) == 100
    assert not own.intersection(experiment.placebos)


def test_transport_is_measured_under_each_control_and_paired_with_real_neighbours(experiment):
    """The painted generator knows no words: none of them may arrive."""
    random = np.random.default_rng(0)
    runs = {"none": experiment.run_changes(PaintedGenerator())}
    for name in ("shuffled", "no_text"):
        runs[name] = experiment.run_control(name, PaintedGenerator())
    gains = experiment.measure_gains(runs, ColourEmbedder())
    items = experiment.transports(gains, random)
    assert next(iter(items)) == "real neighbours" and len(items) == 4
    assert not any(item.arrives for item in items.values())
    lead, low, _ = experiment.transport_lead(gains, random)
    same = items["real neighbours"].slope - items["shuffled, where neighbours belong"].slope
    assert np.isinf(low) and np.isfinite(lead) and lead != same  # of two changes, not of all three


@pytest.fixture
def second(tmp_path: Path) -> str:
    """A sequence of the same length, of other words."""
    return write_words(tmp_path / "second.json", [f"{word}s" for word in WORDS])


def test_sequences_and_seeds_take_turns_and_are_the_groups_of_the_changes(study, second):
    experiment = Experiment(study, "comet", changes=4, seeds=2, sequences=[second])
    changes = experiment.run_changes(PaintedGenerator())
    parameters = [open_run(item.base).manifest["parameters"] for item in changes]
    units = [(each["sequence"] == second, each["seed"]) for each in parameters]
    assert units == [(False, 0), (False, 1), (True, 0), (True, 1)]
    assert experiment.groups.tolist() == [0, 1, 2, 3]
    gains = experiment.measure_gains({"none": changes}, ColourEmbedder())["none"]
    assert len(set(gains.units.tolist())) == 4
    assert not {f"{word}s" for word in WORDS}.intersection(experiment.placebos)


def test_changes_of_one_sequence_and_seed_are_groups_of_one(experiment):
    assert experiment.groups.tolist() == [0, 1, 2]


def test_another_seed_and_the_words_that_usually_show_are_those_of_each_sequence(study, second):
    experiment = Experiment(study, "comet", changes=2, control_changes=2, sequences=[second])
    generator = PaintedGenerator()
    changes = experiment.run_changes(generator)
    other = experiment.run_other_seed(generator)
    assert other.centres.tolist() == [item.change.position for item in changes]
    for values, item in zip(other.values, changes, strict=True):
        assert (values == run_difference(item.base, Path(f"{item.base}-seeds/1"))[0]).all()
    embedder = ColourEmbedder()
    both = experiment.arrivals({"none": changes}, embedder)["none"]
    for row, item in enumerate(changes):
        words = [Word(f"{text}s" if row else text) for text in WORDS]
        assert (both.values[row] == arrival([item], [words], embedder).values[0]).all()


def test_the_interval_around_a_front_is_over_sequences_and_seeds(study):
    experiment = Experiment(study, "comet", changes=4, control_changes=2, seeds=2)
    values = np.array([1.0, 9, 9, 1])[:, None, None] * np.ones((2, 12))
    predicted = experiment.predicted()
    measured = replace(predicted, values=values)
    some = replace(measured, values=values[[1, 3]], centres=measured.centres[[1, 3]])
    points = experiment.inside_outside_front(
        {"none": measured, "shuffled": some}, np.random.default_rng(0)
    )
    assert points["none"][0] == (5, 5, 5), "the means of two units, of two changes in each"
    assert points["shuffled"][0] == (5, 5, 5), "both changes are under one seed"


def test_a_prediction_takes_the_calibration_of_the_model_once_there_is_one(experiment, monkeypatch):
    before = experiment.predicted()
    curve = Curve((0.5, 1.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0))
    calibration = Calibration(
        "key", curve, curve, Curve((0.0, 1.0), (0.0, 0.9), (0.0,) * 2, (1.0,) * 2)
    )
    monkeypatch.setattr(propagation, "stored_calibration", lambda study: calibration)
    after = experiment.predicted()
    assert not after.values[:, 1][after.values[:, 0] == 0].any(), "nothing of a start survives"
    assert (before.differs == after.differs).all(), "yet its frames change"


def test_no_word_is_put_in_its_own_place_in_any_sequence(study, second):
    experiment = Experiment(study, "stones", changes=12, sequences=[second])
    assert 5 not in [change.position for change in experiment.planned()]


def test_sequences_of_unlike_length_need_a_limit(study, tmp_path):
    short = write_words(tmp_path / "short.json", WORDS[:9])
    with pytest.raises(ParameterError, match="set limit"):
        Experiment(study, sequences=[short])
    assert Experiment(study.replace(limit=9), sequences=[short]).all_sequences[1] == short


def test_a_cell_may_list_sequences_and_the_first_is_the_studys():
    found = Experiment.from_cell(cell({"sequences": "tide, storm", "limit": 24}))
    assert found.study.sequence == "tide" and found.all_sequences == ["tide", "storm"]
