"""The files that a load reads: one list, by which a model is judged.

Its digest, its completeness, its size and whether its weights are pickled follow from this list
alone. Whatever lies beside these files (another variant, a component that is left out, notes)
has no part in the model.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from flopslab.backends.diffusers.loading.directory import INDEX
from flopslab.backends.diffusers.loading.libraries import first_line
from flopslab.errors import ModelError

SAVE_HINT = "save it again with diffusers: pipeline.save_pretrained(directory)"

_EXTRAS = ("safety_checker", "feature_extractor", "image_encoder")  # no part of the model itself
_PICKLES = {".bin", ".ckpt", ".pt", ".pth", ".pkl"}
_VARIANTS = ("fp16", "bf16", "fp32")  # read in this order where the plain files are missing
_TEXT_CONFIGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_VOCABULARIES = ("vocab.json", "merges.txt", "spiece.model", "tokenizer.model")
_CONFIGS = ("config.json", "scheduler_config.json", "preprocessor_config.json")


@dataclass(frozen=True)
class Component:
    """One part of a pipeline and the files that it is loaded from.

    `variant` stands in the names of its weights ("fp16"), or is None. A part without weights, such
    as a scheduler, has none in the list.
    """

    name: str
    kind: type
    directory: Path
    variant: str | None
    configs: tuple[Path, ...]
    weights: tuple[Path, ...]

    @property
    def is_network(self) -> bool:
        return issubclass(self.kind, torch.nn.Module)


@dataclass(frozen=True)
class ModelFiles:
    """What a load of the model in `directory` reads; `index` is its model_index.json."""

    directory: Path
    index: dict[str, Any]
    components: tuple[Component, ...]

    @property
    def networks(self) -> Iterator[Component]:
        return (component for component in self.components if component.is_network)

    @cached_property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(path.stat().st_size for part in self.networks for path in part.weights)


def list_files(directory: Path, without: Sequence[str] = ()) -> ModelFiles:
    """The files that a load of the directory's pipeline reads, but for the components `without`.

    Raises ModelError if the index cannot be read, if a component has code of its own, or if its
    weights are missing or pickled.
    """
    configs, expected = list_configs(directory, without), f"a model in {directory}"
    components = tuple(
        read_component(expected, part.name, part.kind, part.directory)
        for part in configs.components
    )
    return replace(configs, components=components)


def list_configs(directory: Path, without: Sequence[str] = ()) -> ModelFiles:
    """The same list without the weights, which need not be there."""
    index = read_index(directory)
    missing = {*without, *options_without_extras(index)}
    components = tuple(
        Component(name, kind, directory / name, None, tuple(_configs(directory / name)), ())
        for name, kind in _kinds(directory, index)
        if name not in missing
    )
    return ModelFiles(directory, index, components)


def read_index(directory: Path) -> dict[str, Any]:
    """The directory's model_index.json. Raises ModelError."""
    expected = f"a model in {directory}"
    if not directory.is_dir():
        hint = f"give a directory with a {INDEX}; {SAVE_HINT}"
        raise ModelError(expected, "no such directory", hint)
    try:
        index = json.loads((directory / INDEX).read_text(encoding="utf-8"))
        dict(_entries(index))
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        actual = f"no readable {INDEX} ({first_line(error)})"
        raise ModelError(expected, actual, f"give a diffusers pipeline, or {SAVE_HINT}") from error
    return index


def options_without_extras(index: dict[str, Any]) -> dict[str, Any]:
    """Options of `from_pretrained` that leave out what is no part of the model itself."""
    pipeline = getattr(diffusers, str(index.get("_class_name")), None)
    optional = getattr(pipeline, "_optional_components", [])
    options = {name: None for name in _EXTRAS if name in index and name in optional}
    return options | ({"requires_safety_checker": False} if "safety_checker" in options else {})


def read_component(expected: str, name: str, kind: type, directory: Path) -> Component:
    """The component in the directory. ModelError if its weights are missing or pickled."""
    variant, weights = None, ()
    if issubclass(kind, torch.nn.Module):
        variant, weights = _find_weights(expected, kind, directory)
    return Component(name, kind, directory, variant, tuple(_configs(directory)), weights)


