"""Embeddings of a pool: from a file, from the pool, from a model's own text encoder."""

import warnings

import models
import numpy as np
import pytest

from flopslab.analysis.text_embeddings import embed_pool, find_strangers
from flopslab.errors import FlopslabWarning, ModelError
from flopslab.words.pool import Pool

POOL = Pool(("sea", "lake", "fire"), (1, 2, 3))


def test_the_embedded_probe_puts_like_beside_like():
    sea, lake, fire = embed_pool(POOL).vectors
    assert sea @ lake > sea @ fire


def test_words_that_the_probe_was_not_trained_on_are_named():
    assert find_strangers(["sea", "Old sea", "quokka", "deep sea"]) == ["Old sea", "quokka"]
    with pytest.warns(FlopslabWarning, match="does not know 1 of 2 words.*: quokka"):
        embed_pool(Pool(("sea", "quokka"), (1, 1)))


def test_a_file_comes_before_the_vectors_of_the_pool(tmp_path):
    pool = POOL.embed(np.eye(3))
    assert embed_pool(pool) is pool
    np.savez(tmp_path / "a.npz", sea=[1.0, 2], lake=[2.0, 1], fire=[0.5, -1])
    assert embed_pool(pool, tmp_path / "a.npz").vectors.shape == (3, 2)


def test_a_diffusion_model_embeds_by_its_own_text_encoder(tmp_path):
    models.save(models.stable_diffusion, tmp_path)
    vectors = embed_pool(POOL, model=str(tmp_path)).vectors
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert len(np.unique(vectors, axis=0)) == 3


def test_a_model_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ModelError), warnings.catch_warnings():
        embed_pool(POOL, model=str(tmp_path / "missing"))
