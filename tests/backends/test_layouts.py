"""Models as people keep them on disk: the same model in another layout is the same model."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import diffusers
import generators
import models
import pytest
import torch
from generators import explains, request_of, same
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModelWithProjection

from flopslab.backends import load_generator
from flopslab.backends.diffusers import loading
from flopslab.backends.diffusers.loading import digest_cache, files
from flopslab.backends.diffusers.loading.files import list_configs
from flopslab.backends.diffusers.loading.networks import check_checkpoint, read_headers
from flopslab.core.study import Study
from flopslab.errors import ModelError

HALF_TYPES = (torch.float16, torch.bfloat16)


def stored(directory: Path, part: str) -> Path:
    """The plain weights of a component."""
    return next(p for p in (directory / part).glob("*.safetensors") if p.name.count(".") == 1)


def rewrite(path: Path, change, target: Path | None = None) -> None:
    save_file(change(load_file(path)), target or path, metadata={"format": "pt"})


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def halve(tensors):
    return {name: tensor.half() for name, tensor in tensors.items()}


def add_half(directory: Path, keep: bool) -> None:
    """A fp16 variant of all weights, beside the plain ones or in their place."""
    for part in ("unet", "vae", "text_encoder"):
        path = stored(directory, part)
        rewrite(path, halve, path.with_suffix(".fp16.safetensors"))
        if not keep:
            path.unlink()


def load(model: Path, **parameters: Any) -> Any:
    return load_generator(Study(model=str(model), steps=2, batch_size=1, **parameters))


def refusal(model: Path, **parameters: Any) -> pytest.ExceptionInfo:
    with pytest.raises(ModelError) as error:
        load(model, **parameters)
    return error


@pytest.fixture
def original() -> Path:
    """A model whose values half precision holds, so that every layout can hold them."""
    directory = generators.directory("embedded").parent / "halved"
    if not directory.exists():
        shutil.copytree(generators.directory("embedded"), directory)
        for part in ("unet", "vae", "text_encoder"):
            values = lambda t: {name: tensor.half().float() for name, tensor in t.items()}  # noqa: E731
            rewrite(stored(directory, part), values)
    return directory


@pytest.fixture
def model(original, tmp_path) -> Path:
    return shutil.copytree(original, tmp_path / "model")


def as_fp16_variant(directory: Path) -> Path:
    add_half(directory, keep=False)
    return directory


def as_half_under_plain_names(directory: Path) -> Path:
    for part in ("unet", "vae", "text_encoder"):
        rewrite(stored(directory, part), halve)
    return directory


def as_shards(directory: Path) -> Path:
    for part, stem in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        path = stored(directory, part)
        tensors = load_file(path)
        path.unlink()
        names, weight_map = sorted(tensors), {}
        for number, chosen in enumerate((names[::2], names[1::2]), 1):
            shard = f"{stem}-{number:05}-of-00002.safetensors"
            save_file({n: tensors[n] for n in chosen}, path.parent / shard, {"format": "pt"})
            weight_map |= dict.fromkeys(chosen, shard)
        index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
        (path.parent / f"{stem}.safetensors.index.json").write_text(json.dumps(index))
    return directory


def with_foreign_files_beside(directory: Path) -> Path:
    """What other programs put beside a model that they share."""
    add_half(directory, keep=True)
    for part in ("unet", "text_encoder"):
        path = stored(directory, part)
        shutil.copy(path, path.with_suffix(".non_ema.safetensors"))
        torch.save({}, path.with_suffix(".bin"))
        (path.parent / "notes.txt").write_text("mine")
        (path.parent / "notes.json").write_text("{}")
    return directory


def with_a_pickled_safety_checker(directory: Path) -> Path:
    checker = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    edit(directory / "model_index.json", safety_checker=checker)
    (directory / "safety_checker").mkdir()
    torch.save({}, directory / "safety_checker" / "pytorch_model.bin")
    return directory


def with_names_of_older_versions(directory: Path) -> Path:
    def older(tensors):
        names = {f"text_model.{name}": tensor for name, tensor in tensors.items()}
        return names | {"text_model.embeddings.position_ids": torch.arange(77)[None]}

    rewrite(stored(directory, "text_encoder"), older)
    for path in directory.rglob("*config.json"):
        values = json.loads(path.read_text())
        if "transformers_version" in values or "_diffusers_version" in values:
            edit(path, transformers_version="4.0.0", _diffusers_version="0.20.0")
    return directory


def in_a_hub_cache(directory: Path) -> Path:
    """Symbolic links in a snapshot, to files named by their contents."""
    blobs = directory.parent / "models--owner--name" / "blobs"
    snapshot = blobs.parent / "snapshots" / "0123abc"
    blobs.mkdir(parents=True)
    for number, path in enumerate(p for p in sorted(directory.rglob("*")) if p.is_file()):
        link = snapshot / path.relative_to(directory)
        link.parent.mkdir(parents=True, exist_ok=True)
        path.rename(blobs / f"blob{number}")
        link.symlink_to(blobs / f"blob{number}")
    return snapshot


def by_its_index(directory: Path) -> Path:
    return directory / "model_index.json"


LAYOUTS = [
    as_fp16_variant,
    as_half_under_plain_names,
    as_shards,
    with_foreign_files_beside,
    with_a_pickled_safety_checker,
    with_names_of_older_versions,
    in_a_hub_cache,
    by_its_index,
]


@pytest.mark.parametrize("lay_out", LAYOUTS, ids=lambda function: function.__name__)
def test_another_layout_is_the_same_model_with_the_same_pixels(original, model, lay_out):
    expected, actual = load(original), load(lay_out(model))
    assert actual.settings["model_digest"] == expected.settings["model_digest"]
    assert same(actual.generate([request_of()])[0], expected.generate([request_of()])[0])


@pytest.mark.parametrize("lay_out", [with_foreign_files_beside, as_shards])
def test_the_listed_files_alone_are_the_model(original, model, lay_out, tmp_path):
    listed = files.list_files(lay_out(model))
    for part in listed.components:
        (tmp_path / "alone" / part.name).mkdir(parents=True)
        for path in (*part.configs, *part.weights, *part.directory.glob("*.index.json")):
            shutil.copy(path, tmp_path / "alone" / part.name)
    shutil.copy(model / "model_index.json", tmp_path / "alone")
    assert {part.name for part in listed.networks} == {"unet", "vae", "text_encoder"}
    expected, actual = load(original), load(tmp_path / "alone")
    assert actual.settings["model_digest"] == expected.settings["model_digest"]
    assert same(actual.generate([request_of()])[0], expected.generate([request_of()])[0])


def test_the_size_of_a_model_is_that_of_the_weights_that_are_read(model):
    before = files.list_files(model).size
    assert files.list_files(with_foreign_files_beside(model)).size == before > 0


def test_a_copy_in_half_precision_is_another_model():
    family = generators.directory("embedded")  # with values that half precision does not hold
    assert loading.digest(family) != loading.digest(
        generators.directory("embedded").parent / "halved"
    )


# One file


SD_PREFIXES = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "text_encoder": "cond_stage_model.transformer.text_model.",
}
SDXL_PREFIXES = SD_PREFIXES | {
    "text_encoder": "conditioner.embedders.0.transformer.text_model.",
    "text_encoder_2": "conditioner.embedders.1.model.",
}


def to_original_names(directory: Path, target: Path, prefixes: dict[str, str]) -> Path:
    """The model as one file, with the names that Stable Diffusion was published under."""
    tensors = {}
    for part, prefix in prefixes.items():
        rename = NAMES.get(part, str) if part != "text_encoder_2" else str
        weights = load_file(stored(directory, part))
        weights = to_open_clip(weights) if part == "text_encoder_2" else weights
        for name, tensor in weights.items():
            tensors[prefix + rename(name)] = shaped(part, name, tensor)
    save_file(tensors, target, {"format": "pt"})
    return target


OPEN_CLIP = {
    "text_model.encoder.layers": "transformer.resblocks",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.embeddings.token_embedding": "token_embedding",
    "text_model.final_layer_norm": "ln_final",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
    "self_attn.q_proj.": "attn.in_proj_",
    "text_projection.weight": "text_projection",
}


def to_open_clip(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A text encoder as OpenCLIP keeps it: queries, keys and values in one matrix."""
    weights["text_projection.weight"] = weights["text_projection.weight"].T.contiguous()
    tensors = {}
    for name, tensor in weights.items():
        if ".q_proj." in name:
            parts = [
                weights[name.replace("q_proj", kind)] for kind in ("q_proj", "k_proj", "v_proj")
            ]
            tensor = torch.cat(parts)
        elif ".k_proj." in name or ".v_proj." in name:
            continue
        tensors[open_clip_name(name)] = tensor
    return tensors


