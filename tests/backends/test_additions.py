"""What a study adds to its model: LoRAs and another VAE, each by its digest in the recipe."""

import json
import shutil
from pathlib import Path
from typing import Any

import generators
import models
import pytest
import torch
from generators import explains, request_of, same
from painted import write_words
from safetensors.torch import load_file, save_file

from flopslab.backends import load_generator
from flopslab.core.study import Study
from flopslab.errors import ModelError, ParameterError
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.runs.reader import open_run

FAMILIES = ["sd", "sdxl", "embedded"]


def load(family: str = "embedded", **parameters: Any):
    model = str(generators.directory(family))
    return load_generator(Study(**{"model": model, "steps": 2, "batch_size": 1} | parameters))


def image_of(generator):
    return generator.generate([request_of()])[0]


def refusal(family: str = "embedded", **parameters: Any) -> pytest.ExceptionInfo:
    with pytest.raises((ModelError, ParameterError)) as error:
        load(family, **parameters)
    return error


def attention(family: str) -> tuple[str, torch.Tensor]:
    """The name and weight of a projection of the UNet's that looks at the words."""
    [path] = (generators.directory(family) / "unet").glob("*.safetensors")
    weights = load_file(path)
    name = next(name for name in sorted(weights) if name.endswith("attn2.to_v.weight"))
    return name.removesuffix(".weight"), weights[f"{name}"]


def write_lora(
    path: Path, family: str = "embedded", old_names: bool = False, **change: Any
) -> Path:
    """Two small matrices; `old_names`: those of the tools that most LoRAs are trained with."""
    layer, weight = attention(family)
    generator = torch.Generator().manual_seed(3)
    down = torch.randn((2, weight.shape[1]), generator=generator)
    up = torch.randn((weight.shape[0], 2), generator=generator)
    if old_names:
        stem = f"lora_unet_{layer.replace('.', '_')}"
        tensors = {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
        tensors[f"{stem}.alpha"] = torch.tensor(2.0)
    else:
        tensors = {f"unet.{layer}.lora_A.weight": down, f"unet.{layer}.lora_B.weight": up}
    save_file(tensors | change, path)
    return path


# LoRA


@pytest.mark.parametrize("family", FAMILIES)
def test_a_lora_changes_pixels_as_its_matrices_say(family, tmp_path):
    """The product of its two matrices is added to the layer."""
    path = write_lora(tmp_path / "style.safetensors", family)
    generator, changed = load(family), load(family, lora=f"{path}:0.5")
    before = image_of(generator)
    layer, _ = attention(family)
    down, up = load_file(path).values()
    with torch.no_grad():
        generator._text_to_image.unet.get_submodule(layer).weight += 0.5 * up @ down
    weights = [g._text_to_image.unet.get_submodule(layer).weight for g in (generator, changed)]
    torch.testing.assert_close(*weights)
    assert not same(image_of(changed), before)
    assert generators.nearly_same(image_of(changed), image_of(generator))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_lora_of_weight_0_changes_no_bit(family, tmp_path):
    path = write_lora(tmp_path / "style.safetensors", family)
    assert same(image_of(load(family, lora=[f"{path}:0"])), image_of(load(family)))


def test_the_names_of_older_tools_are_the_same_lora(tmp_path):
    new = write_lora(tmp_path / "new.safetensors", "sd")
    old = write_lora(tmp_path / "old.safetensors", "sd", old_names=True)
    assert same(image_of(load("sd", lora=str(new))), image_of(load("sd", lora=str(old))))


def test_several_loras_add_up(tmp_path):
    path, copy = write_lora(tmp_path / "a.safetensors"), tmp_path / "b.safetensors"
    shutil.copy(path, copy)
    both = load(lora=[f"{path}:0.25", f"{copy}:0.5"])
    assert generators.nearly_same(image_of(both), image_of(load(lora=f"{path}:0.75")))


def test_a_lora_is_loaded_before_the_adapter(tmp_path):
    path = str(write_lora(tmp_path / "style.safetensors"))
    plain = image_of(load(method="ip_adapter"))
    assert not same(image_of(load(method="ip_adapter", lora=path)), plain)
    assert same(image_of(load(method="ip_adapter", lora=f"{path}:0")), plain)


def test_the_recipe_names_a_lora_by_its_digest_wherever_it_lies(tmp_path):
    def recipe(name: str, **parameters: Any):
        study = Study(
            model=str(generators.directory("embedded")),
            sequence=write_words(tmp_path / "words.json"),
            output_dir=str(tmp_path / name),
            steps=2,
            passes=1,
            limit=1,
            batch_size=1,
            **parameters,
        )
        directory = open_run(run(study, progress=NullProgress()).directory)
        return directory.recipe(directory.frames[0])

    path = write_lora(tmp_path / "a.safetensors")
    (tmp_path / "elsewhere").mkdir()
    copy = shutil.copy(path, tmp_path / "elsewhere" / "b.safetensors")
    one, other = recipe("one", lora=f"{path}:0.5"), recipe("two", lora=[f"{copy}:0.5"])
    assert one.key == other.key
    assert str(tmp_path) not in json.dumps(one.parameters)
    [[digest, weight]] = one.parameters["lora"]
    assert (len(digest), weight) == (64, 0.5)
    keys = [recipe(f"{n}", lora=f"{path}:{n}").key for n in (0.25, 1)]
    assert len({one.key, *keys, recipe("none").key}) == 4


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("absent.safetensors", "absent.safetensors"),
        ("owner/name/absent.safetensors:0.5", "owner/name/absent.safetensors"),
        ("style.bin", "no safetensors file"),
        ("style.safetensors:nan", "the weight nan"),
    ],
)
def test_a_lora_that_is_nowhere_or_weighs_nothing_is_named(entry, reason):
    assert explains(refusal(lora=entry), reason)


