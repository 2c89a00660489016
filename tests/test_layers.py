"""The order of the rooms: each imports only from those above it, and heavy libraries stay behind
one door."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import flopslab

PACKAGE = Path(flopslab.__file__).parent
ORDER = [
    "errors",
    "sequence",
    "windows",
    "prompts",
    "params",
    "kernels",
    "controls",
    "compositing",
    "corrections",
    "refinement",
    "generator",
    "settings",
    "weights",
    "conditioning",
    "adapter",
    "steps",
    "diffusion",
    "planning",
    "latents",
    "recipe",
    "disk",
    "memory",
    "final",
    "manifest",
    "reading",
    "store",
    "progress",
    "checks",
    "passes",
    "inspection",
    "metrics",
    "clip",
    "probe",
    "changes",
    "propagation",
    "waves",
    "mixing",
    "findings",
    "experiment",
    "evaluation",
    "sweep",
    "figures",
    "charts",
    "wavefigures",
    "album",
    "overview",
    "sequence_map",
    "views",
    "panels",
    "particulars",
    "run_map",
    "intervening",
    "export",
    "explorer",
]
LATE = {("generator", "diffusion")}  # inside a function, so that torch is loaded with a model only
HEAVY_ROOMS = {"settings", "weights", "conditioning", "adapter", "steps", "diffusion", "clip"}
HEAVY = {"torch", "diffusers", "transformers", "compel", "accelerate"}
ROOMS = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
LIGHT = [room for room in ROOMS if room not in HEAVY_ROOMS]


def imports(tree: ast.AST, late: bool = False) -> Iterator[tuple[str, bool]]:
    """(full name, is it inside a function) of everything that is imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((name if node.level == 0 else f".{name}", late) for name in names)
        else:
            yield from imports(node, late or isinstance(node, ast.FunctionDef))


def imported(path: Path) -> list[tuple[str, bool]]:
    return list(imports(ast.parse(path.read_text())))


def rooms(path: Path) -> list[tuple[str, bool]]:
    """The rooms of the package among what a file imports."""
    names = [(name.split("."), late) for name, late in imported(path)]
    return [(name[1], late) for name, late in names if name[0] == "flopslab"]


def test_every_module_has_its_place_in_the_order():
    assert sorted(ORDER) == ROOMS


def test_the_readme_names_every_module_in_this_order():
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    section = readme.split("## The package\n")[1].split("```")[0]
    assert re.findall("`(\\w+)`", section) == ORDER


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_those_above_it(room):
    above = ORDER[: ORDER.index(room)]
    below = {(name, late) for name, late in rooms(PACKAGE / f"{room}.py") if name not in above}
    assert {(name, late) for name, late in below if not (late and (room, name) in LATE)} == set()


@pytest.mark.parametrize("room", LIGHT)
def test_heavy_libraries_stay_behind_the_generator(room):
    assert {name.split(".")[0] for name, _ in imported(PACKAGE / f"{room}.py")} & HEAVY == set()


def test_no_import_is_relative():
    found = [name for path in PACKAGE.rglob("*.py") for name, _ in imported(path)]
    assert [name for name in found if name.startswith(".")] == []


def test_the_embedded_model_stands_apart():
    painter = {room for path in PACKAGE.glob("tiny/**/*.py") for room, _ in rooms(path)}
    assert painter <= {"errors", "sequence", "tiny"}
    assert "tiny" not in {room for name in ROOMS for room, _ in rooms(PACKAGE / f"{name}.py")}


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


def test_importing_every_light_room_loads_no_heavy_library():
    names = ["flopslab", *(f"flopslab.{room}" for room in LIGHT)]
    assert HEAVY & set(after_importing(*names)["modules"]) == set()


def test_importing_flopslab_touches_no_file():
    found = after_importing("flopslab", "flopslab.passes")
    libraries, own = tuple(found["roots"]), str(PACKAGE)
    others = [path for path, _ in found["files"] if not path.startswith(libraries)]
    code = [path for path in others if path.startswith(own) and path.endswith((".py", ".pyc"))]
    assert set(others) - set(code) == set()
    assert [path for path, mode in found["files"] if mode and set(mode) & set("wax+")] == []
