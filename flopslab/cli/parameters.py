"""The options `-p NAME VALUE` and `-f FILE` of the commands that take a study's parameters."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from flopslab.core.parameters import read_parameters
from flopslab.errors import ParameterError

Pairs = Annotated[
    list[str] | None,
    typer.Option("-p", "--parameter", metavar="NAME VALUE", help="A parameter of the study."),
]
ParameterFile = Annotated[
    Path | None, typer.Option("-f", "--file", help="A YAML file of parameters.")
]


def collect_parameters(pairs: Sequence[str] | None, file: Path | None) -> dict[str, Any]:
    """The parameters by name: those of the file, and over them the pairs `NAME=VALUE`."""
    parameters = read_parameters(file) if file else {}
    parts = (text.partition("=") for text in pairs or [])
    return parameters | {name: _value(name, text) for name, _, text in parts}


def join_pairs(arguments: Sequence[str]) -> list[str]:
    """The arguments with `-p NAME VALUE`, as papermill writes it, as the `-p NAME=VALUE` of typer.

    typer has no option that is repeated and takes two values.
    """
    joined, rest = [], list(arguments)
    while rest:
        joined.append(rest.pop(0))
        if joined[-1] in ("-p", "--parameter") and len(rest) > 1 and "=" not in rest[0]:
            joined.append(f"{rest.pop(0)}={rest.pop(0)}")
    return joined


def _value(name: str, text: str) -> object:
    """A parameter's value, read as in a file of parameters."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        hint = "quote it as in a file of parameters"
        raise ParameterError(f"the value of {name}", text, hint) from None
