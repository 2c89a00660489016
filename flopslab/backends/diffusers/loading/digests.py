"""Digests of what is loaded: equal values have equal digests, however they are stored.

A tensor counts with its name, shape and values: in one file or in shards, in half or in single
precision if the values are equal, under the names of the present diffusers or of an older one. A
fp16 copy of a fp32 model has other values, so another digest. A config counts by what it says.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from flopslab.backends.diffusers.loading.digest_cache import cached_digests
from flopslab.backends.diffusers.loading.files import Component, ModelFiles
from flopslab.digests import file_digest, json_digest

_NOT_MEANING = ("transformers_version", "torch_dtype", "dtype", "architectures")
_OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_OLD_ATTENTION = re.compile(rf"(attentions\.\d+\.)({'|'.join(_OLD_NAMES)})\.")


def digest(model: ModelFiles) -> str:
    """SHA-256 (hex) of the model's configuration and of the values of its weights."""
    weights = {part.name: weight_digests(part.weights) for part in model.networks}
    return combine(config_digests(model), weights)


def combine(configs: Mapping[str, str], weights: Mapping[str, Mapping[str, str]]) -> str:
    """The digest of a model, of those of its configs and of its networks' tensors, by name."""
    names = {name: json_digest(dict(tensors)) for name, tensors in weights.items()}
    return json_digest({"configs": dict(configs), "weights": names})


def component_digest(component: Component) -> str:
    """The digest of one network: its configuration and the values of its weights."""
    configs = {path.name: config_digest(path) for path in component.configs}
    return combine(configs, {component.kind.__name__: weight_digests(component.weights)})


def config_digests(model: ModelFiles) -> dict[str, str]:
    """The digest of each file that is no weight, by its path in the model."""
    names = {part.name for part in model.components}
    unread = {name for name, value in model.index.items() if isinstance(value, list)} - names
    index = {name: value for name, value in model.index.items() if name not in unread}
    digests = {"": json_digest(_meaning(index))}
    for part in model.components:
        digests |= {f"{part.name}/{path.name}": config_digest(path) for path in part.configs}
    return digests


def config_digest(path: Path) -> str:
    """The digest of what a JSON file says, or of the bytes of another file."""
    try:
        return json_digest(_meaning(json.loads(path.read_bytes())))
    except (ValueError, RecursionError):
        return file_digest(path)


def weight_digests(paths: Iterable[Path]) -> dict[str, str]:
    """The digest of each tensor in the files, by the name that it has in the network."""
    return {
        name: value
        for path in paths
        for name, value in cached_digests(path, lambda path=path: _file_digests(path)).items()
    }


def network_digests(network: torch.nn.Module) -> dict[str, str]:
    """The same of a loaded network."""
    return dict(_digests(network.state_dict().items()))


def _file_digests(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return dict(_digests((name, file.get_tensor(name)) for name in file.keys()))  # noqa: SIM118


def _digests(tensors: Iterable[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, str]]:
    for name, tensor in tensors:
        if not name.endswith("position_ids"):  # 0, 1, 2, ...: older files store them
            yield _present_name(name), tensor_digest(tensor)


def tensor_digest(tensor: torch.Tensor) -> str:
    """The digest of the tensor's shape and values; of floats in single precision."""
    values = tensor.detach().cpu()
    if values.is_floating_point() and values.itemsize < 4:
        values = values.float()  # exact
    total = hashlib.sha256(f"{values.dtype} {tuple(values.shape)}\n".encode())
    total.update(values.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _present_name(name: str) -> str:
    """The tensor's name in today's networks, without the prefix of CLIP's text model."""
    name = name.removeprefix("text_model.")
    return _OLD_ATTENTION.sub(lambda match: f"{match[1]}{_OLD_NAMES[match[2]]}.", name)


def _meaning(config: Any) -> Any:
    """The config without what names its origin or the versions that wrote it."""
    if not isinstance(config, dict):
        return config
    return {
        name: value
        for name, value in config.items()
        if name == "_class_name" or not (name.startswith("_") or name in _NOT_MEANING)
    }
