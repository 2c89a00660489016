"""`flopslab runs`: a table of all runs below a folder."""

from pathlib import Path
from typing import Annotated

import typer

from flopslab.cli.output import AsJson, print_result
from flopslab.reports.overview import distinct_parameters, find_runs, format_table


def runs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the runs lie.")],
    as_json: AsJson = False,
) -> None:
    """All runs below a folder: frames, state, date, and the parameters that differ."""
    rows = find_runs(folder)
    result = {"runs": [row.as_json for row in rows], "distinct": distinct_parameters(rows)}
    print_result(result, format_table(rows, folder), as_json)
