"""A model directory: found, digested, and refused when it cannot be trusted."""

import json
import os
import shutil

import generators
import pytest
import torch
from generators import explains
from safetensors.torch import load_file, save_file

from flopslab.backends import load_generator
from flopslab.backends.diffusers import loading
from flopslab.backends.diffusers.loading import directory
from flopslab.backends.diffusers.loading.networks import check_complete
from flopslab.core.study import Study
from flopslab.errors import ModelError


@pytest.fixture
def model(tmp_path):
    """A copy of the embedded-like model that a test may damage."""
    return shutil.copytree(generators.directory("embedded"), tmp_path / "model")


def test_the_digest_is_that_of_the_contents_wherever_they_lie(model):
    for path in model.rglob("*.safetensors"):
        os.utime(path, (0, 0))
    (model / "README.md").write_text("a model")
    (model / "flopslab.json").write_text('{"steps": 12}')
    assert loading.digest(model) == loading.digest(generators.directory("embedded"))


@pytest.mark.parametrize(
    "name",
    ["unet/config.json", "tokenizer/tokenizer.json", "vae/diffusion_pytorch_model.safetensors"],
)
def test_the_digest_changes_with_one_byte_of_what_determines_pixels(model, name):
    before = loading.digest(model)
    content = (model / name).read_bytes()
    (model / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert loading.digest(model) != before


def test_the_digest_changes_with_the_name_of_a_file(model):
    before = loading.digest(model)
    (model / "vae" / "config.json").rename(model / "vae" / "configs.json")  # same order
    assert loading.digest(model) != before


def model_error(model):
    with pytest.raises(ModelError) as error:
        load_generator(Study(model=str(model), steps=1, batch_size=1))
    return error


@pytest.mark.parametrize("name", ["no-such-model", "no/such/model", "./absent", "owner/no-such"])
def test_a_missing_model_is_an_error_that_names_it(name):
    assert explains(model_error(name), repr(name), "tiny" if name != "owner/no-such" else "HF_HUB")


def test_the_embedded_model_is_called_tiny(monkeypatch, tmp_path):
    monkeypatch.setattr(directory, "TINY_MODEL", generators.directory("embedded"))
    assert loading.find("tiny") == generators.directory("embedded")
    monkeypatch.setattr(directory, "TINY_MODEL", tmp_path / "missing")
    assert explains(model_error("tiny"), "missing", "make tiny")


def test_a_directory_without_a_pipeline_is_an_error(tmp_path):
    assert explains(model_error(tmp_path), str(tmp_path), "model_index.json")


def test_an_unreadable_index_is_an_error(model):
    (model / "model_index.json").write_text('{"unet": [')
    assert explains(model_error(model), "model_index.json")


@pytest.mark.parametrize(
    "change", [{"unet": ["evil", "Net"]}, {"_class_name": ["evil", "Pipeline"]}]
)
def test_a_model_with_code_of_its_own_is_refused_and_the_code_not_run(model, change):
    index = json.loads((model / "model_index.json").read_text())
    (model / "model_index.json").write_text(json.dumps(index | change))
    for place in (model, model / "unet"):
        (place / "evil.py").write_text("raise SystemExit('code of the model ran')")
    assert explains(model_error(model), "code of its own")


def test_a_model_with_pickled_weights_only_is_refused(model):
    path = model / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(path), path.with_suffix(".bin"))
    load_generator(Study(model=str(model)))  # beside safetensors it is not even looked at
    path.unlink()
    assert explains(model_error(model), "pickled weights only", "unet/diffusion_pytorch_model.bin")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize("damage", ["cut off", "a tensor missing", "not a number"])
def test_broken_weights_are_an_error_before_the_first_frame(model, part, damage):
    [path] = (model / part).glob("*.safetensors")
    if damage == "cut off":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        tensors = load_file(path)
        name = next(name for name in tensors if name.endswith("weight"))
        if damage == "not a number":
            tensors[name].view(-1)[-1] = torch.nan
        else:
            del tensors[name]
        save_file(tensors, path, metadata={"format": "pt"})
    reason = f"{part}/{path.name} is damaged" if damage == "cut off" else part
    assert explains(model_error(model), str(model), reason)


@pytest.mark.parametrize(
    ("device", "info", "reason"),
    [
        ("meta", {}, "unet without 1 of its tensors: weight"),
        ("cpu", {"missing_keys": ["bias"]}, "unet without 1 of its tensors: bias"),
        ("cpu", {"mismatched_keys": [("weight", (2, 2), (3, 2))]}, "of another shape: ('weight'"),
    ],
    ids=["left without data", "made up", "of another shape"],
)
def test_a_tensor_that_came_from_no_file_is_named(device, info, reason):
    network = torch.nn.Linear(2, 2, bias=False, device=device)
    with pytest.raises(ModelError) as error:
        check_complete("a model", "unet", network, info)
    assert explains(error, reason)


def test_a_model_of_no_known_kind_is_an_error(model):
    index = json.loads((model / "model_index.json").read_text())
    (model / "model_index.json").write_text(json.dumps(index | {"_class_name": "DDPMPipeline"}))
    assert explains(model_error(model), "DDPMPipeline")