def _entries(index: dict[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    """(name, (library, class)) of the components that the index lists."""
    for name, value in index.items():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
            yield name, (value[0], str(value[1]))


def _kinds(directory: Path, index: dict[str, Any]) -> Iterator[tuple[str, type]]:
    """(name, class) of the components; ModelError for one with code of its own."""
    for name, (library, kind) in _entries(index):
        modules = {"diffusers": diffusers, "transformers": transformers}
        module = modules.get(library) or getattr(diffusers.pipelines, library, None)
        component = getattr(module, kind, None) if module else None
        if not isinstance(component, type) or (
            kind.startswith("Auto") and not issubclass(component, torch.nn.Module)
        ):
            hint = (
                "use a model that consists of classes of diffusers and transformers, or newer "
                "versions of these"
            )
            actual = f"{name} with code of its own or of another version ({library}.{kind})"
            raise ModelError(f"a model in {directory}", actual, hint)
        yield name, component


def _configs(directory: Path) -> Iterator[Path]:
    """The files beside the weights that are read; no vocabulary where a tokenizer.json has it."""
    vocabulary = ("tokenizer.json",) if (directory / "tokenizer.json").is_file() else _VOCABULARIES
    for name in (*_CONFIGS, *_TEXT_CONFIGS, *vocabulary):
        if (directory / name).is_file():
            yield directory / name


def _find_weights(
    expected: str, kind: type, directory: Path
) -> tuple[str | None, tuple[Path, ...]]:
    """(variant, files) of a network's weights. Raises ModelError if there are none to read."""
    is_diffusers = issubclass(kind, diffusers.ModelMixin)
    stem = "diffusion_pytorch_model" if is_diffusers else "model"
    for variant in (None, *_VARIANTS):
        tail = f".{variant}" if variant else ""
        single = directory / f"{stem}{tail}.safetensors"
        index = directory / f"{stem}.safetensors.index{tail}.json"
        order = [index, single] if is_diffusers else [single, index]  # as the libraries look
        path = next((path for path in order if path.is_file()), None)
        if path is not None:
            return variant, (path,) if path == single else _read_shards(expected, path)
    raise ModelError(expected, *_describe_absence(directory, stem))


def _read_shards(expected: str, index: Path) -> tuple[Path, ...]:
    """The files that an index of shards names, all there. Raises ModelError."""
    try:
        names = {str(name) for name in json.loads(index.read_bytes())["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        actual = f"no readable index of shards, {index.parent.name}/{index.name}"
        hint = "fetch or copy this file again"
        raise ModelError(expected, f"{actual} ({first_line(error)})", hint) from error
    shards = tuple(index.parent / name for name in sorted(names))
    missing = [p for p in shards if p.parent != index.parent or not p.is_file()]
    if missing or not shards:
        actual = f"no shard {index.parent.name}/{missing[0].name}" if missing else "no shards"
        hint = "fetch or copy the missing file; the others are there"
        raise ModelError(expected, f"{actual}, which {index.name} names", hint)
    return shards


def _describe_absence(directory: Path, stem: str) -> tuple[str, str]:
    """(actual, hint) of a network without weights that could be read."""
    names = sorted(path.name for path in directory.glob("*"))
    if pickles := [name for name in names if Path(name).suffix in _PICKLES]:
        actual = f"pickled weights only: {directory.name}/{pickles[0]}, which could run any code"
        return actual, f"take the model's safetensors files; or {SAVE_HINT}"
    if broken := [name for name in names if not (directory / name).exists()]:
        actual = f"{directory.name}/{broken[0]}, a link to a file that is not there"
        return actual, "download the model again (hf download), or copy it with what it links to"
    variants = [name for name in names if name.endswith(".safetensors")]
    beside = f" (there is {variants[0]})" if variants else ""
    actual = f"no weights {directory.name}/{stem}.safetensors{beside}"
    hint = f"fetch or copy them, or a variant {', '.join(_VARIANTS)} of them"
    return actual, hint
