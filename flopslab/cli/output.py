"""What commands share: their options, and how they print.

Stdout may have any encoding, be full or closed, and a path may hold bytes that are no text: what
cannot be printed as it is is escaped, and a result that is lost is an error.
"""

import codecs
import errno
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from flopslab.errors import RunError
from flopslab.progress.outlets import Outlet, Stream

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
    if sys.stdout is not None:  # closed: the exit code tells
        print(to_json(result) if as_json else text)


def print_error(text: str) -> None:
    """Print on stderr, if anybody reads it."""
    Outlet(Stream()).write(f"{text}\n")


def to_json(value: Mapping[str, Any]) -> str:
    """JSON in one line: UTF-8, or ASCII where stdout is not UTF-8 or the text has bytes in it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    encoding = codecs.lookup(getattr(sys.stdout, "encoding", None) or "ascii").name
    try:
        text.encode("utf-8" if encoding == "utf-8" else "ascii")
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False)
    return text


@contextmanager
def complete_output() -> Iterator[None]:
    """While it is entered, stdout takes any text, and all of it must arrive: else exit code 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with _flushed():
            yield
    except OSError as error:
        _discard_stdout()
        if error.errno != errno.EPIPE:  # nobody wants to read on: `| head`
            reason, hint = error.strerror or str(error), "send it where there is room"
            print_error(str(RunError("a result on stdout", reason, hint)))
        raise SystemExit(1) from None


@contextmanager
def _flushed() -> Iterator[None]:
    try:
        yield
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()


def _discard_stdout() -> None:
    """What could not be written would be tried again, in vain, when Python ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
