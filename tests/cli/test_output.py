"""Stdout and stderr of any encoding, full, broken or closed, and paths that are no text."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flopslab.cli import main

FULL = Path("/dev/full")  # every write to it fails: no space left on device
BYTES = os.fsdecode(b"caf\xe9")  # a name that is no UTF-8


@pytest.fixture
def directory(paint, tmp_path) -> Path:
    """A run of two frames below a folder whose name is no text."""
    directory = tmp_path / BYTES / "été"
    try:
        directory.parent.mkdir()
    except OSError:
        pytest.skip("the file system takes only text")
    shutil.copytree(paint(limit=1).directory, directory, symlinks=True)
    return directory


def run_main(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


def commands(directory: Path) -> list[tuple[object, ...]]:
    """Each command that prints a path or a word."""
    folder = directory.parents[1]
    return [
        ("verify", directory),
        ("status", directory),
        ("runs", folder),
        ("why", directory, 1, 1, "-p", "prompt_prefix", "été \U0001f600"),
        ("status", folder / BYTES),
        ("notebooks", folder / BYTES / "ñ"),
        ("words", folder / "words.json", "-o", folder / BYTES / "ñ.json"),
        ("plan", "-p", "sequence", folder / "words.json"),
        ("film", directory, "--no-player", "--preset", "ultrafast"),
    ]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_every_command_prints_whatever_the_encoding(directory, encoding, monkeypatch):
    for arguments in commands(directory):
        for options in ((), ("--json",)):
            stdout = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict")
            monkeypatch.setattr(sys, "stdout", stdout)
            assert run_main(*arguments, *options) in (0, 1)
            data = stdout.buffer.getvalue()  # type: ignore[attr-defined]
            if options:
                assert json.loads(data.decode("utf-8"))
            else:
                data.decode(encoding)


def test_a_path_that_is_no_text_is_the_same_in_json(directory, capsys):
    assert run_main("verify", directory, "--json") == 0
    assert json.loads(capsys.readouterr().out)["directory"] == str(directory)


def test_a_run_below_a_folder_that_is_no_text_is_not_called_edited(directory, capsys):
    assert run_main("status", directory) == 0
    assert "pass 1: 1 of 1 frames" in capsys.readouterr().out
    assert run_main("why", directory, 1, 1) == 1  # a study holds paths that are text
    assert "output_dir must be readable text" in capsys.readouterr().err


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [("--help",), ("runs", "."), ("runs", ".", "--json")])
def test_a_result_that_finds_no_room_is_an_error(arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", FULL.open("w"))
    assert run_main(*arguments) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and "No space left" in lines[1]


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
def test_python_does_not_try_it_again_when_it_ends():
    command = [sys.executable, "-m", "flopslab", "--version"]
    environment = {name: os.environ[name] for name in os.environ if name != "PYTHONUNBUFFERED"}
    with FULL.open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 3


def test_a_reader_that_reads_no_further_is_told_nothing(monkeypatch, capsys):
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(sys, "stdout", open(writer, "w"))  # noqa: SIM115 - main uses it
    assert run_main("--help") == 1
    assert capsys.readouterr().err == ""


def test_nothing_takes_the_place_of_closed_streams(tmp_path, monkeypatch, capsys):
    """`print` with no stderr would print on stdout."""
    monkeypatch.setattr(sys, "stderr", None)
    assert run_main("status", tmp_path) == 1
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys, "stdout", None)
    for arguments in (("status", tmp_path), ("status", tmp_path, "--json")):
        assert run_main(*arguments) == 1
