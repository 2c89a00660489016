"""Pictures as image embeddings: each frame its own, and without them nothing changes."""

import json
import shutil
import weakref

import generators
import models
import numpy as np
import pytest
import torch
from generators import BATCH, Decoded, nearly_same, picture, refused, request_of, same
from safetensors.torch import load_file, save_file

from flopslab.backends.diffusers import ip_adapter as adapter
from flopslab.core.compositing import Context
from flopslab.errors import ModelError, ParameterError


@pytest.fixture(params=["sd", "sdxl"])
def family(request):
    return request.param


@pytest.fixture
def generator(family):
    return generators.copied(family, method="ip_adapter")


def looking(*seeds, weight=1.0, seed=0, **more):
    """A request that looks at pictures, the first twice as much as each of the others."""
    shares = np.array([2.0] + [1.0] * (len(seeds) - 1)) / (len(seeds) + 1)
    references = tuple((picture(s), float(w)) for s, w in zip(seeds, shares, strict=True))
    return request_of(seed=seed, references=references, image_weight=weight, **more)


def apart(one, other):
    return float(np.abs(np.subtract(one, other, dtype=float)).mean())


def test_one_reference_gives_the_picture_of_the_pipeline_itself(family, generator, tmp_path):
    ours = generator.generate([looking(1, weight=0.7)])[0]
    theirs = generators.load(family)._text_to_image
    shutil.copytree(generators.directory(family) / "ip_adapter", tmp_path / "a")
    shutil.copytree(generators.directory(family) / "image_encoder", tmp_path / "a/image_encoder")
    theirs.load_ip_adapter(str(tmp_path), subfolder="a", weight_name="adapter.safetensors")
    theirs.set_ip_adapter_scale(0.7)
    image = theirs(
        "sea",
        ip_adapter_image=picture(1),
        generator=torch.Generator().manual_seed(0),
        num_inference_steps=generators.STEPS,
    ).images[0]
    assert nearly_same(ours, image)


@pytest.mark.parametrize("init", [None, picture(9)], ids=["from noise", "from an image"])
def test_each_frame_of_a_batch_looks_at_its_own_references(generator, init):
    frames = [looking(1, 2, seed=4, init=init), looking(3, seed=4, init=init), looking(4, 5, 6)]
    with Decoded(generator) as together:
        images = generator.generate(frames[:2], 0.7)
    assert not same(*images)
    for index in (0, 1):
        with Decoded(generator) as alone:
            generator.generate([frames[index]], 0.7)
        assert torch.equal(alone[0], together[index])


def test_a_batch_of_one_sees_the_same_references_as_a_batch_of_three(family, generator):
    alone = generators.load(family, method="ip_adapter", batch_size=1)
    frames = [looking(n, n + 1, seed=n) for n in range(BATCH)]
    for one, other in zip(alone.generate(frames), generator.generate(frames), strict=True):
        assert nearly_same(one, other)


def test_without_references_the_adapter_changes_no_bit(family, generator):
    frames = [request_of(), request_of(init=picture(1))]
    plain = generators.copied(family).generate(frames, 0.7)
    assert all(map(same, generator.generate(frames, 0.7), plain))
    frames = [looking(3, weight=0.0), looking(3, weight=0.0, init=picture(1))]
    assert all(map(same, generator.generate(frames, 0.7), plain))


def test_a_larger_weight_of_images_has_a_larger_influence(generator):
    frames = [looking(1, 2, weight=weight) for weight in (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)]
    plain, *others = generator.generate(frames)
    influence = [apart(plain, image) for image in others]
    assert influence == sorted(influence) and influence[0] > 0


