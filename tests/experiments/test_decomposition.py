"""A frame's change is divided into what its neighbours carried and a disturbance."""

import hashlib

import numpy as np
import pytest
from painted import PaintedGenerator

from flopslab.experiments.decomposition import decompose, project
from flopslab.experiments.interventions import Replace, intervene
from flopslab.experiments.linear_model import predict_influence


class Restless(PaintedGenerator):
    """Adds noise that differs with every start, as denoising does that goes another way."""

    def _paint(self, request, strength):
        picture = super()._paint(request, strength)
        if request.context.latents is not None:
            digest = hashlib.sha256(request.context.latents.tobytes()).digest()
            random = np.random.default_rng(int.from_bytes(digest, "big"))
            picture = picture + random.normal(0, 0.2, picture.shape).astype(np.float32)
        return picture


def decomposed(study, generator, **parameters):
    study = study.replace(passes=3, **parameters)
    return study, decompose([intervene(study, Replace(6, "fire"), generator)])


def test_a_change_along_the_start_is_carried_and_one_across_it_is_not():
    start = np.array([2.0, 0, 0])
    assert project(0.5 * start, start) == (0.5, 1)
    assert project(np.array([0, 3.0, 0]), start) == (0, 0)
    assert project(np.array([1.0, 1, 0]), start) == pytest.approx((0.5, 0.5))
    assert project(np.zeros(3), start) == (0, 0)


@pytest.mark.parametrize(("method", "tolerance"), [("latent", 1e-5), ("blend", 0.05)])
def test_what_a_method_keeps_of_its_start_is_found_in_the_runs(study, method, tolerance):
    """The painted generator keeps a share of 1 - strength, and disturbs nothing.

    Pictures that are blended are rounded to whole levels: a small change is then partly rounding.
    """
    _, parts = decomposed(study, PaintedGenerator(), method=method, denoising_strength=0.25)
    kept, carried = (parts.by_pass(values)[0] for values in (parts.kept, parts.carried))
    assert np.isnan(kept[0])  # the first pass starts from nothing
    assert kept[1:] == pytest.approx(0.75, abs=tolerance)
    assert carried[1:] == pytest.approx(1, abs=tolerance)


def test_a_disturbance_takes_from_what_is_carried_not_from_what_is_kept(study):
    _, parts = decomposed(study, Restless(), method="latent", denoising_strength=0.25)
    assert np.nanmean(parts.kept) == pytest.approx(0.75, abs=0.3)
    assert np.nanmax(parts.carried) < 0.5


def test_only_frames_inside_the_cone_that_do_not_hold_the_word_are_divided(study):
    study, parts = decomposed(study, PaintedGenerator(), method="latent", denoising_strength=0.25)
    share = predict_influence(study, study.read_words().words, [6]).values
    expected = (share > 0) & (share[:, :1] == 0)
    expected[:, 0] = False
    assert np.array_equal(~np.isnan(parts.kept), expected)


def test_frames_that_start_from_noise_have_nothing_to_divide(study):
    _, parts = decomposed(study, PaintedGenerator(), method="ip_adapter", denoising_strength=1.0)
    assert np.isnan(parts.kept).all() and np.isnan(parts.by_pass(parts.kept)).all()
