"""`flopslab why`: why a frame would be made again."""

from typing import Annotated

import typer

from flopslab.cli.output import AsJson, RunPath, print_result
from flopslab.cli.parameters import Pairs, ParameterFile, collect_parameters
from flopslab.core.windows import FrameKey
from flopslab.reports.explanation import explain_frame


def why(
    run: RunPath,
    pass_number: Annotated[int, typer.Argument(metavar="PASS", min=1)],
    position: Annotated[int, typer.Argument(metavar="POSITION", min=1)],
    parameter: Pairs = None,
    file: ParameterFile = None,
    as_json: AsJson = False,
) -> None:
    """The field that differs, the input frame that changed, or the damage; no model is loaded."""
    parameters = collect_parameters(parameter, file)
    explanation = explain_frame(run, FrameKey(pass_number, position), parameters)
    print_result(explanation.as_json, str(explanation), as_json)
