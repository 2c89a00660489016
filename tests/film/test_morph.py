"""Transition morph: what lies between the latents of two pictures, decoded."""

import numpy as np
import pytest
from coded import luma
from painted import PaintedGenerator

from flopslab.errors import ParameterError
from flopslab.film.assembly import make_film
from flopslab.film.pictures import load_decoder, slerp
from flopslab.film.settings import FilmSettings
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.runs.reader import finished_run, open_run

MORPH = FilmSettings(transition="morph", timing="fps", fps=10, frame_ms=1000, transition_ms=400)


@pytest.fixture
def latent_run(study):
    """A run that keeps latents."""
    return run(study.replace(method="latent"), PaintedGenerator(), NullProgress()).directory


def morph(directory, path, settings=MORPH, **options):
    return make_film(directory, path, settings=settings, progress=NullProgress(), **options)


def test_an_arc_begins_and_ends_at_its_ends_and_keeps_the_length_of_noise():
    old, new = np.random.default_rng(0).normal(size=(2, 4, 32, 32)).astype(np.float32)
    assert np.allclose(slerp(old, new, 0), old, atol=1e-5)
    assert np.allclose(slerp(old, new, 1), new, atol=1e-5)
    assert np.std(slerp(old, new, 0.5)) == pytest.approx(1, abs=0.03)
    assert np.std((old + new) / 2) < 0.75


def test_an_arc_between_equal_arrays_stays_there():
    same = np.ones((4, 2, 2), np.float32)
    assert np.array_equal(slerp(same, same, 0.3), same)


def test_the_pictures_between_are_those_of_the_latents_between(latent_run, tmp_path):
    seen = []

    def decode(latents):
        seen.append(latents)
        return PaintedGenerator().decode(latents)

    morph(latent_run, tmp_path / "film.mp4", decode=decode)
    source = open_run(latent_run)
    old, new = (source.latents(key) for key in source.frames[12:14])
    shares = [1 / 8, 3 / 8, 5 / 8, 7 / 8]  # of 400 ms, at the middle of each frame of 100 ms
    between = [slerp(old, new, share) for share in shares]
    assert len(seen) == 11 * len(shares) and np.allclose(seen[:4], between, atol=1e-6)
    first = [picture for _, picture in luma(tmp_path / "film.mp4")][5:11]
    steps = [np.abs(later - first[0]).mean() for later in first]
    assert steps[0] == 0 and steps[-1] == max(steps) > 0


@pytest.mark.parametrize(
    ("method", "settings", "actual"),
    [
        ("blend", MORPH, "a run that keeps no latents"),
        ("latent", FilmSettings(transition="morph", passes="side"), "passes side by side"),
    ],
)
def test_without_one_pair_of_latents_there_is_no_morph(study, tmp_path, method, settings, actual):
    made = run(study.replace(method=method), PaintedGenerator(), NullProgress())
    with pytest.raises(ParameterError, match=actual):
        morph(made.directory, tmp_path / "film.mp4", settings)
    assert not list(tmp_path.glob("*film*"))


@pytest.mark.torch
def test_the_model_that_made_the_run_decodes_its_latents(study, tmp_path):
    small = study.replace(method="latent", limit=2, steps=2, passes=1)
    directory = run(small, progress=NullProgress()).directory
    source = finished_run(directory)
    image, key = source.image(source.frames[0]), source.frames[0]
    decoded = load_decoder(source)(source.latents(key))
    assert np.abs(np.asarray(decoded, int) - np.asarray(image, int)).max() <= 1
