"""A curve is read between its measured points, in both directions."""

import pytest

from flopslab.calibration.curve import Calibration, Curve

KEPT = Curve((0.1, 0.2, 0.5, 1.0), (0.7, 0.5, 0.15, 0.0), (0.6,) * 4, (0.8,) * 4)


def test_a_curve_is_interpolated_between_its_places_and_constant_beyond():
    assert KEPT.at(0.15) == pytest.approx(0.6)
    assert KEPT.at(0.05) == 0.7 and KEPT.at(2) == 0.0


def test_the_strength_for_a_kept_share_is_where_the_curve_has_it():
    calibration = Calibration("key", KEPT, KEPT, KEPT)
    assert calibration.strength_for(0.5) == pytest.approx(0.2)
    assert KEPT.at(calibration.strength_for(0.33)) == pytest.approx(0.33)


def test_a_share_that_no_strength_keeps_has_the_nearest():
    assert KEPT.place_of(0.9) == pytest.approx(0.1) and KEPT.place_of(-1) == pytest.approx(1.0)


def test_noise_in_a_measurement_does_not_turn_the_order_of_strengths():
    noisy = Curve((0.1, 0.2, 0.3, 0.4), (0.6, 0.4, 0.42, 0.1), (0,) * 4, (1,) * 4)
    places = [noisy.place_of(value) for value in (0.6, 0.5, 0.41, 0.2, 0.1)]
    assert places == sorted(places)
