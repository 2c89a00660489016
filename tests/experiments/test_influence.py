"""Influence by distance and pass, its front, its decay, and which words frames show."""

import numpy as np
import pytest
from painted import PaintedGenerator

from flopslab.analysis.metrics import pixel_distance
from flopslab.core.windows import FrameKey
from flopslab.experiments import influence, interventions
from flopslab.experiments.influence import Influence
from flopslab.experiments.interventions import Replace
from flopslab.progress import NullProgress
from flopslab.runs.reader import open_run
from flopslab.words.sequence import Word


def made(rows: list[list[float]], centre: int = 3) -> Influence:
    """One change at `centre`, a row of frames for each pass."""
    values = np.array([rows], dtype=float)
    return Influence(np.array([centre]), np.arange(1, values.shape[2] + 1), values, values > 0)


def test_influence_is_the_measure_between_the_same_frames_of_two_runs(study):
    found = interventions.intervene_each(
        study, [Replace(6, "comet"), Replace(9, "comet")], PaintedGenerator(), NullProgress()
    )
    measured = influence.influence(found)
    assert measured.centres.tolist() == [6, 9]
    assert measured.values.shape == measured.differs.shape == (2, 2, 12)
    for row, one in enumerate(found):
        base, changed = open_run(one.base), open_run(one.directory)
        for number, position in [(1, 6), (2, 9), (2, 1)]:
            images = [each.frame(FrameKey(number, position))[0] for each in (base, changed)]
            expected = pixel_distance(*images)
            assert measured.values[row, number - 1, position - 1] == expected
            assert measured.differs[row, number - 1, position - 1] == (expected > 0)


class Reddish:
    """A probe of two directions, red and green; every word but red is green."""

    def images(self, images):
        return np.array([np.asarray(image)[..., :2].mean(axis=(0, 1)) / 255 for image in images])

    def texts(self, texts):
        return np.array([[1.0, 0.0] if text == "red" else [0.0, 1.0] for text in texts])


def test_what_arrives_is_the_gain_of_the_new_word_over_the_usual_one(study):
    found = interventions.intervene_each(
        study, [Replace(6, "red"), Replace(9, "green")], PaintedGenerator(), NullProgress()
    )
    words, probe = [Word("red"), Word("green"), Word("green"), Word("green")], Reddish()
    measured, differs = (
        influence.arrival(found, [words] * 2, probe),
        influence.influence(found).differs,
    )
    assert (measured.differs == differs).all() and not measured.values[~differs].any()
    usual = np.array([0.25, 0.75])
    for row, (one, towards) in enumerate(zip(found, np.eye(2) - usual, strict=True)):
        images = [open_run(each).frame(FrameKey(2, 7))[0] for each in (one.base, one.directory)]
        before, after = probe.images(images)
        assert measured.values[row, 1, 6] == pytest.approx((after - before) @ towards)


def test_parts_are_joined_in_order():
    parts = [made([[0, 1, 2]], centre=2), made([[3, 4, 5]], centre=3)]
    whole = influence.concatenate(parts)
    assert whole.centres.tolist() == [2, 3]
    assert whole.values.tolist() == [[[0, 1, 2]], [[3, 4, 5]]]
    assert whole.distances.tolist() == [[1, 0, 1], [2, 1, 0]]


def test_by_distance_takes_both_sides_together():
    found = influence.by_distance(made([[0, 2, 6, 4, 1, 0]]))
    assert found[0, 0].tolist() == [6, 3, 0.5, 0]


def test_no_frame_at_a_distance_is_nan_not_zero():
    spaced = Influence(np.array([2]), np.array([1, 4, 7]), np.ones((1, 1, 3)), np.ones((1, 1, 3)))
    assert np.isnan(influence.by_distance(spaced)[0, 0]).tolist() == [
        True,
        False,
        False,
        True,
        True,
        False,
    ]


def test_the_front_is_the_farthest_bit():
    found = made([[0, 0, 1, 0, 0, 0], [0, 0, 1, 1e-9, 0, 0], [0, 1, 0, 0, 1e-9, 0], [0] * 6])
    assert influence.front(found).tolist() == [[0, 1, 2, -1]]


def test_a_wave_is_the_mean_over_changes_within_its_interval():
    values = np.random.default_rng(0).random((30, 2, 5))
    found = Influence(np.full(30, 3), np.arange(1, 6), values, values > 0)
    wave = influence.decay_curve(found, np.random.default_rng(0))
    assert wave.mean[:, 0] == pytest.approx(values[:, :, 2].mean(axis=0))
    assert (wave.low < wave.mean).all() and (wave.mean < wave.high).all()
    assert wave.high[0, 0] - wave.low[0, 0] == pytest.approx(4 * 0.29 / 30**0.5, rel=0.3)


@pytest.mark.parametrize("half", [0.5, 1, 3])
def test_the_half_life_of_an_exponential_decay_is_its_own(half):
    values = 0.3 * 2 ** (-np.arange(12) / half)
    assert influence.half_life(values) == pytest.approx(half)
    assert influence.half_life(np.where(np.arange(12) < 3, 5.0, values), first=3) == pytest.approx(
        half
    )
    assert influence.half_life(np.append(values, [0, 0, np.nan])) == pytest.approx(half)


def test_what_does_not_fall_has_no_half_life_and_one_value_tells_nothing():
    assert influence.half_life(np.array([1.0, 2.0, 4.0])) == np.inf
    assert influence.half_life(np.full(7, 0.1)) == np.inf
    assert np.isnan(influence.half_life(np.array([1.0, 0.0, np.nan])))


def test_the_share_outside_counts_both_sides_of_a_distance():
    assert influence.share_outside(np.array([[4.0, 2.0, 1.0, np.nan]]), radius=1) == 2 / (4 + 4 + 2)
    assert influence.share_outside(np.array([[4.0, 2.0, 0.0, 0.0]]), radius=1) == 0


def test_within_is_a_mean_over_the_frames_of_the_last_pass():
    found = made([[9] * 6, [1, 2, 6, 4, 2, 3]])
    assert influence.mean_within(found, found.distances == 1) == [3]
    assert influence.mean_within(found, found.distances > 1) == [2]
    assert np.isnan(influence.mean_within(found, found.distances > 5)).all()


def test_agreement_is_a_correlation_where_anything_is():
    one = made([[0, 1, 2, 3, 0], [0, 1, 2, 3, 0]])
    other = made([[0, 2, 4, 6, 0], [0, 3, 2, 1, 0]])
    assert influence.agreement(one, other) == pytest.approx([1, -1])
    alike = made([[0, 2, 2, 2, 0], [0] * 5])
    assert np.isnan(influence.agreement(alike, other)[0])
    assert np.isnan(influence.agreement(made([[0] * 5] * 2), made([[0] * 5] * 2))).all()


def test_of_groups_of_changes_the_means_are_the_sample():
    values = np.array([[1.0, np.nan], [3.0, 2.0], [7.0, 4.0]])
    assert influence.group_means(values, np.array([0, 0, 1])).tolist() == [[2, 2], [7, 4]]
    assert influence.group_means(values, None) is values
    found = Influence(np.full(6, 3), np.arange(1, 6), np.ones((6, 1, 5)), np.ones((6, 1, 5), bool))
    found.values[::2] = 3  # changes of one seed are alike: six of them are no six seeds
    curve = influence.decay_curve(found, np.random.default_rng(0), groups=np.arange(6) % 2)
    assert (curve.low[0, 0], curve.high[0, 0]) == (1, 3)
