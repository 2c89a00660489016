"""What a study adds to its model: LoRAs, textual inversions, another VAE, each by its digest."""

import functools
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
from flopslab.core.generator import FrameRequest
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study
from flopslab.digests import file_digest
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


# Textual inversion


def rows_of(text: str, family: str, encoder: str = "text_encoder") -> torch.Tensor:
    """The encoder's own vectors of the text's tokens."""
    [path] = (generators.directory(family) / encoder).glob("*.safetensors")
    weights = load_file(path)
    name = next(name for name in weights if name.endswith("token_embedding.weight"))
    ids = models.tokenizer()(text, add_special_tokens=False).input_ids
    return weights[name][ids].contiguous()


def write_inversion(path: Path, family: str = "sd", text: str = "sea") -> str:
    """A file whose name stands for the vectors of the text, as tools write it for the family."""
    tensors = {"emb_params": rows_of(text, family)}
    if family == "sdxl":
        encoders = {"clip_l": "text_encoder", "clip_g": "text_encoder_2"}
        tensors = {key: rows_of(text, family, encoder) for key, encoder in encoders.items()}
    save_file(tensors, path)
    return str(path)


def image_from(generator, *fragments: tuple[str, float]):
    return generator.generate([FrameRequest(Prompt(fragments), 0)])[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_word_that_is_a_name_gives_the_picture_of_its_vectors(family, tmp_path):
    generator = load(
        family, textual_inversion=write_inversion(tmp_path / "<x>.safetensors", family)
    )
    plain = load_once(family)
    for before in ("{}", "old {}, {}", "a {} b"):
        named, spelled = (before.replace("{}", word) for word in ("<X>", "sea"))
        assert same(image_from(generator, (named, 1.0)), image_from(plain, (spelled, 1.0)))
    pair = ("stone", 1.2), ("<x>", 1.4)
    assert same(image_from(generator, *pair), image_from(plain, pair[0], ("sea", 1.4)))
    assert same(image_from(generator.clone(), *pair), image_from(generator, *pair))


load_once = functools.cache(load)


def test_a_name_acts_in_the_negative_prompt_and_for_the_colour_of_words(tmp_path):
    path = write_inversion(tmp_path / "bad.safetensors", text="purple")
    generator = load("sd", textual_inversion=path, negative_prompt="bad")
    assert same(image_of(generator), image_of(load("sd", negative_prompt="purple")))
    assert load_once("sd").nearest_colour(("bad",)) != "purple"
    assert generator.nearest_colour(("bad",)) == "purple"


@pytest.mark.parametrize("word", ["sea", "nets", "net2", "_net", "emb_params", "net_1", "<|x|>"])
def test_every_other_word_stays_what_it_was(word, tmp_path):
    path = write_inversion(tmp_path / "net.safetensors", text="stone")
    pair = load("sd", textual_inversion=path), load_once("sd")
    assert same(*(image_from(generator, (word, 1.0)) for generator in pair))
    assert same(*(image_from(generator, (word, 1.3), ("b", 1.0)) for generator in pair))


def test_the_name_is_the_tensors_own_or_else_the_files(tmp_path):
    rows, images = rows_of("a", "sd"), []
    for file, key, value in [
        ("<x>", "emb_params", rows),
        ("y", "<x>", rows),
        ("y", "<x>", rows[0]),
    ]:
        path = tmp_path / f"{file}.safetensors"
        save_file({key: value.clone()}, path)
        images.append(image_from(load("sd", textual_inversion=[str(path)]), ("<x>", 1.0)))
    assert all(same(image, image_from(load_once("sd"), ("a", 1.0))) for image in images)


def test_a_prompt_of_several_chunks_does_not_split_a_name(tmp_path):
    path = write_inversion(tmp_path / "x.safetensors", text="seas")
    provider = load("sd", textual_inversion=path)._encoder._providers[0]
    texts = ["a"] * 73 + ["x", "x", "b"]
    ids, _, _ = provider.get_token_ids_and_expand_weights(texts, [1.0] * 76, "cpu")
    first, second = ids.reshape(2, 77)
    assert first[1:-1].max() < 514, "four vectors had no room"
    assert second[1:9].tolist() == [514, 515, 516, 517] * 2
    many = provider.get_token_ids_and_expand_weights(["x"] * 20, [1.0] * 20, "cpu")[0]
    assert len(many) == 2 * 77 and (many[:77] >= 514).sum() == 72


def test_a_clip_whose_config_names_no_end_pools_at_the_end_all_the_same(tmp_path):
    """Older configs say 2, and CLIP then takes the largest token for the end."""
    model = shutil.copytree(generators.directory("sdxl"), tmp_path / "model")
    for path in model.glob("text_encoder*/config.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": 2}))
    path = write_inversion(tmp_path / "x.safetensors", "sdxl")
    generator = load(model=str(model), textual_inversion=path)
    assert same(image_from(generator, ("x", 1.0)), image_from(load_once("sdxl"), ("sea", 1.0)))


def test_the_settings_name_an_inversion_by_its_word_and_digest(tmp_path):
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    names = [write_inversion(path, text=path.stem) for path in paths]
    pair = [load("sd", textual_inversion=order).settings for order in (names, names[::-1])]
    assert pair[0] == pair[1], "their order does not matter"
    assert pair[0]["textual_inversion"] == [[p.stem, file_digest(p)] for p in paths]
    assert "textual_inversion" not in load_once("sd").settings


WRONG = {
    "other vectors": ({"emb_params": torch.zeros(1, 8)}, "8 numbers; the model reads 32"),
    "another family's": (
        {"clip_l": torch.zeros(1, 32), "clip_g": torch.zeros(1, 32)},
        "32 and 32 numbers",
    ),
    "several": ({"a": torch.zeros(1, 32), "b": torch.zeros(1, 32)}, "2 tensors"),
    "no number": ({"emb_params": torch.full((1, 32), torch.nan)}, "not finite"),
    "no vector": ({"emb_params": torch.zeros(0, 32)}, "(0, 32)"),
    "two counts": ({"clip_l": torch.zeros(1, 32), "clip_g": torch.zeros(2, 32)}, "(2, 32)"),
    "a name of two words": ({"my style": torch.zeros(1, 32)}, "rename the file"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_file_that_is_no_textual_inversion_for_this_model_is_refused(tmp_path, fault):
    tensors, reason = WRONG[fault]
    save_file(tensors, tmp_path / "x.safetensors")
    assert explains(refusal("sd", textual_inversion=str(tmp_path / "x.safetensors")), reason)


def test_an_inversion_that_is_nowhere_damaged_or_twice_is_refused(tmp_path):
    path = write_inversion(tmp_path / "x.safetensors")
    assert explains(refusal("sd", textual_inversion=[path, path]), "'x' twice")
    Path(path).write_bytes(Path(path).read_bytes()[:-10])
    assert explains(refusal("sd", textual_inversion=path), "x.safetensors is damaged")
    assert explains(refusal("sd", textual_inversion="x.pt"), "no safetensors file")


def test_a_family_without_word_weights_takes_no_inversion(tmp_path):
    path = write_inversion(tmp_path / "x.safetensors")
    assert explains(refusal("sd3", textual_inversion=path), "takes none", "Diffusion 1, 2 or XL")


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
