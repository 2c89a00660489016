"""Networks, loaded with every tensor from a file and every number finite."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from flopslab.backends.diffusers.loading.files import Component
from flopslab.backends.diffusers.loading.libraries import first_line
from flopslab.errors import ModelError


def load_network(expected: str, component: Component, dtype: torch.dtype) -> torch.nn.Module:
    """The component's network on the CPU, each of its tensors from its files. ModelError."""
    check_files(expected, component.weights)
    kind: Any = component.kind
    network, info = kind.from_pretrained(
        component.directory,
        variant=component.variant,
        dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
    )
    check_complete(expected, component.name, network, info)
    return network


def check_files(expected: str, paths: Iterable[Path]) -> None:
    """Raise ModelError if one of the safetensors files is cut off or no such file at all."""
    for path in paths:
        try:
            with safe_open(path, "pt") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            actual = f"{path.parent.name}/{path.name} is damaged: {first_line(error)}"
            raise ModelError(expected, actual, "fetch or copy this file again") from error


def check_complete(
    expected: str, name: str, network: torch.nn.Module, info: Mapping[str, Any] | None = None
) -> None:
    """Raise ModelError if a tensor of the network came from no file, naming it.

    `info` is the library's loading info: transformers fills what is missing with random numbers,
    diffusers leaves it without data.
    """
    tensors = [*network.named_parameters(), *network.named_buffers()]
    missing = {key for key, tensor in tensors if tensor.is_meta}
    missing |= {key for key in (info or {}).get("missing_keys", ()) if "position_ids" not in key}
    if missing:
        first = ", ".join(sorted(missing)[:3]) + (", ..." if len(missing) > 3 else "")
        actual = f"{name} without {len(missing)} of its tensors: {first}"
        unexpected = sorted((info or {}).get("unexpected_keys", ()))
        beside = f" (its files have others, such as {unexpected[0]})" if unexpected else ""
        hint = "fetch or copy the model again, or convert it again with the names of diffusers"
        raise ModelError(expected, actual + beside, hint)
    if mismatched := (info or {}).get("mismatched_keys"):
        actual = f"{name} with a tensor of another shape: {sorted(map(str, mismatched))[0]}"
        raise ModelError(expected, actual, "take config and weights from one model")


def align(networks: Iterable[torch.nn.Module]) -> None:
    """Move weights on the CPU to addresses that are multiples of 64 bytes, as torch allocates.

    They lie where their file has them, and kernels sum unaligned numbers in another order: the
    same weights in another file would give pixels that differ by a level.
    """
    for network in networks:
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.device.type == "cpu" and tensor.data_ptr() % 64:
                tensor.data = tensor.data.clone()


def check_finite(expected: str, networks: Iterable[tuple[str, torch.nn.Module]]) -> None:
    """Raise ModelError if a weight is NaN or infinite: then the sum of its tensor is too."""
    for name, network in networks:
        for key, parameter in network.named_parameters():
            if not torch.isfinite(parameter.detach().sum(dtype=torch.float32)):
                actual = f"weights that are not finite numbers: {name}, {key}"
                hint = "fetch or copy the model again, or train it anew"
                raise ModelError(expected, actual, hint)
