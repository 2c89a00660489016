"""The probe: any CLIP that transformers saves, unit vectors, and plain errors."""

import json
from pathlib import Path

import models
import numpy as np
import pytest
import torch
from generators import picture, refused
from PIL import Image

from flopslab.analysis.clip import BATCH, EMBEDDED
from flopslab.analysis.embedder import Probe, load_probe
from flopslab.errors import FlopslabWarning, ModelError
from training.painter import paint


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip")
    models.save_clip(path)
    return path


@pytest.fixture(scope="module")
def probe(directory) -> Probe:
    return load_probe(str(directory))


def test_embeddings_are_unit_vectors_in_order(probe):
    pictures = [picture(seed) for seed in range(3)]
    found = probe.images(pictures)
    assert (found.shape, found.dtype) == ((3, models.WIDTH), np.float32)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
    assert np.linalg.norm(probe.texts(["sea", "a fire"]), axis=1) == pytest.approx(1)
    assert probe.images(pictures[1:2]) == pytest.approx(found[1:2], abs=1e-5)


def test_it_embeds_what_transformers_does(directory, probe):
    """A round trip through the library's own classes, without any of ours."""
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(directory)
    pixels = CLIPImageProcessorPil.from_pretrained(directory)(picture(0), return_tensors="pt")
    tokens = CLIPTokenizer.from_pretrained(directory)(["sea"], return_tensors="pt")
    with torch.no_grad():
        output = model(**pixels, **tokens)
    assert probe.images([picture(0)]) == pytest.approx(output.image_embeds.numpy(), abs=1e-5)
    assert probe.texts(["sea"]) == pytest.approx(output.text_embeds.numpy(), abs=1e-5)


def test_different_pictures_and_texts_have_different_embeddings(probe):
    for found in (probe.images([picture(0), picture(1)]), probe.texts(["sea", "fire"])):
        assert found[0] @ found[1] < 0.9999


def test_more_than_a_batch_of_any_sizes_and_modes_is_read(probe):
    pictures = [Image.new("L", (20 + n, 64), n) for n in range(BATCH + 3)]
    found = probe.images(pictures)
    assert len(found) == BATCH + 3
    assert found[-1:] == pytest.approx(probe.images(pictures[-1:]), abs=1e-5)
    texts = [str(number) for number in range(BATCH + 3)]
    assert probe.texts(texts)[-1:] == pytest.approx(probe.texts(texts[-1:]), abs=1e-5)


def test_nothing_gives_no_rows(probe):
    assert probe.images([]).shape == probe.texts([]).shape == (0, models.WIDTH)


def test_a_text_beside_a_longer_one_keeps_its_embedding(probe):
    together = probe.texts(["sea", "a much longer text"])
    assert together[:1] == pytest.approx(probe.texts(["sea"]), abs=1e-5)


def test_a_text_that_is_too_long_is_cut_with_a_warning(probe):
    with pytest.warns(FlopslabWarning, match="202 tokens is cut to 77"):
        long = probe.texts(["x " * 200])
    assert long == pytest.approx(probe.texts(["x " * 75]), abs=1e-5)


@pytest.mark.parametrize("name", ["nowhere", "/", "openai/clip-vit-base-patch32"])
def test_what_is_not_there_is_an_error_and_no_download(name):
    with pytest.raises(ModelError) as raised:
        load_probe(name)
    assert refused(raised, name, "config.json")


def test_a_model_that_is_no_clip_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError) as raised:
        load_probe(str(tmp_path))
    assert refused(raised, "bert", "CLIPModel")


@pytest.mark.parametrize(
    "name", ["model.safetensors", "tokenizer.json", "preprocessor_config.json"]
)
def test_a_directory_that_lacks_a_part_is_refused(tmp_path, name):
    models.save_clip(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelError) as raised:
        load_probe(str(tmp_path))
    assert refused(raised, str(tmp_path), "preprocessor_config.json")


def test_weights_are_not_made_up(tmp_path):
    models.save_clip(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["vision_config"]["num_hidden_layers"] += 1
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="no weights vision_model") as raised:
        load_probe(str(tmp_path))
    assert raised.value.hint


def test_pickled_weights_are_refused(tmp_path):
    models.save_clip(tmp_path)
    torch.save({}, tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelError):
        load_probe(str(tmp_path))


@pytest.mark.skipif(not EMBEDDED.exists(), reason="the embedded probe, tiny, is not there yet")
def test_the_embedded_probe_finds_the_word_that_a_picture_was_painted_for():
    words = ["fire", "ocean", "forest", "moon", "city", "flower", "bird", "mountain"]
    seeds = range(5)
    painted = [
        paint([(word, 1.0)], np.random.default_rng(seed)) for word in words for seed in seeds
    ]
    probe = load_probe("tiny")
    nearest = (probe.images(painted) @ probe.texts(words).T).argmax(1)
    assert np.mean(nearest == np.repeat(range(len(words)), len(seeds))) >= 0.8  # by chance: 0.125
