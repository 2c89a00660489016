"""What the documents say is so: paths exist, commands are run or checked, the lock is complete."""

import re
import runpy
import shlex
import tomllib
from pathlib import Path

import papermill
import pytest
import typer
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import flopslab
from flopslab.core.study import Study
from flopslab.words.sequence import parse_sequence

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/*.md")),
    ROOT / "benchmarks" / "README.md",
]
CI = (ROOT / ".ci" / "run").read_text()

MADE_BY_RUNS = re.compile(
    r"(\.venv|build|film|quarantine|final|out|output|pass\d|frame_|visual-manifest\.json)\b"
)
FILE = re.compile(r"[\w./-]+(\.(ipynb|json|md|png|py|toml|txt|ya?ml)|/)")
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(text: str, *languages: str) -> list[str]:
    """The contents of a document's fenced blocks in one of these languages."""
    return re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```", text, re.M | re.S)


def commands(text: str) -> list[list[str]]:
    """The words of each command of a script."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := _words(line.removeprefix("$ ")))]


def shell(page: Path) -> list[list[str]]:
    """The words of each command in a document's shell blocks."""
    return commands("\n".join(blocks(page.read_text(), "bash", "sh", "console")))


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # a line of a script that goes on in the next one
        return []


@every_page
def test_every_path_that_a_page_names_exists(page):
    text = page.read_text()
    linked = re.findall(r"\]\(([^)#]+)", text)
    quoted = [name for name in re.findall(r"`([^`\n]+)`", text) if FILE.fullmatch(name)]
    paths = [path for path in linked + quoted if not path.startswith(("http", "/"))]
    folders = (ROOT, page.parent, ROOT / "flopslab")
    missing = [path for path in paths if not any((folder / path).exists() for folder in folders)]
    assert [path for path in missing if not MADE_BY_RUNS.match(path)] == []


@every_page
def test_every_command_of_a_page_is_of_a_program_that_is_checked(page):
    programs = {".venv/bin/pre-commit", ".venv/bin/python", "flopslab", "make", "papermill"}
    programs.add("ffmpeg")  # which is not installed: its lines are for those who have it
    assert {words[0] for words in shell(page)} <= programs


@every_page
def test_every_make_target_of_a_page_exists(page):
    assert {words[1] for words in shell(page) if words[0] == "make"} <= TARGETS


@every_page
def test_every_papermill_line_of_a_page_names_a_notebook_and_its_parameters(page):
    for _, notebook, _, *options in (line for line in shell(page) if line[0] == "papermill"):
        (path,) = (p for f in (ROOT, ROOT / "notebooks") if (p := f / notebook).is_file())
        names = _parameters(options)
        assert set(names) <= {*papermill.inspect_notebook(path), *Study.model_fields}
        assert Study(**{name: names[name] for name in names.keys() & Study.model_fields.keys()})


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


@every_page
def test_every_flopslab_line_of_a_page_names_a_command_and_its_options(page):
    for _, name, *arguments in (line for line in shell(page) if line[0] == "flopslab"):
        from flopslab import cli

        commands = typer.main.get_command(cli.app).commands
        assert name in commands
        context = typer.Context(commands[name], info_name=name)
        commands[name].make_parser(context).parse_args(arguments)  # an unknown option is an error


@every_page
def test_every_sequence_of_a_page_can_be_read(page):
    for block in blocks(page.read_text(), "json"):
        assert parse_sequence(block.encode(), page.name)


@pytest.mark.torch
@every_page
def test_the_python_of_a_page_runs_and_leaves_a_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sources = blocks(page.read_text(), "python")
    for source in sources:
        exec(source, {})
    assert any(tmp_path.glob("output/**/visual-manifest.json")) or not sources


def test_ci_runs_the_papermill_line_of_the_readme():
    (line,) = [words for words in commands(CI) if words[0] == "papermill"]
    assert line in shell(README)


def test_the_readme_has_at_most_800_words_and_its_code():
    prose = re.sub(r"^```.*?^```", "", README.read_text(), flags=re.M | re.S)
    assert len(prose.split()) <= 800


def test_the_table_of_parameters_is_that_of_the_study():
    page = runpy.run_path(str(ROOT / "docs" / "make_parameters.py"))["page"]
    assert (ROOT / "docs" / "parameters.md").read_text() == page()


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


def test_the_citation_is_of_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == flopslab.__version__
    assert citation["license"] == project["license"]
