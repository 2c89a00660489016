"""What a study adds to its model: LoRAs, textual inversions, another VAE, configs for one file."""

import json
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import diffusers
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from huggingface_hub import snapshot_download

from flopslab.backends.diffusers.loading.digests import component_digest
from flopslab.backends.diffusers.loading.directory import find_file, is_hub_id
from flopslab.backends.diffusers.loading.files import Component, read_component
from flopslab.backends.diffusers.loading.libraries import describe_failure, first_line
from flopslab.backends.diffusers.loading.networks import (
    check_checkpoint,
    check_complete,
    check_files,
    load_network,
    read_headers,
)
from flopslab.backends.diffusers.text.textual_inversion import (
    TextualInversion,
    install_inversions,
)
from flopslab.core.study import Study
from flopslab.digests import file_digest
from flopslab.errors import ModelError, ParameterError

_LORA_EXAMPLE = "latent-consistency/lcm-lora-sdv1-5/pytorch_lora_weights.safetensors"
_INVERSION_EXAMPLE = "sd-concepts-library/gta5-artwork/learned_embeds.safetensors"


@dataclass(frozen=True)
class Lora:
    """A file of low-rank changes to a model's layers, and the share of them that is added."""

    path: Path
    weight: float


@dataclass(frozen=True)
class Additions:
    """`vae`: a directory or a file, or None; `configs`: a directory, or None."""

    loras: tuple[Lora, ...] = ()
    vae: Path | None = None
    configs: Path | None = None
    inversions: tuple[TextualInversion, ...] = ()

    @classmethod
    def of(cls, study: Study) -> Self:
        """The study's additions, found on the disk or on the hub. ModelError, ParameterError."""
        return cls(
            tuple(map(_find_lora, _entries(study.lora))),
            _find_vae(study.vae) if study.vae else None,
            _find_configs(study.model_configs) if study.model_configs else None,
            _find_inversions(_entries(study.textual_inversion)),
        )

    @property
    def replaces(self) -> tuple[str, ...]:
        """The components of the model that are not loaded."""
        return ("vae",) if self.vae else ()

    def settings(self) -> dict[str, Any]:
        """Settings for the recipe: what changes pixels, by digest."""
        loras = [[file_digest(lora.path), lora.weight] for lora in self.loras]
        words = sorted([item.name, file_digest(item.path)] for item in self.inversions)
        settings = {"lora": loras, "vae": ""} | ({"textual_inversion": words} if words else {})
        if self.vae is None:
            return settings
        component = None if self.vae.is_file() else _vae_component(self.vae)
        return settings | {
            "vae": component_digest(component) if component else file_digest(self.vae)
        }

    def load_vae(
        self, dtype: torch.dtype, model: Path, channels: int | None = None
    ) -> dict[str, torch.nn.Module]:
        """{"vae": the other VAE}, on the CPU; {} without one.

        A file takes the config of the VAE in the directory of the `model`. `channels`: of the
        model's latents, if known. Raises ModelError.
        """
        if self.vae is None:
            return {}
        expected = f"the VAE {self.vae}"
        try:
            network = _load_vae(expected, self.vae, dtype, model)
        except ModelError:
            raise
        except Exception as error:  # as for a pipeline
            raise ModelError(expected, *describe_failure(error)) from error
        actual = network.config["latent_channels"]
        if channels not in (None, actual):
            hint = "use a VAE of the model's own family"
            raise ModelError(expected, f"{actual} latent channels; the model has {channels}", hint)
        return {"vae": network}

    def install(self, pipe: DiffusionPipeline) -> None:
        """Add LoRAs and textual inversions to the pipeline. ModelError if one does not fit."""
        names = [f"lora{index}" for index in range(len(self.loras))]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`")  # several are meant
            for name, lora in zip(names, self.loras, strict=True):
                _load_lora(pipe, name, lora)
        if names:
            pipe.set_adapters(names, [lora.weight for lora in self.loras])
            pipe.fuse_lora(adapter_names=names)  # as fast as without
            pipe.unload_lora_weights()
        install_inversions(pipe, self.inversions)


def _entries(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value] * bool(value)


def _find_lora(entry: str) -> Lora:
    """The LoRA of `path`, `path:weight` or the same with owner/name/file of the hub."""
    head, colon, tail = entry.rpartition(":")
    try:
        name, weight = (head, float(tail)) if colon else (entry, 1.0)
    except ValueError:  # a colon of the path
        name, weight = entry, 1.0
    if not math.isfinite(weight):
        hint = "write path:weight, the weight a number such as 0.8"
        raise ParameterError(f"lora {entry}", f"the weight {weight}", hint)
    return Lora(find_file("the LoRA", name, _LORA_EXAMPLE), weight)


def _load_lora(pipe: DiffusionPipeline, name: str, lora: Lora) -> None:
    expected = f"the LoRA {lora.path}"
    if not hasattr(pipe, "load_lora_weights"):
        hint = "leave lora empty, or use Stable Diffusion, SDXL, SD3 or Flux"
        raise ModelError(expected, f"{type(pipe).__name__}, which takes none", hint)
    check_files(expected, [lora.path])
    hint = "use a LoRA that was trained for this family of models"
    try:
        tensors = pipe.lora_state_dict(str(lora.path.parent), weight_name=lora.path.name)
        pipe.load_lora_weights(str(lora.path.parent), weight_name=lora.path.name, adapter_name=name)
    except Exception as error:  # shapes and names that do not fit raise several types
        actual = f"it does not fit this model, or is damaged: {first_line(error)}"
        raise ModelError(expected, actual, hint) from error
    tensors = tensors[0] if isinstance(tensors, tuple) else tensors
    stored = sum("lora" in key for key in tensors)
    values = list(_lora_parameters(pipe, name))
    if not values or len(values) != stored:
        actual = f"{stored} matrices, of which {len(values)} have a place in this model"
        raise ModelError(expected, actual, hint)
    if not all(torch.isfinite(value).all() for value in values):
        actual = "weights that are not finite numbers"
        raise ModelError(expected, actual, "fetch or copy this file again")


def _lora_parameters(pipe: DiffusionPipeline, name: str) -> Iterator[torch.Tensor]:
    """The matrices that the pipeline's networks have from the LoRA of this name."""
    for network in pipe.components.values():
        if isinstance(network, torch.nn.Module):
            for key, value in network.named_parameters():
                if "lora_" in key and name in key.split("."):
                    yield value


def _find_inversions(names: list[str]) -> tuple[TextualInversion, ...]:
    """The textual inversions in these files. ModelError; ParameterError if two have one name."""
    inversions = []
    for name in names:
        path = find_file("the textual inversion", name, _INVERSION_EXAMPLE)
        check_files(f"the textual inversion {name}", [path])
        inversions.append(TextualInversion.read(path))
    words = [item.name.lower() for item in inversions]
    if twice := next((word for word in words if words.count(word) > 1), None):
        hint = "rename one of the files, or leave it out"
        raise ParameterError("textual inversions of different names", f"{twice!r} twice", hint)
    return tuple(inversions)


def _find_vae(name: str) -> Path:
    """The directory or file of a VAE."""
    path = Path(name).expanduser()
    if path.is_dir() or not is_hub_id(name) or name.endswith(".safetensors"):
        return path if path.is_dir() else find_file("the VAE", name, "owner/name")
    try:
        patterns = ["config.json", "diffusion_pytorch_model*"]
        return Path(snapshot_download(name, allow_patterns=patterns, ignore_patterns="*.bin"))
    except Exception as error:  # the hub fails in many ways: explain them all
        actual = f"no directory {path.absolute()}, and as a hub id: {first_line(error)}"
        hint = "check the spelling and the network (is HF_HUB_OFFLINE set?)"
        raise ModelError(f"the VAE {name}", actual, hint) from error


def _vae_component(directory: Path) -> Component:
    """The VAE in the directory. Raises ModelError."""
    expected = f"the VAE {directory}"
    try:
        name = json.loads((directory / "config.json").read_bytes())["_class_name"]
        kind = getattr(diffusers, name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        actual = f"no readable config.json of a VAE ({first_line(error)})"
        hint = "give a directory with config.json and diffusion_pytorch_model.safetensors"
        raise ModelError(expected, actual, hint) from error
    return read_component(expected, "vae", kind, directory)


def _load_vae(expected: str, path: Path, dtype: torch.dtype, model: Path) -> Any:
    if path.is_dir():
        return load_network(expected, _vae_component(path), dtype)
    check_files(expected, [path])
    config = Component("vae", diffusers.AutoencoderKL, model / "vae", None, (), ())
    check_checkpoint(expected, config, read_headers(path))
    network = diffusers.AutoencoderKL.from_single_file(
        str(path), config=str(model), subfolder="vae", dtype=dtype, local_files_only=True
    )
    check_complete(expected, "vae", network)
    return network


def _find_configs(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_dir():
        hint = "give a directory with model_index.json and the configs of its components"
        raise ModelError(f"model_configs {name}", f"no directory {path.absolute()}", hint)
    return path
