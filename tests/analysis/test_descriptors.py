"""Descriptors without a model: what they see, what they are blind to, and how surely they tell."""

import numpy as np
import pytest
from PIL import Image

from flopslab.analysis.descriptors import (
    colours,
    correlations,
    cross_correlations,
    own_share,
    shapes,
)
from flopslab.analysis.metrics import shape_coherence


def bar(place: int, colour: str = "white", upright: bool = True) -> Image.Image:
    image = Image.new("RGB", (64, 64))
    image.paste(colour, (place, 0, place + 8, 64) if upright else (0, place, 64, place + 8))
    return image


def test_shapes_see_edges_and_no_colour():
    white, grey, across = shapes([bar(20), bar(20, "#00ff00"), bar(20, upright=False)])
    assert white == pytest.approx(grey, abs=1e-3)
    assert np.abs(white - across).max() > 0.1


def test_colours_see_what_is_where_and_no_detail():
    checked = Image.fromarray(np.indices((64, 64)).sum(0).astype(np.uint8) % 2 * 254).convert("RGB")
    even = Image.new("RGB", (64, 64), (127, 127, 127))
    left, right = colours([bar(0), bar(56)])
    assert np.abs(np.diff(colours([checked, even]), axis=0)).max() < 0.01
    assert np.abs(left - right).max() == 1


def test_correlations_are_about_the_mean_of_all_and_need_three_rows():
    rows = np.array([[1.0, 0, 5], [0, 1, 5], [0, 0, 5]])
    assert np.diag(correlations(rows)) == pytest.approx(1)
    assert correlations(rows) == pytest.approx(correlations(rows + 7))
    assert np.isnan(correlations(rows[:2])).all()
    assert np.isnan(correlations(np.ones((4, 3)))).all()


def test_neighbours_of_like_shapes_are_coherent():
    drift = [bar(place) for place in range(0, 56, 2)]
    jumble = [drift[index] for index in np.random.default_rng(0).permutation(len(drift))]
    assert shape_coherence(drift) > 0.4 > shape_coherence(jumble) + 0.2


def test_a_frame_is_told_by_the_window_that_it_is_most_like():
    apart = ~np.eye(4, dtype=bool)
    assert own_share(np.eye(4), apart) == 1
    assert own_share(np.zeros((4, 4)), apart) == 0.5
    assert own_share(np.eye(4)[::-1], apart) == pytest.approx(1 / 3)  # two of three ties, one lost
    assert np.isnan(own_share(np.eye(4), np.zeros((4, 4), dtype=bool)))


def test_windows_that_are_not_apart_do_not_count():
    similarity = np.array([[1.0, 9, 0], [9, 1, 9], [0, 9, 1]])
    apart = np.abs(np.subtract.outer(range(3), range(3))) > 1
    assert own_share(similarity, apart) == 1


def test_a_picture_without_any_feature_tells_nothing():
    references = shapes([bar(place) for place in (0, 20, 40)])
    similarity = cross_correlations(np.repeat(references.mean(axis=0)[None], 3, axis=0), references)
    assert own_share(similarity, ~np.eye(3, dtype=bool)) == 0.5
