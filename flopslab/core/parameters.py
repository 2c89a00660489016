"""Parameters before they are checked: where they come from, and what is wrong with one.

In a notebook they must be told from the other variables in the kernel. A parameter is what the
parameters cell annotates (`passes: int = 3`), or what papermill's injected cell, which begins with
`# Parameters`, sets. A mistyped one is among them and so is noticed; every other variable is the
user's own.
"""

import ast
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from reprlib import repr as shorten
from typing import Any, ClassVar

import yaml

from flopslab.errors import ParameterError
from flopslab.words.cues import Fault
from flopslab.words.files import decode, read_bytes

LARGEST_FILE = 2**16  # bytes; a parameter file has about two thousand, and YAML is read slowly
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
    "embeddings": "textual_inversion",
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
        values = load_yaml(decode(read_bytes(Path(path).expanduser(), LARGEST_FILE)))
    except Fault as fault:
        actual, advice = fault.args
        advice = advice.replace("of a file", "of a YAML file")
        raise ParameterError(expected, actual, advice) from None
    except ValueError as error:
        raise ParameterError(expected, str(error), hint) from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ParameterError(expected, f"no mapping of names, but {abbreviate(values)}", hint)
    return values


def load_yaml(text: str) -> Any:
    """The value of a YAML text, read as `_Loader` says. ValueError that names the place."""
    try:
        return yaml.load(text, _Loader)
    except Exception as error:  # constructors of YAML's own types fail in many ways
        raise ValueError(_yaml_problem(error)) from None


def describe_problem(
    error: Mapping[str, Any], parameters: Mapping[str, Any], schemas: Mapping[str, Any]
) -> tuple[str, str]:
    """(what was there, what to do) for one of pydantic's errors, in plain words.

    `schemas`: the JSON Schema of each parameter, by name.
    """
    name = error["loc"][0]
    value = parameters[name]
    actual = f"{name} = {abbreviate(value)}"
    if error["type"] == "extra_forbidden":
        return f"{actual}, which is not a parameter", _correction(name, list(schemas))
    return (
        actual,
        f"{name} must be {_allowed(schemas[name])}{_spelling(name, value, schemas[name])}",
    )


def abbreviate(value: object) -> str:
    """The value as Python writes it, cut to a few dozen characters."""
    try:
        return shorten(value)
    except Exception:  # a number of thousands of digits, or an object that cannot be written
        return f"a {type(value).__name__} that cannot be written"


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


def _spelling(name: str, value: object, schema: Mapping[str, Any]) -> str:
    """How to write a text that is read as a number, or a list that is read as text."""
    if "enum" in schema:
        return ""
    kinds = {choice.get("type") for choice in schema.get("anyOf", [schema])}
    if isinstance(value, bool | int | float | None) and "string" in kinds and len(kinds) == 1:
        return f" (text: in quotes, or with papermill's -r {name} {abbreviate(value)})"
    if isinstance(value, str) and "array" in kinds and value.lstrip().startswith("["):
        return f" (a list: without quotes, or with papermill's -y '{name}: {value}' or -f FILE)"
    return ""


def _allowed(schema: dict[str, Any]) -> str:
    """What a JSON Schema allows, in words."""
    if "anyOf" in schema:
        return " or ".join(_allowed(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if schema["type"] == "array":
        most = f", and at most {schema['maxItems']} of them" if "maxItems" in schema else ""
        return f"a list of one or more, each {_allowed(schema['items'])}{most}"
    if schema["type"] == "object":
        return "a mapping of names to values"
    kinds = {"integer": "a whole number", "number": "a number", "null": "none"}
    limits = {
        "minLength": "that is not empty",
        "exclusiveMinimum": "above {}",
        "minimum": "of at least {}",
        "maximum": "and at most {}",
        "multipleOf": "and a multiple of {}",
        "maxLength": "of at most {} characters",
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
    """YAML as people mean it, and as papermill's -p reads it.

    A key given twice is refused, where PyYAML keeps the last; so are aliases, whose small text can
    stand for billions of values, and tags. `010` is ten, `1e5` a number, `12:30` and `2026-11-25`
    and `no` are text.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # not those of YAML 1.1  # pyright: ignore[reportIncompatibleVariableOverride]

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) not in (None, "!"):
            problem = "aliases and tags are not read"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = []
        for key, _ in node.value:
            if key.value in keys:
                problem = f"{key.value} is given twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            keys.append(key.value)
        return super().construct_mapping(node, deep)


def _add_resolvers() -> None:
    """What a bare value can be besides text: the core schema of YAML 1.2, with decimals alone."""
    patterns = {
        "null": r"~|null|Null|NULL|None|",
        "bool": r"true|True|TRUE|false|False|FALSE",
        "int": r"[-+]?[0-9][0-9_]*",
        "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
    }
    for kind, pattern in patterns.items():
        tag = f"tag:yaml.org,2002:{kind}"
        _Loader.add_implicit_resolver(tag, re.compile(rf"(?:{pattern})$"), None)
    _Loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))


_add_resolvers()


def _yaml_problem(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return f"no readable YAML: {error}"
