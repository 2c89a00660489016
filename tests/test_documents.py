"""What the documents say is so: paths exist, commands are run or checked, the lock is complete."""

import re
import shlex
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import flopslab
from flopslab.core.study import Study
from flopslab.experiments.propagation import Experiment
from flopslab.experiments.sweep import Sweep
from flopslab.words.sequence import parse_sequence

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
CI = (ROOT / ".ci" / "run").read_text()

MADE_BY_RUNS = re.compile(
    r"(\.venv|aside|build|final|out|output|pass\d|frame_|visual-manifest\.json)\b"
)
FILE = re.compile(r"[\w./-]+(\.(ipynb|json|md|png|py|toml|txt|ya?ml)|/)")
MAKERS = {"compare.ipynb": Sweep.from_cell, "propagation.ipynb": Experiment.from_cell}
NOT_RUN = {
    "make lab": "opens a browser",
    "make run": "the notebook as it stands, which `make test` runs",
    "make tiny": "trains for hours",
}


@pytest.fixture(scope="module")
def readme() -> str:
    return README.read_text()


def blocks(text: str, *languages: str) -> list[str]:
    """The contents of a document's fenced blocks in one of these languages."""
    return re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```", text, re.M | re.S)


def commands(text: str) -> list[list[str]]:
    """The words of each command in the shell blocks of a document or in a script."""
    shell = blocks(text, "bash", "sh", "console") or [text]
    lines = "\n".join(shell).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := _words(line.removeprefix("$ ")))]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # a line of a script that goes on in the next one
        return []


def test_every_path_that_the_readme_names_exists(readme):
    linked = re.findall(r"\]\(([^)#]+)", readme)
    quoted = [name for name in re.findall(r"`([^`\n]+)`", readme) if FILE.fullmatch(name)]
    paths = [path for path in linked + quoted if not path.startswith(("http", "/"))]
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert paths
    assert [path for path in missing if not MADE_BY_RUNS.match(path)] == []


def test_every_command_of_the_readme_is_run_or_checked(readme):
    run = [" ".join(words) for words in commands(CI)]
    asked = [" ".join(words) for words in commands(readme) if words[0] != "papermill"]
    assert asked
    assert [line for line in asked if not (_begins(line, NOT_RUN) or line in run)] == []


def _begins(line: str, known: Iterable[str]) -> bool:
    return any(f"{line} ".startswith(f"{start} ") for start in known)


def test_every_make_target_of_the_readme_exists(readme):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {words[1] for words in commands(readme) if words[0] == "make"} <= targets


def test_every_papermill_line_names_a_notebook_and_makes_what_it_runs(readme):
    lines = [words for words in commands(readme) if words[0] == "papermill"]
    assert lines
    for _, notebook, _, *options in lines:
        assert any((folder / notebook).is_file() for folder in (ROOT, ROOT / "notebooks"))
        names = _parameters(options)
        assert MAKERS.get(Path(notebook).name, Study.from_cell)(names)


def _parameters(options: list[str]) -> dict[str, object]:
    """What papermill's `-p NAME VALUE` and `-f FILE` come to."""
    names, rest = {}, iter(options)
    for option in rest:
        assert option in ("-p", "-f")
        if option == "-f":
            names |= yaml.safe_load((ROOT / next(rest)).read_text())
        else:
            names |= {next(rest): yaml.safe_load(next(rest))}
    return names


def test_ci_runs_the_papermill_line_of_the_readme(readme):
    (line,) = [words for words in commands(CI) if words[0] == "papermill"]
    assert line in commands(readme)


def test_the_defaults_in_the_readme_are_those_of_the_study(readme):
    rows = re.findall(r"^\| `(\w+)` \| `?([^`|]*?)`? \|", readme, re.M)
    assert rows
    assert rows == [(name, str(getattr(Study(), name))) for name, _ in rows]


def test_the_sequences_in_the_readme_can_be_read(readme):
    assert [parse_sequence(block.encode(), "README.md") for block in blocks(readme, "json")]


@pytest.mark.torch
def test_the_python_in_the_readme_runs(readme, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for block in blocks(readme, "python"):
        before = set(tmp_path.glob("output/**/visual-manifest.json"))
        exec(block, {})
        assert set(tmp_path.glob("output/**/visual-manifest.json")) - before


def test_the_lock_names_one_version_of_each_package():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    lock = [line for line in lines if not line.startswith("#")]
    assert [line for line in lock if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert len({line.split("==")[0].lower() for line in lock}) == len(lock)


def test_every_dependency_is_locked_at_a_version_that_it_allows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if not line.startswith("#"))
    lock = {canonicalize_name(name): version for name, version in pairs}
    extras = [name for extra in project["optional-dependencies"].values() for name in extra]
    for requirement in map(Requirement, project["dependencies"] + extras):
        if requirement.name == "flopslab":  # an extra that holds another
            continue
        version = lock[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_nothing_brings_torchvision_in():
    named = [ROOT / name for name in ("constraints.txt", "pyproject.toml", "environment.yml")]
    assert [path.name for path in named if "torchvision" in path.read_text()] == []


def test_every_path_and_target_that_the_guide_for_contributors_names_exists():
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    quoted = [name.rstrip(":") for name in re.findall(r"`([^`\n]+)`", guide)]
    paths = [name for name in quoted if FILE.fullmatch(name)]
    rooms = [name for name in paths if (ROOT / "flopslab" / name).exists()]
    assert [name for name in paths if not (ROOT / name).exists() and name not in rooms] == []
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {words[1] for words in commands(guide) if words[0] == "make"} <= targets


def test_the_citation_is_of_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == flopslab.__version__
    assert citation["license"] == project["license"]