def open_clip_name(name: str) -> str:
    for new, old in OPEN_CLIP.items():
        name = name.replace(new, old)
    return name


def sdxl() -> diffusers.StableDiffusionXLPipeline:
    """A file of SDXL is known by its second encoder: wider than the first, ten layers or more."""
    pipe = models.stable_diffusion_xl()
    config = models.text_config()
    config.hidden_size, config.num_hidden_layers = 48, 10
    pipe.text_encoder_2 = CLIPTextModelWithProjection(config)
    names = (
        "addition_embed_type",
        "addition_time_embed_dim",
        "projection_class_embeddings_input_dim",
    )
    pipe.unet = models.unet(models.WIDTH + 48, **{name: pipe.unet.config[name] for name in names})
    return pipe


def shaped(part: str, name: str, tensor: torch.Tensor) -> torch.Tensor:
    """A VAE's attention is a convolution there."""
    is_attention = part == "vae" and "attentions" in name and tensor.ndim == 2
    return tensor[..., None, None].clone() if is_attention else tensor


UNET_BLOCKS = {  # of a UNet of two levels with one layer each
    "conv_in": "input_blocks.0.0",
    "down_blocks.0.resnets.0": "input_blocks.1.0",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
    "down_blocks.1.resnets.0": "input_blocks.3.0",
    "down_blocks.1.attentions.0": "input_blocks.3.1",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "up_blocks.0.resnets.0": "output_blocks.0.0",
    "up_blocks.0.attentions.0": "output_blocks.0.1",
    "up_blocks.0.resnets.1": "output_blocks.1.0",
    "up_blocks.0.attentions.1": "output_blocks.1.1",
    "up_blocks.0.upsamplers.0": "output_blocks.1.2",
    "up_blocks.1.resnets.0": "output_blocks.2.0",
    "up_blocks.1.resnets.1": "output_blocks.3.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
VAE_PARTS = {"to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out", "group_norm": "norm"}


def unet_name(name: str) -> str:
    block = max((b for b in UNET_BLOCKS if name.startswith(f"{b}.")), key=len, default="")
    if not block:  # a name of the file already
        return name
    rest = name.removeprefix(f"{block}.")
    for new, old in RESNET.items() if "resnets" in block else ():
        rest = rest.replace(f"{new}.", f"{old}.") if rest.startswith(f"{new}.") else rest
    return f"{UNET_BLOCKS[block]}.{rest}"


def vae_name(name: str) -> str:
    levels = 4
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    name = name.replace("mid_block.resnets.0", "mid.block_1").replace(
        "mid_block.resnets.1", "mid.block_2"
    )
    name = name.replace("mid_block.attentions.0", "mid.attn_1")
    if "attn_1" in name:
        for new, old in VAE_PARTS.items():
            name = name.replace(f".{new}.", f".{old}.")
    for level in range(levels):
        name = name.replace(f"down_blocks.{level}.resnets", f"down.{level}.block")
        name = name.replace(f"down_blocks.{level}.downsamplers.0", f"down.{level}.downsample")
        name = name.replace(f"up_blocks.{level}.resnets", f"up.{levels - 1 - level}.block")
        name = name.replace(f"up_blocks.{level}.upsamplers.0", f"up.{levels - 1 - level}.upsample")
    return name


NAMES = {"unet": unet_name, "vae": vae_name, "text_encoder_2": open_clip_name}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("one-file") / "model.safetensors"
    return to_original_names(generators.directory("sd"), target, SD_PREFIXES)


def test_one_file_is_the_same_model_as_its_directory(checkpoint):
    configs = str(generators.directory("sd"))
    expected, actual = load(generators.directory("sd")), load(checkpoint, model_configs=configs)
    assert actual.settings["model_digest"] == expected.settings["model_digest"]
    assert same(actual.generate([request_of()])[0], expected.generate([request_of()])[0])


def test_one_file_of_sdxl_is_the_same_model_as_its_directory(tmp_path):
    models.save(sdxl, tmp_path / "sdxl")
    file = to_original_names(tmp_path / "sdxl", tmp_path / "sdxl.safetensors", SDXL_PREFIXES)
    expected, actual = load(tmp_path / "sdxl"), load(file, model_configs=str(tmp_path / "sdxl"))
    pipe = actual._text_to_image
    assert type(pipe) is diffusers.StableDiffusionXLPipeline
    assert all(p.data_ptr() % 64 == 0 for p in [*pipe.unet.parameters(), *pipe.vae.parameters()])
    assert actual.settings["model_digest"] == expected.settings["model_digest"]
    assert same(actual.generate([request_of()])[0], expected.generate([request_of()])[0])


def test_one_file_without_configs_says_where_they_can_come_from(checkpoint):
    assert explains(refusal(checkpoint), "no configs", "model_configs", "HF_HUB_OFFLINE")
    assert explains(refusal(checkpoint, model_configs="absent"), "model_configs absent")


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("model.diffusion", "unet without 1 of its tensors: time_embedding.linear_2.weight"),
        ("first_stage", "vae without 1 of its tensors: quant_conv.weight"),
        ("cond_stage", "text_encoder without 1 of its tensors: final_layer_norm.weight"),
    ],
)
def test_one_file_that_lacks_tensors_is_refused_and_none_are_taken_from_the_configs(
    checkpoint, tmp_path, prefix, reason
):
    def drop(tensors):
        last = max(name for name in tensors if name.startswith(prefix))
        return {name: tensor for name, tensor in tensors.items() if name != last}

    def drop_all(tensors):
        return {name: t for name, t in tensors.items() if not name.startswith(prefix)}

    for change, part in ((drop, reason), (drop_all, "")):
        rewrite(checkpoint, change, tmp_path / "model.safetensors")
        error = refusal(
            tmp_path / "model.safetensors", model_configs=str(generators.directory("sd"))
        )
        assert explains(error, part)


