"""Networks, loaded with every tensor from a file and every number finite."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors import SafetensorError, safe_open

from flopslab.backends.diffusers.loading.files import Component
from flopslab.backends.diffusers.loading.libraries import first_line
from flopslab.errors import ModelError

_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


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


def read_headers(path: Path) -> dict[str, torch.Tensor]:
    """The safetensors file's tensors by name, without their data."""
    with safe_open(path, "pt") as file:
        slices = {name: file.get_slice(name) for name in list(file.keys())}
        return {
            name: torch.empty(part.get_shape(), dtype=_DTYPES.get(part.get_dtype()), device="meta")
            for name, part in slices.items()
        }


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
    _refuse_missing(expected, name, missing, (info or {}).get("unexpected_keys", ()))
    if mismatched := (info or {}).get("mismatched_keys"):
        actual = f"{name} with a tensor of another shape: {sorted(map(str, mismatched))[0]}"
        raise ModelError(expected, actual, "take config and weights from one model")


def check_checkpoint(
    expected: str, component: Component, checkpoint: Mapping[str, torch.Tensor]
) -> None:
    """Raise ModelError if a one-file checkpoint lacks a tensor of the component, naming it.

    The checkpoint may be on the meta device: names decide. They are those of diffusers, or those
    under which Stable Diffusion and XL were published. The loader of diffusers ends with an error
    that names nothing.
    """
    network = _make_empty(component.kind, component.directory)
    names = set(network.state_dict())
    missing = names - checkpoint.keys()
    if missing and component.name in _CONVERTERS:
        try:
            converted = names - _converted_names(component.name, network, checkpoint)
        except KeyError as error:  # the first tensor that a converter misses
            converted = {str(error.args[0])}
        missing = min(missing, converted, key=len)
    _refuse_missing(expected, component.name, missing)


# From the names of a published checkpoint to those of the library that loads it.
_CONVERTERS: dict[str, Callable[[Any, Any], Mapping[str, torch.Tensor | None]]] = {
    "unet": lambda network, tensors: convert_ldm_unet_checkpoint(tensors, network.config),
    "vae": lambda network, tensors: convert_ldm_vae_checkpoint(tensors, network.config),
    "text_encoder": lambda _, tensors: convert_ldm_clip_checkpoint(tensors),
    "text_encoder_2": lambda network, tensors: convert_open_clip_checkpoint(
        network, tensors, "conditioner.embedders.1.model."
    ),
}


def _converted_names(
    part: str, network: torch.nn.Module, checkpoint: Mapping[str, torch.Tensor]
) -> set[str]:
    """The names that the checkpoint's tensors get when diffusers loads it."""
    tensors = _CONVERTERS[part](network, checkpoint)
    names = {name for name, tensor in tensors.items() if tensor is not None}
    return names | {name.removeprefix("text_model.") for name in names}


def _make_empty(kind: Any, directory: Path) -> torch.nn.Module:
    """A network of the config in the directory, its tensors without data."""
    with torch.device("meta"):
        if hasattr(kind, "load_config"):  # a model of diffusers
            return kind.from_config(kind.load_config(directory, local_files_only=True))
        return kind(kind.config_class.from_pretrained(directory, local_files_only=True))


def _refuse_missing(
    expected: str, name: str, missing: Collection[str], unexpected: Collection[str] = ()
) -> None:
    if not missing:
        return
    first = ", ".join(sorted(missing)[:3]) + (", ..." if len(missing) > 3 else "")
    actual = f"{name} without {len(missing)} of its tensors: {first}"
    beside = f" (its files have others, such as {min(unexpected)})" if unexpected else ""
    hint = "fetch or copy the model again, or convert it again with the names of diffusers"
    raise ModelError(expected, actual + beside, hint)


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
