"""Reference images: each frame has its own, and without them nothing changes."""

import json
import shutil
import weakref

import generators
import models
import numpy as np
import pytest
import torch
from generators import BATCH, DecoderOutputs, explains, nearly_same, picture, request_of, same
from safetensors.torch import load_file, save_file

from flopslab.backends.diffusers import ip_adapter
from flopslab.core.compositing import Context
from flopslab.errors import ModelError, ParameterError


@pytest.fixture(params=["sd", "sdxl"])
def family(request):
    return request.param


@pytest.fixture
def generator(family):
    return generators.load_once(family, method="ip_adapter")


def request_with(*seeds, weight=1.0, seed=0, **context):
    """A request with reference images, the first of twice the weight of the rest."""
    shares = np.array([2.0] + [1.0] * (len(seeds) - 1)) / (len(seeds) + 1)
    references = tuple((picture(s), float(w)) for s, w in zip(seeds, shares, strict=True))
    return request_of(seed=seed, references=references, image_weight=weight, **context)


def distance(a, b):
    return float(np.abs(np.subtract(a, b, dtype=float)).mean())


def test_one_reference_gives_the_picture_of_the_pipeline_itself(family, generator, tmp_path):
    actual = generator.generate([request_with(1, weight=0.7)])[0]
    pipe = generators.load(family)._text_to_image
    shutil.copytree(generators.directory(family) / "ip_adapter", tmp_path / "a")
    shutil.copytree(generators.directory(family) / "image_encoder", tmp_path / "a/image_encoder")
    pipe.load_ip_adapter(str(tmp_path), subfolder="a", weight_name="adapter.safetensors")
    pipe.set_ip_adapter_scale(0.7)
    expected = pipe(  # pyright: ignore[reportCallIssue]  # only its subclasses define __call__
        "sea",
        ip_adapter_image=picture(1),
        generator=torch.Generator().manual_seed(0),
        num_inference_steps=generators.STEPS,
    ).images[0]
    assert nearly_same(actual, expected)


@pytest.mark.parametrize("init", [None, picture(9)], ids=["from noise", "from an image"])
def test_each_frame_of_a_batch_has_its_own_references(generator, init):
    frames = [request_with(*seeds, seed=4, init=init) for seeds in ((1, 2), (3,))]
    with DecoderOutputs(generator) as batch:
        images = generator.generate(frames, 0.7)
    assert not same(*images)
    for index in (0, 1):
        with DecoderOutputs(generator) as rows:
            generator.generate([frames[index]], 0.7)
        assert torch.equal(rows[0], batch[index])


def test_a_batch_of_one_has_the_same_references_as_a_batch_of_three(family, generator):
    single = generators.load(family, method="ip_adapter", batch_size=1)
    frames = [request_with(n, n + 1, seed=n) for n in range(BATCH)]
    for pair in zip(single.generate(frames), generator.generate(frames), strict=True):
        assert nearly_same(*pair)


def test_without_references_the_adapter_changes_no_bit(family, generator):
    frames = [request_of(), request_of(init=picture(1))]
    plain = generators.load_once(family).generate(frames, 0.7)
    assert all(map(same, generator.generate(frames, 0.7), plain))
    frames = [request_with(3, weight=0.0), request_with(3, weight=0.0, init=picture(1))]
    assert all(map(same, generator.generate(frames, 0.7), plain))


def test_a_larger_weight_of_images_has_a_larger_influence(generator):
    frames = [request_with(1, 2, weight=weight) for weight in (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)]
    plain, *images = generator.generate(frames)
    influence = [distance(plain, image) for image in images]
    assert influence == sorted(influence) and influence[0] > 0


