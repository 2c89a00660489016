"""Parameters before they are checked: where they come from, and what is wrong with one.

In a notebook they must be told from the other variables in the kernel. A parameter is what the
parameters cell annotates (`passes: int = 3`), or what papermill's injected cell, which begins with
`# Parameters`, sets. A mistyped one is among them and so is noticed; every other variable is the
user's own.
"""

import ast
import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from reprlib import repr as abbreviate
from typing import Any

import yaml

from flopslab.errors import ParameterError

NOTEBOOK = "parameters from this notebook"  # the source that an error names

# Names that other tools, or earlier versions, have for a parameter.
_SYNONYMS = {
    "kernel": "distance_weights",
    "cfg": "guidance_scale",
    "cfg_scale": "guidance_scale",
    "strength": "denoising_strength",
    "denoise": "denoising_strength",
    "sampler": "scheduler",
    "sampler_name": "scheduler",
    "num_inference_steps": "steps",
    "sampling_steps": "steps",
    "num_passes": "passes",
    "negative": "negative_prompt",
    "checkpoint": "model",
    "ckpt": "model",
    "model_config": "model_configs",
    "loras": "lora",
    "words": "sequence",
    "n_iter": "passes",
    "output": "output_dir",
}
_INJECTED = "# Parameters"
_OF_PAPERMILL = "PAPERMILL_"  # names that papermill itself can inject


def cell_parameters(namespace: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """The parameters in a notebook's namespace, `globals()`, by name, with their present values.

    `fields`: the names that parameters can have; a cell that annotates any of them is a parameters
    cell. Outside of a notebook every annotated name is a parameter. Raises ParameterError if there
    is none.
    """
    fields = set(fields)
    cells = [(source, tree) for source in namespace.get("In", []) if (tree := _parse(source))]
    names = _current_names([_cell_names(tree, fields) for _, tree in cells])
    injected = [tree for source, tree in cells if source.split("\n")[0].strip() == _INJECTED]
    names += _assigned(injected[-1]) if injected else []
    names = names or list(namespace.get("__annotations__", {}))
    if not names:
        raise ParameterError(
            "a notebook's parameters cell",
            "no annotated parameter",
            "write them as `passes: int = 3` in one cell, before this one",
        )
    return {
        name: namespace[name]
        for name in dict.fromkeys(names)
        if name in namespace and not name.startswith(_OF_PAPERMILL)
    }


def notebook_parameters(namespace: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The parameters of a notebook's parameters cell, `globals()`, by name.

    ParameterError for those that have none of these `names`; it offers the nearest.
    """
    names = list(names)
    parameters = cell_parameters(namespace, names)
    if unknown := [name for name in parameters if name not in names]:
        actual = "; ".join(f"{name} = {abbreviate(parameters[name])}" for name in unknown)
        hint = "; ".join(_correction(name, names) for name in unknown)
        raise ParameterError(NOTEBOOK, f"{actual}, which is not a parameter", hint)
    return parameters


def read_parameters(path: str | Path) -> dict[str, Any]:
    """The names and values of a YAML file. ParameterError if it holds anything else."""
    expected, hint = f"parameters from {path}", "write one 'name: value' a line, as in params/"
    try:
        values = yaml.load(Path(path).expanduser().read_bytes(), _Loader)
    except OSError as error:
        actual = str(error.strerror)
        raise ParameterError(expected, actual, "give the path of a YAML file") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ParameterError(expected, _yaml_problem(error), hint) from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ParameterError(expected, f"no mapping of names, but {abbreviate(values)}", hint)
    return values


def describe_problem(
    error: Mapping[str, Any], parameters: Mapping[str, Any], schemas: Mapping[str, Any]
) -> tuple[str, str]:
    """(what was there, what to do) for one of pydantic's errors, in plain words.

    `schemas`: the JSON Schema of each parameter, by name.
    """
    name = error["loc"][0]
    actual = f"{name} = {abbreviate(parameters[name])}"
    if error["type"] == "extra_forbidden":
        return f"{actual}, which is not a parameter", _correction(name, list(schemas))
    return actual, f"{name} must be {_allowed(schemas[name])}"


def nearest_name(name: str, names: list[str]) -> str | None:
    """The one of `names` that `name` most likely means; None if nothing is near."""
    lower = name.lower()
    if _SYNONYMS.get(lower) in names:
        return _SYNONYMS[lower]
    near = difflib.get_close_matches(lower, names, n=1, cutoff=0.75)
    return near[0] if near else None


def _correction(name: str, names: list[str]) -> str:
    near = nearest_name(name, names)
    return f"use {near} instead of {name}" if near else f"drop {name}; there are {', '.join(names)}"


def _allowed(schema: dict[str, Any]) -> str:
    """What a JSON Schema allows, in words."""
    if "anyOf" in schema:
        return " or ".join(_allowed(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if schema["type"] == "array":
        return f"a list of one or more, each {_allowed(schema['items'])}"
    kinds = {"integer": "a whole number", "number": "a number", "null": "none"}
    limits = {
        "minLength": "that is not empty",
        "exclusiveMinimum": "above {}",
        "minimum": "of at least {}",
        "maximum": "and at most {}",
        "multipleOf": "and a multiple of {}",
    }
    phrases = [text.format(schema[key]) for key, text in limits.items() if key in schema]
    return " ".join([kinds.get(schema["type"], "readable text"), *phrases])


def _current_names(cells: Sequence[Sequence[str]]) -> list[str]:
    """The annotated names of the cells (oldest first), without those that were corrected since.

    A cell that was run again, with a mistyped name put right, repeats most of the names that it
    had.
    """
    return [
        name
        for index, names in enumerate(cells)
        if not any(2 * len({*names} & {*later}) >= len(names) for later in cells[index + 1 :])
        for name in names
    ]


def _parse(source: str) -> ast.Module | None:
    """The cell's syntax tree; None for one with magic commands or mistakes in it."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def _cell_names(tree: ast.Module, fields: set[str]) -> list[str]:
    """The names that a cell annotates or assigns, if it annotates a field: a parameters cell."""
    nodes = [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    names = [node.id for node in nodes if isinstance(node, ast.Name)]
    return [*names, *_assigned(tree)] if fields & set(names) else []


def _assigned(tree: ast.Module) -> list[str]:
    """The names that a cell assigns."""
    targets = [
        target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
    ]
    return [target.id for target in targets if isinstance(target, ast.Name)]


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, where PyYAML keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = []
        for key, _ in node.value:
            if key.value in keys:
                problem = f"{key.value} is given twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            keys.append(key.value)
        return super().construct_mapping(node, deep)


def _yaml_problem(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return f"no readable YAML: {error}"
