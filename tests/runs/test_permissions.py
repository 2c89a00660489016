"""Folders and files of another user: named as such, never taken for empty, damaged or absent."""

import multiprocessing
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flopslab.cli import main
from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.reports.explanation import explain_frame
from flopslab.reports.overview import find_runs
from flopslab.reports.state import run_state
from flopslab.reports.verification import verify_run
from flopslab.runs.reader import common_parameters, finished_run, open_run

NOBODY = 65534

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "getuid"), reason="a system without permissions"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


@pytest.fixture
def folder(paint) -> Iterator[Path]:
    """A folder that everybody may list, with the run `mine` and a copy of it, `theirs`."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        run = paint(limit=2).directory
        for copy in ("mine", "theirs", "closed/deep"):
            shutil.copytree(run, Path(name) / copy, symlinks=True)
        yield Path(name)
        for path in ("theirs", "theirs/pass1", "theirs/final", "closed"):
            (Path(name) / path).chmod(0o755)


def ask(function: Callable, *arguments: object) -> Any:
    """The result for a user whom permissions hold back, as they do not root."""
    if os.getuid():
        return function(*arguments)
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, context, initializer=os.setuid, initargs=(NOBODY,)) as pool:
        return pool.submit(function, *arguments).result()


def outcomes(directory: Path) -> dict[str, str]:
    """What every reader says of a run."""
    readers = (open_run, common_parameters, explain, finished_run, run_state, verify_run)
    return {reader.__name__: outcome(reader, directory) for reader in readers}


def outcome(reader: Callable[[Path], object], directory: Path) -> str:
    try:
        return str(reader(directory))
    except RunError as error:
        return error.actual


def explain(directory: Path) -> object:
    return explain_frame(directory, FrameKey(2, 1))


def table(folder: Path) -> tuple[dict[str, str], list[str]]:
    """(the state of each run below a folder, warnings)."""
    with warnings.catch_warnings(record=True, action="always") as notes:
        rows = find_runs(folder)
    return {row.directory.name: row.state for row in rows}, [str(note.message) for note in notes]


@pytest.mark.parametrize(
    ("path", "readable"),
    [
        ("theirs", []),
        ("theirs/pass1", []),
        ("theirs/final", ["open_run", "common_parameters", "explain"]),
        ("theirs/visual-manifest.json", ["open_run", "common_parameters"]),
        ("theirs/pass2/frame_000001.png", ["open_run", "common_parameters"]),
    ],
)
def test_what_may_not_be_read_is_said_to_be_so(folder, path, readable):
    (folder / path).chmod(0)
    told = ask(outcomes, folder / "theirs")
    refused = {name for name, text in told.items() if "Permission denied" in text}
    assert refused == told.keys() - readable


def test_runs_that_may_not_be_read_are_in_the_table_or_in_a_warning(folder):
    (folder / "closed").chmod(0)
    (folder / "theirs" / "pass1").chmod(0)
    states, (warning,) = ask(table, folder)
    assert states == {"mine": "complete", "theirs": "unreadable"}
    assert f"{folder / 'closed'} (Permission denied)" in warning


def test_a_folder_that_may_not_be_entered_is_an_error_in_three_lines(folder, capfd):
    (folder / "closed").chmod(0)
    for arguments in (["status"], ["verify"], ["notebooks"]):
        assert ask(run_main, [*arguments, str(folder / "closed" / "deep")]) == 1
        lines = capfd.readouterr().err.splitlines()
        assert len(lines) == 3 and "Permission denied" in lines[1]


def run_main(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)
