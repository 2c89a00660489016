"""One-file checkpoints of Stable Diffusion 1.5 and XL, as other tools keep them.

Their tensors are renamed to those of a diffusers pipeline. Configs and tokenizers are not in the
file: they come from a directory, or from the hub.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.loaders.single_file_utils import (
    fetch_diffusers_config,
    infer_diffusers_model_type,
)
from huggingface_hub import snapshot_download

from flopslab.backends.diffusers.loading.additions import Additions
from flopslab.backends.diffusers.loading.digest_cache import cached_digests
from flopslab.backends.diffusers.loading.digests import combine, config_digests, network_digests
from flopslab.backends.diffusers.loading.files import (
    INDEX,
    ModelFiles,
    list_configs,
    options_without_extras,
)
from flopslab.backends.diffusers.loading.libraries import first_line, quiet_libraries
from flopslab.backends.diffusers.loading.networks import (
    check_checkpoint,
    check_complete,
    check_files,
    read_headers,
)
from flopslab.digests import json_digest
from flopslab.errors import ModelError

_PIPELINES = {"v1": "StableDiffusionPipeline", "xl_base": "StableDiffusionXLPipeline"}
_FOREIGN = {
    ".gguf": "quantised weights in GGUF",
    ".ckpt": "pickled weights, which could run any code",
    ".pt": "pickled weights, which could run any code",
    ".pth": "pickled weights, which could run any code",
    ".bin": "pickled weights, which could run any code",
}
_CONFIG_PATTERNS = ["**/*.json", "*.json", "*.txt", "**/*.txt", "**/*.model"]


def load(expected: str, path: Path, dtype: torch.dtype, additions: Additions) -> Any:
    """The text-to-image pipeline in the file, on the CPU, its weights complete.

    Raises ModelError if the file holds something else, or if there are no configs for it.
    """
    headers = _read_headers(expected, path)
    name = _pipeline_name(expected, headers)
    configs = _find_configs(expected, headers, additions)
    for part in configs.networks:
        check_checkpoint(expected, part, headers)
    with _configs_alone(configs) as directory:
        pipe = getattr(diffusers, name).from_single_file(
            str(path),
            config=str(directory),
            dtype=dtype,
            local_files_only=True,
            **options_without_extras(configs.index),
            **additions.load_vae(dtype, configs.directory),
            **({"add_watermarker": False} if name == _PIPELINES["xl_base"] else {}),
        )
    for part, network in pipe.components.items():
        if isinstance(network, torch.nn.Module):
            check_complete(expected, part, network)
    return pipe


def digest(path: Path, additions: Additions) -> str:
    """The digest of what is loaded: that of the same model in a directory."""
    expected = f"a text-to-image pipeline from {path}"
    headers = _read_headers(expected, path)
    configs = config_digests(_find_configs(expected, headers, additions))

    def compute() -> dict[str, str]:
        with quiet_libraries():
            pipe = load(expected, path, _stored_dtype(headers), additions)
        networks = {n: m for n, m in pipe.components.items() if isinstance(m, torch.nn.Module)}
        parts = {n: network_digests(m) for n, m in networks.items() if n not in additions.replaces}
        return {"digest": combine(configs, parts)}

    purpose = json_digest({"configs": configs, "without": list(additions.replaces)})
    return cached_digests(path, compute, purpose)["digest"]


def _read_headers(expected: str, path: Path) -> dict[str, torch.Tensor]:
    """The file's tensors by name, without their data. ModelError if it is of another format."""
    if path.suffix != ".safetensors":
        actual = _FOREIGN.get(path.suffix, "one file that is no safetensors file")
        hint = "give a safetensors file, or a directory that diffusers' save_pretrained wrote"
        raise ModelError(expected, actual, hint)
    check_files(expected, [path])
    return read_headers(path)


def _stored_dtype(headers: dict[str, torch.Tensor]) -> torch.dtype:
    """The one type of all floats in the file; single precision, which holds them, of several."""
    types = {tensor.dtype for tensor in headers.values() if tensor.is_floating_point()}
    return types.pop() if len(types) == 1 else torch.float32


def _pipeline_name(expected: str, headers: dict[str, torch.Tensor]) -> str:
    """The class of the pipeline in the file. Raises ModelError if it is none that loads."""
    if any("lora" in name for name in headers):
        raise ModelError(
            expected, "a LoRA, no model", "set lora to this file, and model to a model"
        )
    kind = infer_diffusers_model_type(headers)
    has_denoiser = any(name.startswith("model.diffusion_model.") for name in headers)
    if kind in _PIPELINES and has_denoiser:
        return _PIPELINES[kind]
    purposes = {"inpainting": "an inpainting model", "xl_inpaint": "an inpainting model"}
    purposes |= {"xl_refiner": "a refiner, which only finishes the pictures of its base model"}
    actual = purposes.get(kind, f"a checkpoint of another kind ({kind})")
    actual = actual if has_denoiser else "a safetensors file without a UNet"
    hint = (
        "one file can be Stable Diffusion 1.5 or XL; of another family give the directory, as "
        "diffusers' save_pretrained writes it"
    )
    raise ModelError(expected, actual, hint)


def _find_configs(
    expected: str, headers: dict[str, torch.Tensor], additions: Additions
) -> ModelFiles:
    """The config files for the checkpoint: of `model_configs`, or the hub's. ModelError."""
    if additions.configs:
        return list_configs(additions.configs, without=additions.replaces)
    repository = fetch_diffusers_config(headers)["pretrained_model_name_or_path"]
    try:
        directory = snapshot_download(repository, allow_patterns=_CONFIG_PATTERNS)
        return list_configs(Path(directory), without=additions.replaces)
    except Exception as error:  # the hub fails in many ways: explain them all
        actual = f"no configs for this one file: {repository} on the hub: {first_line(error)}"
        hint = (
            "set model_configs to a directory with the configs of its family (any model of it that "
            "diffusers saved), or check the network (is HF_HUB_OFFLINE set?)"
        )
        raise ModelError(expected, actual, hint) from error


@contextmanager
def _configs_alone(configs: ModelFiles) -> Iterator[Path]:
    """A directory with these config files and no weights, which would fill gaps in the file."""
    with tempfile.TemporaryDirectory(prefix="flopslab-") as name:
        directory = Path(name)
        shutil.copy(configs.directory / INDEX, directory)
        for part in configs.components:
            (directory / part.name).mkdir()
            for path in part.configs:
                shutil.copy(path, directory / part.name)
        yield directory