def test_a_lora_for_another_model_is_refused(tmp_path):
    path = write_lora(tmp_path / "xl.safetensors", "sdxl")
    assert explains(refusal("sd", lora=str(path)), str(path), "trained for this family")


def test_a_lora_with_matrices_that_have_no_place_is_refused(tmp_path):
    extra = {
        "unet.nowhere.lora_A.weight": torch.zeros(2, 4),
        "unet.nowhere.lora_B.weight": torch.zeros(4, 2),
    }
    path = write_lora(tmp_path / "style.safetensors", **extra)
    assert explains(refusal(lora=str(path)), str(path), "4 matrices")


def test_half_a_lora_is_refused_and_no_matrix_made_up(tmp_path):
    path = write_lora(tmp_path / "style.safetensors")
    tensors = load_file(path)
    save_file({n: t for n, t in tensors.items() if "lora_A" not in n}, path)
    assert explains(refusal(lora=str(path)), str(path))


@pytest.mark.parametrize("fault", ["cut off", "not a number"])
def test_a_damaged_lora_is_refused(tmp_path, fault):
    path = write_lora(tmp_path / "style.safetensors")
    if fault == "cut off":
        path.write_bytes(path.read_bytes()[:-10])
    else:
        save_file({n: t + torch.nan for n, t in load_file(path).items()}, path)
    assert explains(refusal(lora=str(path)), str(path), "fetch or copy")


# VAE


@pytest.fixture
def vae(tmp_path) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        models.vae().save_pretrained(tmp_path / "vae")
    return tmp_path / "vae"


def test_another_vae_decodes_and_the_model_keeps_the_digest_of_the_rest(vae, tmp_path):
    plain, changed = load("sd"), load("sd", vae=str(vae))
    assert not same(image_of(changed), image_of(plain))
    own = load("sd", vae=str(generators.directory("sd") / "vae"))
    assert same(image_of(own), image_of(plain))
    digests = [g.settings["model_digest"] for g in (plain, changed, own)]
    assert digests[1] == digests[2] != digests[0], "the model without its VAE"
    vaes = [g.settings["vae"] for g in (plain, changed, own)]
    assert vaes[0] == "" and len({*vaes}) == 3


def test_a_vae_in_one_file_is_the_same_as_in_a_directory(vae):
    [path] = vae.glob("*.safetensors")
    assert same(image_of(load("sd", vae=str(path))), image_of(load("sd", vae=str(vae))))


def test_a_model_whose_own_vae_is_gone_loads_with_another(vae, tmp_path):
    model = shutil.copytree(generators.directory("sd"), tmp_path / "model")
    for path in (model / "vae").glob("*.safetensors"):
        path.unlink()
    assert explains(refusal(model=str(model)), "vae/")
    assert same(image_of(load(model=str(model), vae=str(vae))), image_of(load("sd", vae=str(vae))))


def test_a_vae_of_other_channels_is_refused(tmp_path):
    models.vae(latent_channels=16).save_pretrained(tmp_path / "vae")
    assert explains(refusal("sd", vae=str(tmp_path / "vae")), "16 latent channels")


def test_a_vae_that_is_nowhere_pickled_or_incomplete_is_refused(vae):
    assert explains(refusal(vae="absent"), "the VAE absent")
    assert explains(refusal(vae="owner/absent"), "the VAE owner/absent", "HF_HUB_OFFLINE")
    [path] = vae.glob("*.safetensors")
    tensors = load_file(path)
    save_file({n: t for n, t in tensors.items() if n != "decoder.conv_in.weight"}, path)
    assert explains(refusal("sd", vae=str(vae)), "decoder.conv_in.weight")
    path.rename(path.with_suffix(".bin"))
    assert explains(refusal("sd", vae=str(vae)), "pickled")
    (vae / "config.json").unlink()
    assert explains(refusal("sd", vae=str(vae)), "config.json")
