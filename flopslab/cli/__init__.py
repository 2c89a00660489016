"""The command line: `flopslab COMMAND`. Each command is a module of this folder."""

import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from flopslab.cli.calibrate import calibrate
from flopslab.cli.film import film
from flopslab.cli.notebooks import notebooks
from flopslab.cli.output import complete_output, print_error, print_result
from flopslab.cli.plan import plan
from flopslab.cli.runs import runs
from flopslab.cli.status import status
from flopslab.cli.verify import verify
from flopslab.cli.why import join_pairs, why
from flopslab.cli.words import words
from flopslab.errors import FlopslabError, RunError
from flopslab.progress import open_stderr
from flopslab.version import __version__

COMMANDS = (calibrate, film, notebooks, plan, runs, status, verify, why, words)

PAIRED = (["calibrate"], ["plan"], ["why"])  # the commands that take `-p NAME VALUE`

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave the interpreter: exit code 0, 1 for an error, 2 for wrong usage.

    SIGTERM ends it as an error does, so that no half file stays: exit code 143.
    `arguments`: those after the program's name; None: the process's own. An error goes to stderr;
    with `--json` it goes to stdout as {"error": text}.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = join_pairs(arguments) if arguments[:1] in PAIRED else arguments
    with warnings.catch_warnings(), open_stderr(), complete_output():
        warnings.showwarning = _print_warning
        try:
            app(arguments, prog_name="flopslab")
        except FlopslabError as error:
            _print_error(error, "--json" in arguments)
            raise SystemExit(1) from None
        except OSError as error:
            if error.filename is None:  # stdout's
                raise
            hint = "make sure that you may read and write there, then try again"
            reason = RunError(f"access to {error.filename}", error.strerror or str(error), hint)
            _print_error(reason, "--json" in arguments)
            raise SystemExit(1) from None


def _print_version(value: bool) -> None:
    if value:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Words in, a coherent sequence of pictures out."""


def _print_error(error: FlopslabError, as_json: bool) -> None:
    if as_json:
        print_result({"error": str(error)}, "", as_json)
    else:
        print_error(str(error))


def _print_warning(message: Warning | str, *_place: object, **_more: object) -> None:
    print_error(f"warning: {message}")


for command in COMMANDS:
    app.command()(command)