def test_a_heavier_reference_has_more_influence(generator):
    def seen(share):
        references = ((picture(1), share), (picture(2), 1 - share))
        return generator.generate([request_of(references=references, image_weight=1.0)])[0]

    first, second = seen(1.0), seen(0.0)
    assert not same(first, second)
    distances = [apart(seen(share), first) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert distances == sorted(distances, reverse=True) and distances[-1] == 0


def test_frames_with_other_weights_in_one_call_keep_theirs(generator):
    frames = [looking(1, weight=0.3), request_of(), looking(1, weight=0.9)]
    for frame, image in zip(frames, generator.generate(frames), strict=True):
        assert same(image, generator.generate([frame])[0])


def test_a_picture_is_encoded_once():
    generator, calls = generators.load("sd", method="ip_adapter"), []
    generator._text_to_image.image_encoder.register_forward_hook(lambda *_: calls.append(1))
    for _ in range(2):
        generator.generate([looking(1, 2), looking(2, 3)])
    assert len(calls) == 3


def test_other_methods_load_no_adapter_and_no_image_encoder(family):
    generator = generators.copied(family)
    pipe = generator._text_to_image
    assert pipe.image_encoder is None and pipe.unet.encoder_hid_proj is None
    assert "ip_adapter_digest" not in generator.settings
    with pytest.raises(ParameterError) as error:
        generator.generate([looking(1)])
    assert refused(error, "no IP-Adapter", "method ip_adapter")


def test_the_model_keeps_its_digest_and_the_adapter_has_one_of_its_own(generator, tmp_path):
    plain = generators.copied("sd").settings
    with_adapter = generators.copied("sd", method="ip_adapter").settings
    assert with_adapter["model_digest"] == plain["model_digest"]
    copied = shutil.copytree(generators.directory("sd"), tmp_path / "model")
    before = adapter.digest(adapter.find("", copied))
    assert before == with_adapter["ip_adapter_digest"]
    for name in ("ip_adapter/adapter.safetensors", "image_encoder/config.json"):
        content = (copied / name).read_bytes()
        (copied / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        after = adapter.digest(adapter.find("", copied))
        assert after != before
        before = after


# What is refused before the first frame


def error_of(**parameters):
    with pytest.raises((ModelError, ParameterError)) as error:
        generators.load(method="ip_adapter", **parameters)
    return error


def test_a_model_without_an_adapter_is_an_error_that_says_what_to_do(tmp_path):
    models.save(models.embedded, tmp_path / "plain")
    error = error_of(model=str(tmp_path / "plain"))
    assert refused(error, "no IP-Adapter", "set ip_adapter to", "h94/IP-Adapter")


@pytest.mark.parametrize("named", ["adapter.safetensors", {"file": "a"}], ids=str)
def test_a_model_that_names_its_adapter_in_another_way_is_an_error(tmp_path, named):
    shutil.copytree(generators.directory("embedded"), tmp_path / "model")
    (tmp_path / "model" / "flopslab.json").write_text(json.dumps({"ip_adapter": named}))
    error = error_of(model=str(tmp_path / "model"))
    assert refused(error, "flopslab.json", "weight_name")


@pytest.mark.parametrize("name", ["nowhere.safetensors", "owner/name/nowhere.safetensors", "a.bin"])
def test_an_adapter_that_is_nowhere_is_named(name):
    assert refused(error_of(ip_adapter=name), name)


def test_an_adapter_without_an_image_encoder_is_refused(tmp_path):
    models.save(models.embedded, tmp_path / "plain")
    own = generators.directory("embedded") / "ip_adapter" / "adapter.safetensors"
    error = error_of(model=str(tmp_path / "plain"), ip_adapter=str(own))
    assert refused(error, "no image encoder", "image_encoder")


@pytest.mark.parametrize("damage", ["made for another", "cut off", "a tensor missing", "NaN"])
def test_an_adapter_that_is_damaged_or_does_not_fit_is_refused(tmp_path, damage):
    shutil.copytree(generators.directory("embedded"), tmp_path / "model")
    path = tmp_path / "model" / "ip_adapter" / "adapter.safetensors"
    tensors = load_file(path)
    name = "ip_adapter.1.to_k_ip.weight"
    if damage == "made for another":
        shutil.copy(generators.directory("sdxl") / "ip_adapter" / "adapter.safetensors", path)
    elif damage == "cut off":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        if damage == "NaN":
            tensors[name][0, 0] = torch.nan
        else:
            del tensors[name]
        save_file(tensors, path)
    assert refused(error_of(model=str(tmp_path / "model")), "adapter.safetensors")


def test_a_pickled_image_encoder_is_refused(tmp_path):
    shutil.copytree(generators.directory("embedded"), tmp_path / "model")
    (tmp_path / "model" / "image_encoder" / "model.safetensors").rename(
        tmp_path / "model" / "image_encoder" / "pytorch_model.bin"
    )
    assert refused(error_of(model=str(tmp_path / "model")), "pickled")


def test_a_model_without_a_unet_has_no_adapter():
    assert refused(error_of(model=str(generators.directory("sd3"))), "StableDiffusion3Pipeline")


def test_embeddings_are_remembered_without_their_pictures(monkeypatch):
    monkeypatch.setattr(adapter, "CACHED", 2)
    generator = generators.load(method="ip_adapter")
    shown = picture(1)
    gone = weakref.ref(shown)
    known = [generator._adapter.arguments([Context(references=((shown, 1.0),))]) for _ in range(2)]
    before, after = (each["ip_adapter_image_embeds"][0] for each in known)
    del shown
    assert torch.equal(before, after) and gone() is None
    generator._adapter.arguments([Context(references=((picture(s), 1.0),)) for s in (2, 3, 4)])
    assert len(generator._adapter._known) == 2