def test_a_heavier_reference_has_more_influence(generator):
    def image_of(share):
        references = ((picture(1), share), (picture(2), 1 - share))
        return generator.generate([request_of(references=references, image_weight=1.0)])[0]

    first, second = image_of(1.0), image_of(0.0)
    assert not same(first, second)
    distances = [distance(image_of(share), first) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert distances == sorted(distances, reverse=True) and distances[-1] == 0


def test_frames_with_different_weights_share_a_call(generator):
    frames = [request_with(1, weight=0.3), request_of(), request_with(1, weight=0.9)]
    for frame, image in zip(frames, generator.generate(frames), strict=True):
        assert same(image, generator.generate([frame])[0])


def test_a_picture_is_encoded_once():
    generator, calls = generators.load("sd", method="ip_adapter"), []
    generator._text_to_image.image_encoder.register_forward_hook(lambda *_: calls.append(1))
    for _ in range(2):
        generator.generate([request_with(1, 2), request_with(2, 3)])
    assert len(calls) == 3


def test_other_methods_load_no_adapter_and_no_image_encoder(family):
    generator = generators.load_once(family)
    pipe = generator._text_to_image
    assert pipe.image_encoder is None and pipe.unet.encoder_hid_proj is None
    assert "ip_adapter_digest" not in generator.settings
    with pytest.raises(ParameterError) as error:
        generator.generate([request_with(1)])
    assert explains(error, "no IP-Adapter", "method ip_adapter")


def test_the_model_keeps_its_digest_and_the_adapter_has_one_of_its_own(generator, tmp_path):
    plain = generators.load_once("sd").settings
    with_adapter = generators.load_once("sd", method="ip_adapter").settings
    assert with_adapter["model_digest"] == plain["model_digest"]
    model = shutil.copytree(generators.directory("sd"), tmp_path / "model")
    before = ip_adapter.digest(ip_adapter.find("", model))
    assert before == with_adapter["ip_adapter_digest"]
    for name in ("ip_adapter/adapter.safetensors", "image_encoder/config.json"):
        content = (model / name).read_bytes()
        (model / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        after = ip_adapter.digest(ip_adapter.find("", model))
        assert after != before
        before = after


# Errors before the first frame


def error_of(**parameters):
    with pytest.raises((ModelError, ParameterError)) as error:
        generators.load(method="ip_adapter", **parameters)
    return error


def test_a_model_without_an_adapter_is_an_error_that_says_what_to_do(tmp_path):
    models.save(models.embedded, tmp_path / "plain")
    error = error_of(model=str(tmp_path / "plain"))
    assert explains(error, "no IP-Adapter", "set ip_adapter to", "h94/IP-Adapter")


@pytest.mark.parametrize("entry", ["adapter.safetensors", {"file": "a"}], ids=str)
def test_a_model_that_names_its_adapter_in_another_way_is_an_error(tmp_path, entry):
    shutil.copytree(generators.directory("embedded"), tmp_path / "model")
    (tmp_path / "model" / "flopslab.json").write_text(json.dumps({"ip_adapter": entry}))
    error = error_of(model=str(tmp_path / "model"))
    assert explains(error, "flopslab.json", "weight_name")


@pytest.mark.parametrize("name", ["nowhere.safetensors", "owner/name/nowhere.safetensors", "a.bin"])
def test_an_adapter_that_is_nowhere_is_named(name):
    assert explains(error_of(ip_adapter=name), name)


def test_an_adapter_without_an_image_encoder_is_refused(tmp_path):
    models.save(models.embedded, tmp_path / "plain")
    file = generators.directory("embedded") / "ip_adapter" / "adapter.safetensors"
    error = error_of(model=str(tmp_path / "plain"), ip_adapter=str(file))
    assert explains(error, "no image encoder", "image_encoder")


@pytest.mark.parametrize("fault", ["for another model", "truncated", "a tensor missing", "NaN"])
def test_an_adapter_that_is_damaged_or_does_not_fit_is_refused(tmp_path, fault):
    shutil.copytree(generators.directory("embedded"), tmp_path / "model")
    path = tmp_path / "model" / "ip_adapter" / "adapter.safetensors"
    tensors = load_file(path)
    name = "ip_adapter.1.to_k_ip.weight"
    if fault == "for another model":
        shutil.copy(generators.directory("sdxl") / "ip_adapter" / "adapter.safetensors", path)
    elif fault == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        if fault == "NaN":
            tensors[name][0, 0] = torch.nan
        else:
            del tensors[name]
        save_file(tensors, path)
    assert explains(error_of(model=str(tmp_path / "model")), "adapter.safetensors")


def test_a_pickled_image_encoder_is_refused(tmp_path):
    shutil.copytree(generators.directory("embedded"), tmp_path / "model")
    (tmp_path / "model" / "image_encoder" / "model.safetensors").rename(
        tmp_path / "model" / "image_encoder" / "pytorch_model.bin"
    )
    assert explains(error_of(model=str(tmp_path / "model")), "pickled")


def test_a_model_without_a_unet_has_no_adapter():
    assert explains(error_of(model=str(generators.directory("sd3"))), "StableDiffusion3Pipeline")


def test_embeddings_are_cached_without_their_images(monkeypatch):
    monkeypatch.setattr(ip_adapter, "CACHE_SIZE", 2)
    generator = generators.load(method="ip_adapter")
    adapter = generator._adapter
    assert adapter is not None
    image = picture(1)
    reference, contexts = weakref.ref(image), [Context(references=((image, 1.0),))]
    calls = [adapter.arguments(contexts) for _ in range(2)]
    del image, contexts
    assert torch.equal(*(call["ip_adapter_image_embeds"][0] for call in calls))
    assert reference() is None, "the cache holds no images"
    adapter.arguments([Context(references=((picture(s), 1.0),)) for s in (2, 3, 4)])
    assert len(adapter._cache) == 2
