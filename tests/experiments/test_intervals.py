"""Intervals over sequences and seeds: they cover, they find, and frames are no sample."""

import math

import numpy as np
import pytest

from flopslab.experiments.comparison.intervals import interval, summarise
from flopslab.experiments.comparison.measures import MEASURES

SEQUENCES, SEEDS, TRIALS = 4, 3, 150


def simulate(effect: float, spread: tuple[float, float, float], random) -> np.ndarray:
    """Gains [sequences, seeds]: an effect, and what sequence, seed and chance add to it."""
    shapes = (SEQUENCES, 1), (1, SEEDS), (SEQUENCES, SEEDS)
    noise = [random.normal(0, s, shape) for s, shape in zip(spread, shapes, strict=True)]
    return effect + sum(noise)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [(0.05, 0.01, 0.02), (0.03, 0.03, 0.03), (0, 0, 0.03)])
def test_of_simulated_tables_without_an_effect_about_one_in_twenty_shows_one(spread):
    random = np.random.default_rng(0)
    tables = [simulate(0, spread, random) for _ in range(TRIALS)]
    shown = [low > 0 or high < 0 for low, high in (interval(t, random) for t in tables)]
    assert np.mean(shown) <= 0.085  # 0.05, give or take two standard errors


def test_of_simulated_tables_with_the_effect_that_is_looked_for_nearly_all_show_it():
    random = np.random.default_rng(1)
    lows = [interval(simulate(0.25, (0.05, 0.03, 0.03), random), random)[0] for _ in range(50)]
    assert np.mean(np.array(lows) > 0) >= 0.9


def test_units_that_differ_widen_an_interval():
    random = np.random.default_rng(0)
    like = interval(np.array([[0.3, 0.3], [0.3, 0.3]]), random)
    unlike = interval(np.array([[0.1, 0.1], [0.5, 0.5]]), random)
    assert like == pytest.approx((0.3, 0.3))
    assert unlike == pytest.approx((0.1, 0.5))


def test_one_unit_has_no_interval_and_one_factor_is_enough_for_one():
    random = np.random.default_rng(0)
    assert all(map(math.isnan, interval(np.array([[0.3]]), random)))
    low, high = interval(np.array([[0.1, 0.2, 0.3]]), random)
    assert low < 0.2 < high


def row(sequence: str, seed: int, method: str, gain: float) -> dict:
    measures = dict.fromkeys(MEASURES, math.nan) | {"gain": gain}
    names = {"baseline": "", "method": method, "sequence": sequence, "seed": seed, "pass": 2}
    return {**names, "frames": 24, **measures, "key": f"{sequence}{seed}{method}"}


def test_means_are_over_sequences_and_seeds_and_keep_all_else_apart():
    gains = {("demo", 0): 0.1, ("demo", 1): 0.3, ("tide", 0): 0.5, ("tide", 1): 0.7}
    rows = [row(*unit, "blend", gain) for unit, gain in gains.items()]
    rows += [row(*unit, "grid", 0.0) for unit in gains]
    blend, grid = summarise(rows, np.random.default_rng(0))
    assert blend["gain"] == pytest.approx(0.4) and blend["units"] == 4
    assert blend["gain_low"] < 0.4 < blend["gain_high"]
    assert grid["gain"] == grid["gain_low"] == grid["gain_high"] == 0
    assert blend.keys().isdisjoint({"sequence", "seed", "key", "frames"})
    assert math.isnan(blend["own_words"]) and "own_words_low" not in blend


def test_a_table_that_is_half_made_has_means_of_what_is_there():
    units = [("demo", 0, 0.2), ("demo", 1, 0.4), ("tide", 0, 0.6)]
    rows = [row(sequence, seed, "blend", gain) for sequence, seed, gain in units]
    (mean,) = summarise(rows, np.random.default_rng(0))
    assert mean["gain"] == pytest.approx(0.4) and "gain_low" not in mean
