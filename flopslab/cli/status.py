"""`flopslab status`: how far a run has come."""

from flopslab.cli.output import AsJson, RunPath, print_result
from flopslab.reports.state import run_state


def status(run: RunPath, as_json: AsJson = False) -> None:
    """Frames per pass; complete, running, interrupted or damaged; the time left."""
    state = run_state(run)
    print_result(state.as_json, str(state), as_json)
