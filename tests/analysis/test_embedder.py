"""The embedder: any CLIP that transformers saves, unit vectors, and clear errors."""

import json
from pathlib import Path

import models
import numpy as np
import pytest
import torch
from generators import explains, picture
from PIL import Image

from flopslab.analysis.clip import BATCH_SIZE, TINY_CLIP, ClipEmbedder
from flopslab.analysis.embedder import Embedder, load_embedder
from flopslab.errors import FlopslabWarning, ModelError
from training.painter import paint


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip")
    models.save_clip(path)
    return path


@pytest.fixture(scope="module")
def embedder(directory) -> Embedder:
    return load_embedder(str(directory))


def test_embeddings_are_unit_vectors_in_order(embedder):
    pictures = [picture(seed) for seed in range(3)]
    embeddings = embedder.images(pictures)
    assert (embeddings.shape, embeddings.dtype) == ((3, models.WIDTH), np.float32)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1)
    assert np.linalg.norm(embedder.texts(["sea", "a fire"]), axis=1) == pytest.approx(1)
    assert embedder.images(pictures[1:2]) == pytest.approx(embeddings[1:2], abs=1e-5)


def test_its_embeddings_are_those_of_transformers(directory, embedder):
    """The same CLIP by the library's classes alone."""
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(directory)
    pixels = CLIPImageProcessorPil.from_pretrained(directory)(picture(0), return_tensors="pt")
    tokens = CLIPTokenizer.from_pretrained(directory)(["sea"], return_tensors="pt")
    with torch.no_grad():
        output = model(**pixels, **tokens)
    assert embedder.images([picture(0)]) == pytest.approx(output.image_embeds.numpy(), abs=1e-5)
    assert embedder.texts(["sea"]) == pytest.approx(output.text_embeds.numpy(), abs=1e-5)


def test_different_pictures_and_texts_have_different_embeddings(embedder):
    for embeddings in (embedder.images([picture(0), picture(1)]), embedder.texts(["sea", "fire"])):
        assert embeddings[0] @ embeddings[1] < 0.9999


def test_more_than_a_batch_of_any_sizes_and_modes_is_read(embedder):
    pictures = [Image.new("L", (20 + n, 64), n) for n in range(BATCH_SIZE + 3)]
    embeddings = embedder.images(pictures)
    assert len(embeddings) == BATCH_SIZE + 3
    assert embeddings[-1:] == pytest.approx(embedder.images(pictures[-1:]), abs=1e-5)
    texts = [str(number) for number in range(BATCH_SIZE + 3)]
    assert embedder.texts(texts)[-1:] == pytest.approx(embedder.texts(texts[-1:]), abs=1e-5)


class DeviceTensor(torch.Tensor):
    """Stands for a tensor on a GPU: until `cpu` copies it, no other operation may use it."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is not torch.Tensor.cpu:
            raise RuntimeError(f"{function.__name__} of tensors on two devices")
        return args[0].as_subclass(torch.Tensor)


def test_embeddings_come_from_the_device_before_they_are_concatenated(directory):
    embedder = ClipEmbedder.load(str(directory))
    expected = embedder.images([picture(0)]), embedder.texts(["sea"])
    for projection in (embedder._model.visual_projection, embedder._model.text_projection):
        projection.register_forward_hook(lambda *args: args[2].as_subclass(DeviceTensor))
    actual = embedder.images([picture(0)]), embedder.texts(["sea"])
    assert all(map(np.array_equal, actual, expected))


def test_no_images_and_no_texts_give_no_rows(embedder):
    assert embedder.images([]).shape == embedder.texts([]).shape == (0, models.WIDTH)


def test_a_text_beside_a_longer_one_keeps_its_embedding(embedder):
    embeddings = embedder.texts(["sea", "a much longer text"])
    assert embeddings[:1] == pytest.approx(embedder.texts(["sea"]), abs=1e-5)


def test_a_text_that_is_too_long_is_cut_with_a_warning(embedder):
    with pytest.warns(FlopslabWarning, match="202 tokens is cut to 77"):
        long = embedder.texts(["x " * 200])
    assert long == pytest.approx(embedder.texts(["x " * 75]), abs=1e-5)


@pytest.mark.parametrize("name", ["nowhere", "/", "openai/clip-vit-base-patch32"])
def test_a_missing_directory_is_an_error_and_no_download(name):
    with pytest.raises(ModelError) as error:
        load_embedder(name)
    assert explains(error, name, "config.json")


def test_a_model_that_is_no_clip_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError) as error:
        load_embedder(str(tmp_path))
    assert explains(error, "bert", "CLIPModel")


@pytest.mark.parametrize(
    "name", ["model.safetensors", "tokenizer.json", "preprocessor_config.json"]
)
def test_a_directory_that_lacks_a_part_is_refused(tmp_path, name):
    models.save_clip(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelError) as error:
        load_embedder(str(tmp_path))
    assert explains(error, str(tmp_path), "preprocessor_config.json")


def test_missing_weights_are_refused(tmp_path):
    models.save_clip(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["vision_config"]["num_hidden_layers"] += 1
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="no weights vision_model") as error:
        load_embedder(str(tmp_path))
    assert explains(error)


def test_pickled_weights_are_refused(tmp_path):
    models.save_clip(tmp_path)
    torch.save({}, tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelError):
        load_embedder(str(tmp_path))


@pytest.mark.skipif(not TINY_CLIP.exists(), reason="the embedded CLIP, tiny, is not there yet")
def test_the_embedded_clip_finds_the_word_that_an_image_was_painted_for():
    words = ["fire", "ocean", "forest", "moon", "city", "flower", "bird", "mountain"]
    seeds = range(5)
    images = [paint([(word, 1.0)], np.random.default_rng(seed)) for word in words for seed in seeds]
    embedder = load_embedder("tiny")
    nearest = (embedder.images(images) @ embedder.texts(words).T).argmax(1)
    assert np.mean(nearest == np.repeat(range(len(words)), len(seeds))) >= 0.8  # by chance: 0.125
