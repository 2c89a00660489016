"""What is seen between two pictures, and for how long."""

import numpy as np
import pytest

from flopslab.errors import ParameterError
from flopslab.film.settings import FilmSettings
from flopslab.film.timeline import Shot
from flopslab.film.transitions import (
    TRANSITIONS,
    crossfade,
    dissolve,
    distances,
    flow,
    with_transitions,
)

SHOTS = [
    Shot(0, 1000, 1, (1,), "a"),
    Shot(1000, 1200, 2, (1,), "b"),
    Shot(1200, 2200, 3, (1,), "c"),
]


def picture(luma: int, width: int = 32, height: int = 16) -> np.ndarray:
    image = np.full((height * 3 // 2, width), 128, np.uint8)
    image[:height] = luma
    return image


def lengths(embed=None, **parameters):
    settings = FilmSettings(transition="crossfade", **parameters)
    return [shot.transition_ms for shot in with_transitions(SHOTS, settings, embed)]


def test_a_transition_takes_at_most_half_of_its_picture_and_none_follows_the_last():
    assert lengths(transition_ms=200) == [200, 100, 0]


def test_a_cut_has_no_length():
    assert with_transitions(SHOTS, FilmSettings()) == tuple(SHOTS)


def test_between_two_passes_there_is_a_cut():
    parts = [SHOTS[0], Shot(1000, 2000, 1, (2,), "a")]
    settings = FilmSettings(transition="crossfade")
    assert [shot.transition_ms for shot in with_transitions(parts, settings)] == [0, 0]


def test_the_length_goes_by_the_distance_of_the_words():
    vectors = {"a": [1, 0], "b": [0.75, (1 - 0.75**2) ** 0.5], "c": [1, 0]}
    embedded = lengths(
        lambda words: np.array([vectors[w] for w in words]), transition_ms=[100, 500]
    )
    assert embedded == [200, 100, 0]
    with pytest.raises(ParameterError, match="no embeddings"):
        lengths(transition_ms=[100, 500])


def test_the_distance_is_that_of_the_cosine_from_0_to_1():
    vectors = np.array([[1, 0], [2, 0], [0, 1], [0, -1], [0, 0]], float)
    assert distances(vectors) == [0, 1, 1, 1]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_a_crossfade_is_the_weighted_mean(share):
    (between,) = crossfade(picture(40), picture(200), [share])
    assert np.array_equal(between, picture(round(40 + share * 160)))


def test_a_dissolve_goes_through_black():
    first, middle, last = dissolve(picture(216), picture(116), [0.25, 0.5, 0.75])
    assert np.array_equal(middle, picture(16))
    assert np.array_equal(first, picture(116)) and np.array_equal(last, picture(66))


@pytest.mark.parametrize("size", [(12, 8), (64, 48), (128, 96)])
def test_flow_gives_as_many_pictures_of_the_same_size(size):
    between = list(flow(picture(50, *size), picture(200, *size), [0.2, 0.5, 0.8]))
    assert [image.shape for image in between] == [picture(0, *size).shape] * 3


def test_flow_moves_what_moves():
    """A bright square on a textured ground, 16 pixels further to the right."""
    ground = np.random.default_rng(0).integers(40, 60, (128, 128)).astype(np.uint8)
    old, new = picture(0, 128, 128), picture(0, 128, 128)
    old[:128], new[:128] = ground, ground
    old[48:80, 32:64], new[48:80, 48:80] = 220, 220
    between = flow(old, new, [0.25, 0.5, 0.75])
    edges = [np.flatnonzero(image[64] > 140)[0] for image in between]
    assert np.allclose(edges, [36, 40, 44], atol=2)


def test_every_transition_of_the_settings_exists():
    names = FilmSettings.model_json_schema()["properties"]["transition"]["enum"]
    assert set(names) - {"cut", "morph"} == set(TRANSITIONS)  # morph has latents to go between
