"""Whether a word arrives: placebo words, simulated experiments without an effect and with one."""

import numpy as np
import pytest
from painted import ColourEmbedder, PaintedGenerator

from flopslab.experiments.influence import Influence
from flopslab.experiments.interventions import Replace, intervene_each
from flopslab.experiments.linear_model import predict_influence
from flopslab.experiments.transport import (
    Gains,
    Transport,
    measure_gains,
    transport,
    transport_difference,
)

PLACEBOS = 20  # with three new words: 23^3 = 12,167 assignments, all of which are counted
CHANGES, SEEDS = 27, 3


def shares(count: int = CHANGES) -> Influence:
    """Changes in the middle of 21 frames: said within 1 position, brought by pictures up to 5."""
    away = np.abs(np.arange(21) - 10)
    rows = np.stack([(away <= 1) / 3, (away <= 5) * 0.3 * 2.0**-away])
    values = np.tile(rows, (count, 1, 1))
    return Influence(np.full(count, 11), np.arange(1, 22), values, values > 0)


def simulate(
    random: np.random.Generator, slope: float = 0, disturbance: float = 0.1, noise: float = 0.02
) -> Gains:
    """Gains of 3 new words and of placebos: of every word a habit, and noise, inside the cone.

    `disturbance`: what every word gains there, as if pictures turned to what all have in common.
    """
    words, share = 3 + PLACEBOS, shares()
    inside = share.values[:, -1] > 0
    habit = random.normal(0, 0.02, (1, words, 1))  # of the model, in all changes alike
    values = disturbance + habit + random.normal(0, noise, (CHANGES, words, 21))
    new, seeds = np.arange(CHANGES) % 3, np.arange(CHANGES) // 3 % SEEDS
    values[np.arange(CHANGES), new] += slope * share.values[:, -1]
    values = values * inside[:, None]
    return Gains(values, tuple(f"w{i}" for i in range(words)), new, seeds)


def test_the_slope_is_the_gain_for_a_share_and_no_constant_inside_the_cone_is_one():
    random = np.random.default_rng(0)
    exact = transport(simulate(random, 0.5, noise=0), shares(), random)
    assert (exact.slope, exact.low, exact.high) == pytest.approx((0.5,) * 3) and exact.arrives
    constant = transport(simulate(random, 0, disturbance=0.3, noise=0), shares(), random)
    assert constant.slope == pytest.approx(0, abs=1e-9) and not constant.arrives


def test_without_an_effect_a_word_arrives_in_one_of_twenty_experiments():
    random = np.random.default_rng(1)
    arrivals = [transport(simulate(random), shares(), random).arrives for _ in range(300)]
    assert np.mean(arrivals) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)


def test_an_effect_of_the_size_that_was_found_is_seen_nearly_always():
    random = np.random.default_rng(2)
    results = [transport(simulate(random, 0.3), shares(), random) for _ in range(60)]
    assert np.mean([result.arrives for result in results]) > 0.9
    covered = [result.low < 0.3 < result.high for result in results]
    assert np.mean(covered) > 0.75  # nine groups: a percentile interval is a little short


def test_a_habit_of_the_model_is_no_arrival():
    """One word that every disturbed picture turns to, near as far: the placebos show the chance."""
    random = np.random.default_rng(3)
    gains = simulate(random)
    gains.values[:, 0] += 0.5 * (gains.values[:, 0] != 0)
    assert not transport(gains, shares(), random).arrives


def test_the_difference_to_a_control_is_of_the_same_changes():
    random = np.random.default_rng(4)
    real, control = simulate(random, 0.5), simulate(random)
    difference, low, high = transport_difference((real, shares()), (control, shares()), random)
    assert low < 0.5 < high and low > 0 and 0.3 < difference < 0.7
    one = transport(real, shares(), random), transport(control, shares(), random)
    assert difference == pytest.approx(one[0].slope - one[1].slope)


def test_groups_are_seeds_and_words_and_few_of_them_have_no_interval():
    gains = simulate(np.random.default_rng(5))
    assert len(np.unique(gains.groups)) == 3 * SEEDS
    few = Gains(gains.values[:4], gains.words, gains.new[:4], gains.units[:4])
    result = transport(few, shares(4), np.random.default_rng(0))
    assert np.isinf(result.low) and "(" not in str(result)


def test_nothing_to_learn_from_is_no_arrival():
    """Every frame in the cone has the changed word itself."""
    gains, share = simulate(np.random.default_rng(6)), shares()
    share.values[:, 0] = 1
    result = transport(gains, share, np.random.default_rng(0))
    assert result.slope == 0 and result.p_value == 1 and not result.arrives


def test_the_account_says_slope_interval_test_and_verdict():
    assert str(Transport(0.32, 0.09, 0.54, 0.012, 100)) == (
        "+0.32 (+0.09 to +0.54), p = 0.012 against 100 placebo words: the word arrives"
    )
    assert str(Transport(0.1, -1, 1, 0.4, 100)).endswith("cannot be told from a disturbance")


def test_gains_are_measured_in_the_frames_that_changed_beyond_what_all_words_gain(study):
    changes = [Replace(4, "fire"), Replace(8, "crystals")]
    interventions = intervene_each(study, changes, PaintedGenerator())
    gains = measure_gains(interventions, ["a", "bb"], ColourEmbedder())
    assert gains.words == ("fire", "crystals", "a", "bb") and gains.new.tolist() == [0, 1]
    assert gains.values.shape == (2, 4, 12)
    assert gains.values.sum(axis=1) == pytest.approx(0)  # the mean of all candidates is left out
    reached = predict_influence(study, study.read_words().words, [4, 8]).values[:, -1] > 0
    assert np.array_equal((gains.values != 0).any(axis=1), reached)
