"""The order of the folders: each imports only from those above it, and heavy libraries stay behind
one door."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import flopslab

PACKAGE = Path(flopslab.__file__).parent
ROOT = PACKAGE.parent

# From the top down. Those on one line do not know each other.
ORDER = [
    ["errors", "digests", "colour", "version"],
    ["progress"],
    ["words"],
    ["storage"],
    ["core"],
    ["interop", "commands"],
    ["backends", "runs"],
    ["calibration"],
    ["prediction"],
    ["validation"],
    ["reports", "execution"],
    ["passes"],
    ["film", "analysis"],
    ["experiments"],
    ["plots", "viewer"],
    ["cli"],
]
ABOVE = {
    room: {other for line in ORDER[:level] for other in line}
    for level, line in enumerate(ORDER)
    for room in line
}

HEAVY = {"torch", "diffusers", "transformers", "compel", "accelerate"}
HEAVY_ROOMS = ("backends/diffusers/", "analysis/clip.py")  # loaded inside a function only

MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
LIGHT = [name for name in MODULES if not name.startswith(HEAVY_ROOMS)]


def imports(tree: ast.AST) -> Iterator[str]:
    """The full name of everything that is imported, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names)


def room(name: str) -> str:
    """The folder (or single module) of a path in the package."""
    return name.split("/")[0].removesuffix(".py")


def imported(path: Path) -> list[str]:
    return list(imports(ast.parse(path.read_text(encoding="utf-8"))))


def rooms_of(path: Path) -> set[str]:
    """The rooms of the package that a file imports from."""
    parts = [name.split(".") for name in imported(path) if name.startswith("flopslab.")]
    return {part[1] for part in parts} & {room(module) for module in MODULES}


INNER = [name for name in MODULES if name not in ("__init__.py", "__main__.py")]


@pytest.mark.parametrize("name", INNER)
def test_a_module_imports_only_from_its_own_folder_and_those_above(name):
    assert rooms_of(MODULES[name]) - {room(name)} <= ABOVE[room(name)]


def test_only_the_command_line_imports_the_package_itself():
    """The public face imports everything: a module that imports it would look up."""
    face = {"flopslab", *(f"flopslab.{name}" for name in flopslab.__all__)}
    faces = [name for name in INNER if face & {*imported(MODULES[name])}]
    assert [name for name in faces if room(name) != "cli"] == []


def test_no_circle_of_modules():
    graph = {name: set(modules_of(name)) - {name} for name in INNER}
    while leaves := [name for name, others in graph.items() if not others & graph.keys()]:
        graph = {name: others for name, others in graph.items() if name not in leaves}
    assert graph == {}


def modules_of(name: str) -> Iterator[str]:
    for target in imported(MODULES[name]):
        parts = target.split(".")[1:] if target.startswith("flopslab.") else []
        for end in range(len(parts), 0, -1):
            stem = "/".join(parts[:end])
            if found := {f"{stem}.py", f"{stem}/__init__.py"} & MODULES.keys():
                yield from found
                break


@pytest.mark.parametrize("name", LIGHT)
def test_heavy_libraries_stay_behind_the_door(name):
    assert {target.split(".")[0] for target in imported(MODULES[name])} & HEAVY == set()


def test_a_folder_has_at_most_ten_modules_and_a_module_at_most_300_lines():
    folders = {path.parent for path in MODULES.values()}
    sizes = {path.relative_to(PACKAGE): len(list(path.glob("[!_]*.py"))) for path in folders}
    assert {path: count for path, count in sizes.items() if count > 10} == {}
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_no_import_is_relative():
    assert [n for path in MODULES.values() for n in imported(path) if n.startswith(".")] == []


def test_training_and_benchmarks_are_imported_by_nobody():
    names = {name.split(".")[0] for path in MODULES.values() for name in imported(path)}
    assert names & {"training", "benchmarks"} == set()


AUDIT = """
import json, sys
opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(args[:2]))
for name in sys.argv[1:]:
    __import__(name)
files = [(str(path), mode) for path, mode in opened if not isinstance(path, int)]
roots = [sys.prefix, sys.base_prefix]
print(json.dumps({"modules": list(sys.modules), "files": files, "roots": roots}))
"""


def after_importing(*names: str) -> dict:
    """What a fresh interpreter has loaded and opened after these imports."""
    command = [sys.executable, "-B", "-c", AUDIT, *names]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@pytest.mark.slow
def test_importing_every_light_module_loads_no_heavy_library():
    stems = [name.removesuffix(".py").removesuffix("/__init__") for name in LIGHT]
    names = [f"flopslab.{stem.replace('/', '.')}" for stem in stems if stem != "__init__"]
    assert HEAVY & set(after_importing("flopslab", *names)["modules"]) == set()


def test_importing_flopslab_touches_no_file():
    found = after_importing("flopslab", "flopslab.passes")
    libraries, own = tuple(found["roots"]), str(PACKAGE)
    others = [path for path, _ in found["files"] if not path.startswith(libraries)]
    code = [path for path in others if path.startswith(own) and path.endswith((".py", ".pyc"))]
    assert set(others) - set(code) == set()
    assert [path for path, mode in found["files"] if mode and set(mode) & set("wax+")] == []
