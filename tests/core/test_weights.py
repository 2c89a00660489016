"""Weights by distance."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx, mark

from flopslab.core.neighbours import WEIGHT_SHAPES, weights_by_distance


def test_a_triangle_falls_linearly_from_the_centre_and_is_never_zero():
    assert weights_by_distance("triangle", [-2, -1, 0, 1, 2]) == approx(
        np.array([1, 2, 3, 2, 1]) / 9
    )


def test_distance_is_counted_in_frames_not_in_positions():
    for shape in (*WEIGHT_SHAPES, [3, 1]):
        assert weights_by_distance(shape, [-8, -4, 0], interval=4) == weights_by_distance(
            shape, [-2, -1, 0]
        )


def test_flat_is_the_same_for_all():
    assert weights_by_distance("flat", [-3, 0, 1, 2]) == (0.25,) * 4


def test_a_gaussian_is_a_bell_of_two_deviations():
    shares = np.array(weights_by_distance("gaussian", range(-3, 4)))
    assert shares / shares[3] == approx(np.exp(-(np.arange(-3, 4) ** 2) / 8), rel=1e-6)


def test_own_weights_count_from_the_centre_outwards_and_end_with_the_list():
    assert weights_by_distance([1, 0.5, 0.25], range(-3, 4)) == approx(
        np.array([0, 0.25, 0.5, 1, 0.5, 0.25, 0]) / 2.5
    )


def test_neighbours_that_the_list_does_not_reach_count_all_alike():
    assert weights_by_distance([1], [-2, 2]) == (0.5, 0.5)


def test_no_neighbours_have_no_weights():
    assert weights_by_distance("triangle", []) == ()


@mark.parametrize("shape", [*WEIGHT_SHAPES, [5, 4, 3]], ids=str)
@given(offsets=st.lists(st.integers(-50, 50), min_size=1, unique=True))
def test_weights_share_one_whole_and_the_nearest_has_most(shape, offsets):
    shares = weights_by_distance(shape, offsets)
    assert sum(shares) == approx(1) and min(shares) >= 0
    assert max(shares) == shares[offsets.index(min(offsets, key=abs))]
