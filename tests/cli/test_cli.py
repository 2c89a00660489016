"""The command line: results on stdout, errors in three lines, exit codes that scripts can use."""

import json
import subprocess
import sys

import pytest

from flopslab import __version__
from flopslab.cli import COMMANDS


def test_the_module_runs_as_a_program():
    command = [sys.executable, "-m", "flopslab", "--version"]
    process = subprocess.run(command, capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (0, f"{__version__}\n")


def test_help_names_every_command(flopslab):
    code, text, _ = flopslab("--help")
    assert code == 0 and all(command.__name__ in text for command in COMMANDS)


@pytest.mark.parametrize("arguments", [["words"], ["word", "a.txt"], ["words", "a.txt", "--js"]])
def test_wrong_usage_ends_with_2(flopslab, arguments):
    assert flopslab(*arguments)[0] == 2


def test_an_error_is_three_lines_without_a_traceback(flopslab, tmp_path):
    code, out, err = flopslab("words", tmp_path / "missing.txt", "-o", tmp_path / "a.json")
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 3 and "missing.txt" in err


def test_an_error_is_json_where_json_is_expected(flopslab, tmp_path):
    arguments = ["words", tmp_path / "missing.txt", "-o", tmp_path / "a.json", "--json"]
    code, out, err = flopslab(*arguments)
    assert (code, err) == (1, "")
    assert "missing.txt" in json.loads(out)["error"]
