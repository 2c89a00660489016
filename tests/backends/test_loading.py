"""A model directory is found, digested, and refused when it cannot be trusted."""

import json
import os
import shutil

import generators
import pytest
import torch
from generators import refused
from safetensors.torch import load_file, save_file

from flopslab.backends import load_generator
from flopslab.backends.diffusers import loading as weights
from flopslab.core.study import Study
from flopslab.errors import ModelError


@pytest.fixture
def copied(tmp_path):
    """A copy of the embedded-like model that a test may damage."""
    return shutil.copytree(generators.directory("embedded"), tmp_path / "model")


def test_the_digest_is_that_of_the_contents_wherever_they_lie(copied):
    for path in copied.rglob("*.safetensors"):
        os.utime(path, (0, 0))
    (copied / "README.md").write_text("a model")
    (copied / "flopslab.json").write_text('{"steps": 12}')
    assert weights.digest(copied) == weights.digest(generators.directory("embedded"))


@pytest.mark.parametrize(
    "name",
    ["unet/config.json", "tokenizer/tokenizer.json", "vae/diffusion_pytorch_model.safetensors"],
)
def test_the_digest_changes_with_one_byte_of_what_determines_pixels(copied, name):
    before = weights.digest(copied)
    content = (copied / name).read_bytes()
    (copied / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert weights.digest(copied) != before


def test_the_digest_changes_with_the_name_of_a_file(copied):
    before = weights.digest(copied)
    (copied / "vae" / "config.json").rename(copied / "vae" / "configs.json")  # same order
    assert weights.digest(copied) != before


def model_error(model):
    with pytest.raises(ModelError) as error:
        load_generator(Study(model=str(model), steps=1, batch_size=1))
    return error


@pytest.mark.parametrize("name", ["no-such-model", "no/such/model", "./absent", "owner/no-such"])
def test_a_model_that_is_nowhere_is_an_error_that_names_it(name):
    assert refused(model_error(name), repr(name), "tiny" if name != "owner/no-such" else "HF_HUB")


def test_the_embedded_model_is_called_tiny(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "EMBEDDED", generators.directory("embedded"))
    assert weights.find("tiny") == generators.directory("embedded")
    monkeypatch.setattr(weights, "EMBEDDED", tmp_path / "missing")
    assert refused(model_error("tiny"), "missing", "make tiny")


def test_a_directory_without_a_pipeline_and_a_single_file_are_errors(tmp_path):
    assert refused(model_error(tmp_path), str(tmp_path), "model_index.json")
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert refused(model_error(tmp_path / "model.safetensors"), "one file")


def test_an_unreadable_index_is_an_error(copied):
    (copied / "model_index.json").write_text('{"unet": [')
    assert refused(model_error(copied), "model_index.json")


@pytest.mark.parametrize(
    "change", [{"unet": ["evil", "Net"]}, {"_class_name": ["evil", "Pipeline"]}]
)
def test_a_model_with_code_of_its_own_is_refused_and_the_code_not_run(copied, change):
    index = json.loads((copied / "model_index.json").read_text())
    (copied / "model_index.json").write_text(json.dumps(index | change))
    for place in (copied, copied / "unet"):
        (place / "evil.py").write_text("raise SystemExit('code of the model ran')")
    assert refused(model_error(copied), "code of its own")


def test_a_model_with_pickled_weights_only_is_refused(copied):
    path = copied / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(path), path.with_suffix(".bin"))
    load_generator(Study(model=str(copied)))  # beside safetensors it is not even looked at
    path.unlink()
    assert refused(model_error(copied), "pickled", "unet/diffusion_pytorch_model.bin")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize("damage", ["cut off", "a tensor missing", "not a number"])
def test_broken_weights_are_an_error_before_the_first_frame(copied, part, damage):
    [path] = (copied / part).glob("*.safetensors")
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
    assert refused(model_error(copied), str(copied), part if damage != "cut off" else "")


def test_a_model_of_no_known_kind_is_an_error(copied):
    index = json.loads((copied / "model_index.json").read_text())
    (copied / "model_index.json").write_text(json.dumps(index | {"_class_name": "DDPMPipeline"}))
    assert refused(model_error(copied), "DDPMPipeline")


@pytest.mark.parametrize("content", ['{"strength": 1}', "[1]", "{"])
def test_a_recommendation_that_cannot_be_followed_is_an_error(copied, content):
    (copied / "flopslab.json").write_text(content)
    with pytest.raises(ModelError) as error:
        weights.recommended(copied)
    assert refused(error, "flopslab.json")
