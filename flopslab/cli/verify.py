"""`flopslab verify`: whether everything in a run directory is what it claims to be."""

import typer

from flopslab.cli.output import AsJson, RunPath, print_result
from flopslab.reports.verification import verify_run


def verify(run: RunPath, as_json: AsJson = False) -> None:
    """Read every frame, its latents, the links and the manifest; write nothing, take no lock.

    Exit code 0 if all is verified, else 1 with a list of what is not.
    """
    result = verify_run(run)
    print_result(result.as_json, str(result), as_json)
    if result.faults:
        raise typer.Exit(1)
