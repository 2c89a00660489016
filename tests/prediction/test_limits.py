"""The closed forms, against the sums that they stand for."""

import math

import numpy as np
import pytest

from flopslab.calibration.curve import Calibration, Curve
from flopslab.core.study import Study
from flopslab.prediction import limits
from flopslab.prediction.mixture import Mixture
from flopslab.prediction.shares import mean_square_distance
from flopslab.words.sequence import Word

WORDS = tuple(Word(f"w{number}", 1) for number in range(90))


def flat(value: float) -> Curve:
    return Curve((0.0, 1.0), (value, value), (value, value), (value, value))


def mixture(kept: float, passes: int) -> Mixture:
    """Of `blend`, with this kept share at every strength."""
    calibration = Calibration("", flat(kept), flat(kept), flat(0.5))
    names = {"method": "blend", "context_diameter": 4, "denoising_strength": 0.5}
    return Mixture(Study.of(passes=passes, **names), WORDS, calibration)


@pytest.mark.parametrize("kept", [0.14, 0.4, 0.83])
@pytest.mark.parametrize("share", [0.05, 0.02])
def test_the_passes_that_are_enough_are_the_first_whose_rest_is_small(kept, share):
    passes = limits.passes_within(kept, share)
    assert limits.rest(kept, passes) <= share < limits.rest(kept, passes - 1)


def test_where_nothing_is_kept_one_pass_is_the_limit_and_where_all_is_there_is_none():
    assert limits.passes_within(0.0, 0.05) == 1
    assert limits.passes_within(1.0, 0.05) is None
    assert math.isinf(limits.expected_hops(1.0))


def test_the_rest_bounds_what_further_passes_change():
    first_four = mixture(0.6, 40).influence()[[3, -1]]
    change = np.abs(first_four[1] - first_four[0]).sum(axis=1).max() / 2  # total variation
    assert 0 < change <= limits.rest(0.6, 4)


@pytest.mark.parametrize("kept", [0.14, 0.4, 0.6])
@pytest.mark.parametrize("passes", [1, 2, 3, 30])
def test_the_reach_is_the_spread_of_the_shares(kept, passes):
    model = mixture(kept, passes)
    positions = np.arange(1, 91)
    prompts, step = (
        mean_square_distance(shares, positions, positions)
        for shares in (model.prompts, model.neighbours)
    )
    hops = limits.expected_hops(kept, passes)
    middle = model.influence()[-1][45]
    brute = math.sqrt((middle * np.square(positions - 46)).sum())
    assert limits.reach(prompts, step, hops) == pytest.approx(brute, rel=1e-3)


def test_the_limit_keeps_of_each_mode_what_its_eigenvalue_says():
    model = mixture(0.55, 60)
    values, modes = np.linalg.eig(model.neighbours)
    order = np.argsort(-values.real)
    assert limits.eigenvalues(model.neighbours) == pytest.approx(values.real[order])
    hops = [0.45 * 0.55**j * np.linalg.matrix_power(model.neighbours, j) for j in range(60)]
    for index in order[[0, 1, 5, 40]]:
        survival = limits.survival(0.55, values[[index]].real)[0]
        mode = modes[:, index].real
        assert sum(hops) @ mode == pytest.approx(survival * mode, abs=1e-9)


def test_all_modes_but_the_mean_are_lost_where_words_have_no_weight():
    assert limits.survival(1.0, np.array([1.0, 0.99, 0.0])) == pytest.approx([1, 0, 0])