@pytest.mark.parametrize(("build", "prefixes"), [("sd", SD_PREFIXES), ("xl", SDXL_PREFIXES)])
def test_whichever_tensor_one_file_lacks_is_named(tmp_path, build, prefixes):
    models.save(models.stable_diffusion if build == "sd" else sdxl, tmp_path / "model")
    path = to_original_names(tmp_path / "model", tmp_path / "model.safetensors", prefixes)
    headers = read_headers(path)
    for part in list_configs(tmp_path / "model").networks:
        check_checkpoint("a model", part, headers)
        own = [name for name in headers if name.startswith(prefixes[part.name])]
        kinds = {re.sub(r"\d+", "", name): name for name in own}  # one layer stands for all
        for name in kinds.values():
            rest = {other: tensor for other, tensor in headers.items() if other != name}
            with pytest.raises(ModelError, match=f"{part.name} without") as error:
                check_checkpoint("a model", part, rest)
            assert name in original_names(part.name, prefixes[part.name], error.value.actual)


def original_names(part: str, prefix: str, text: str) -> list[str]:
    """The tensors that an error lists, as they are called in the file."""
    listed = text.partition(": ")[2].split(", ")
    return [f"{prefix}{NAMES.get(part, str)(name)}" for name in listed]


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(4, 9, 3, 3)}, "inpainting"),
        ({"lora_unet_mid.lora_up.weight": torch.zeros(2, 2)}, "set lora"),
        ({"x": torch.zeros(1)}, "without a UNet"),
    ],
    ids=["inpainting", "a LoRA", "something else"],
)
def test_one_file_of_another_kind_says_which(tmp_path, tensors, reason):
    save_file(tensors, tmp_path / "model.safetensors")
    assert explains(refusal(tmp_path / "model.safetensors"), reason)


