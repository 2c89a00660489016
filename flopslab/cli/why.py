"""`flopslab why`: why a frame would be made again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from flopslab.cli.output import AsJson, ParameterFile, ParameterPairs, RunPath, print_result
from flopslab.core.parameters import load_yaml, read_parameters
from flopslab.core.windows import FrameKey
from flopslab.errors import ParameterError
from flopslab.reports.explanation import explain_frame


def why(
    run: RunPath,
    pass_number: Annotated[int, typer.Argument(metavar="PASS", min=1)],
    position: Annotated[int, typer.Argument(metavar="POSITION", min=1)],
    parameter: ParameterPairs = None,
    file: ParameterFile = None,
    as_json: AsJson = False,
) -> None:
    """The field that differs, the input frame that changed, or the damage; no model is loaded."""
    parameters = read_options(parameter, file)
    explanation = explain_frame(run, FrameKey(pass_number, position), parameters)
    print_result(explanation.as_json, str(explanation), as_json)


def read_options(pairs: Sequence[str] | None, file: Path | None) -> dict[str, object]:
    """The parameters of a file and of `-p` options, NAME=VALUE, which come first."""
    parameters = read_parameters(file) if file else {}
    split = (text.partition("=") for text in pairs or [])
    return parameters | {name: _value(name, text) for name, _, text in split}


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
        return load_yaml(text)
    except ValueError as error:
        hint = "quote it as in a file of parameters"
        raise ParameterError(f"the value of {name}", f"{text} ({error})", hint) from None
