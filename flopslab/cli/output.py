"""What commands share: their options, and how a result is printed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run.")]
ParameterPairs = Annotated[
    list[str] | None,
    typer.Option("-p", "--parameter", metavar="NAME VALUE", help="A parameter of the study."),
]
ParameterFile = Annotated[
    Path | None, typer.Option("-f", "--file", help="A YAML file of parameters.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def print_result(result: Mapping[str, Any], text: str, as_json: bool) -> None:
    """Print `result` as one JSON object on stdout, or `text` for a reader."""
    print(json.dumps(result, ensure_ascii=False, allow_nan=False) if as_json else text)