@pytest.mark.parametrize(
    ("name", "reason"), [("m.ckpt", "pickled"), ("m.gguf", "GGUF"), ("m", "no")]
)
def test_one_file_of_another_format_is_not_even_opened(tmp_path, name, reason):
    (tmp_path / name).write_bytes(b"\x80\x04")
    assert explains(refusal(tmp_path / name), reason)


# What is refused


def test_the_outer_folder_of_a_hub_cache_names_the_right_one(model):
    snapshot = in_a_hub_cache(model)
    error = refusal(snapshot.parents[1])
    assert explains(error, str(snapshot), "owner/name")


def test_a_link_to_nowhere_is_named(model):
    path = stored(model, "unet")
    path.unlink()
    path.symlink_to(model / "gone")
    assert explains(refusal(model), "unet/", "a link to a file that is not there")


def test_a_missing_shard_is_named(model):
    as_shards(model)
    shard = next((model / "unet").glob("*-00002-of-00002.safetensors"))
    shard.unlink()
    assert explains(refusal(model), shard.name)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"weight_map": {}}', '{"weight_map": {"a": "../x"}}']
)
def test_an_index_of_shards_that_cannot_be_followed_is_refused(model, content):
    as_shards(model)
    (model / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(content)
    assert explains(refusal(model), "shard")


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_weights_that_are_missing_altogether_are_named(model, part):
    stored(model, part).rename(model / part / "mine.safetensors")
    assert explains(refusal(model), f"{part}/", "mine.safetensors", "fp16")


def test_a_missing_tensor_is_named_though_a_variant_lies_beside(model):
    add_half(model, keep=True)
    name = "layers.0.self_attn.q_proj.weight"
    rewrite(stored(model, "text_encoder"), lambda t: {n: v for n, v in t.items() if name not in n})
    assert explains(refusal(model), "text_encoder", "q_proj")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_weights_under_foreign_names_are_refused(model, part):
    rewrite(stored(model, part), lambda t: {f"clip_l.transformer.{n}": v for n, v in t.items()})
    error = refusal(model)
    assert explains(error, part, "without")


def test_a_missing_projection_of_a_text_encoder_is_named(tmp_path):
    model = shutil.copytree(generators.directory("sdxl"), tmp_path / "model")
    rewrite(
        stored(model, "text_encoder_2"),
        lambda t: {n: v for n, v in t.items() if "text_projection" not in n},
    )
    assert explains(refusal(model), "text_encoder_2", "text_projection")


def test_weights_of_another_shape_than_the_config_are_refused(model):
    edit(model / "unet" / "config.json", block_out_channels=[32, 96])
    assert explains(refusal(model), "shape")


def test_safetensors_are_asked_for_though_pickles_are_refused_before(model, monkeypatch):
    """The second belt: the library itself is told to read no pickle."""
    calls = []

    def watch(kind, original):
        def from_pretrained(*arguments, **options):
            calls.append(options["use_safetensors"])
            return original(*arguments, **options)

        monkeypatch.setattr(kind, "from_pretrained", from_pretrained)

    for kind in (diffusers.UNet2DConditionModel, diffusers.AutoencoderTiny, models.CLIPTextModel):
        watch(kind, kind.from_pretrained)
    load(model)
    assert calls == [True] * 3


# The cache of digests


@pytest.fixture
def cache(monkeypatch, tmp_path) -> Path:
    monkeypatch.setattr(digest_cache, "SMALLEST", 0)
    monkeypatch.setattr(digest_cache, "FRESH", -1)
    monkeypatch.setattr(digest_cache, "directory", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def test_a_second_digest_reads_no_weights(model, cache, monkeypatch):
    expected = loading.digest(model)
    monkeypatch.setattr("flopslab.backends.diffusers.loading.digests._file_digests", None)
    assert loading.digest(model) == expected


def test_a_changed_file_is_read_again(model, cache):
    before = loading.digest(model)
    rewrite(stored(model, "vae"), lambda t: {name: v + 1 for name, v in t.items()})
    assert loading.digest(model) != before


def test_a_cache_that_is_damaged_or_cannot_be_written_does_no_harm(model, cache):
    expected = loading.digest(model)
    for damage in ("{", "{}", "[1]"):
        for entry in cache.iterdir():
            entry.write_text(damage)
        assert loading.digest(model) == expected
    shutil.rmtree(cache)
    cache.write_text("a file where the directory would be")
    assert loading.digest(model) == expected


def test_a_file_that_was_just_written_is_not_kept(model, cache, monkeypatch):
    monkeypatch.setattr(digest_cache, "FRESH", 3600.0)
    loading.digest(model)
    assert not cache.exists()
