"""The public interface: its names, how little an import loads, and what an installation brings."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import flopslab
from flopslab import passes
from flopslab.core import study

PACKAGE = Path(flopslab.__file__).parent
ROOT = PACKAGE.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]

PYTHON = [sys.executable, "-c"]


def for_type_checkers() -> dict[str, str]:
    """The names that `if TYPE_CHECKING` imports, each with its module."""
    tree = ast.parse(Path(flopslab.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module for node in imports for alias in node.names}


def test_the_list_the_table_and_what_type_checkers_see_agree():
    table = {name: f"flopslab.{module}" for name, module in flopslab._MODULES.items()}
    assert for_type_checkers() == table
    assert set(flopslab.__all__) == set(table)
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("name", flopslab.__all__)
def test_a_public_name_exists_and_is_listed(name):
    assert getattr(flopslab, name) is not None
    assert name in dir(flopslab)


def test_a_public_name_is_that_of_its_module():
    from flopslab import Study, run

    assert Study is study.Study and run is passes.run


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'flopslab' has no attribute 'Studi'"):
        _ = flopslab.Studi


def test_an_import_loads_no_library():
    program = "import sys, json, flopslab; print(json.dumps(list(sys.modules)))"
    run = subprocess.run([*PYTHON, program], capture_output=True, check=True, text=True)
    modules = {name.split(".")[0] for name in json.loads(run.stdout)}
    assert modules & {"numpy", "torch", "IPython", "pydantic", "PIL", "yaml", "tqdm"} == set()
    assert [name for name in json.loads(run.stdout) if name.startswith("flopslab.")] == []


def test_a_name_whose_library_is_not_installed_names_the_extra_that_brings_it():
    program = "import sys; sys.modules['ipywidgets'] = None; from flopslab import Explorer"
    run = subprocess.run([*PYTHON, program], capture_output=True, text=True)
    assert run.stderr.splitlines()[-1] == (
        "ImportError: Explorer needs the package ipywidgets: pip install 'flopslab[lab]'"
    )


# What is installed: `flopslab` renders and stores; [lab] draws, shows and drives notebooks.

LAB_FOLDERS = {"plots", "viewer"}
FILM_FOLDERS = {"film"}
CLUSTER_FOLDERS = {"execution/cluster"}
MODULE_OF = {
    "markdown-it-py": "markdown_it",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
    "webvtt-py": "webvtt",
}
PART_OF = {"pydantic_core": "pydantic"}
INDIRECT = {"accelerate", "jsonschema", "peft"}  # of diffusers for models, LoRAs; of manifests
IN_A_KERNEL = {"IPython"}  # imported only where a notebook's kernel has loaded it already


def modules_of(requirements: list[str]) -> set[str]:
    """The modules of the packages of a list of requirements, our own extras resolved."""
    names = set()
    for requirement in map(Requirement, requirements):
        if requirement.name == "flopslab":
            names |= {name for extra in requirement.extras for name in modules_of(EXTRAS[extra])}
        else:
            package = canonicalize_name(requirement.name)
            names.add(MODULE_OF.get(package, package.replace("-", "_")))
    return names


BASE = modules_of(PROJECT["dependencies"])
FILM = modules_of(EXTRAS["film"])
LAB = modules_of(EXTRAS["lab"])


def libraries(path: Path) -> Iterator[str]:
    """The libraries that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def imported(*folders: str, but: set[str] = frozenset()) -> set[str]:
    """The libraries that the package's folders import; without folders, all `but` some."""
    paths = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")]
    chosen = [path for path in paths if path.parts[0] in folders or not folders]
    chosen = [path for path in chosen if not but & {path.parts[0], path.parent.as_posix()}]
    names = {name for path in chosen for name in libraries(PACKAGE / path)}
    return {PART_OF.get(n, n) for n in names} - set(sys.stdlib_module_names) - {"flopslab"}


def test_rendering_and_storing_need_the_base_dependencies_only():
    assert imported(but=LAB_FOLDERS | FILM_FOLDERS | CLUSTER_FOLDERS) - IN_A_KERNEL <= BASE


def test_figures_and_viewer_need_the_lab_too_and_a_film_its_extra():
    assert imported(*LAB_FOLDERS) - IN_A_KERNEL <= BASE | LAB
    assert imported(*FILM_FOLDERS) <= BASE | FILM


def test_a_cluster_needs_its_extra():
    others = imported(but=CLUSTER_FOLDERS)
    assert imported() - others == modules_of(EXTRAS["cluster"])


def test_every_base_dependency_is_imported():
    assert BASE - INDIRECT - imported(but=LAB_FOLDERS | FILM_FOLDERS | CLUSTER_FOLDERS) == set()


def test_the_lab_holds_the_film_and_the_development_all():
    assert FILM <= LAB <= modules_of(EXTRAS["dev"])


def test_the_package_imports_no_name_from_its_own_face():
    public = "|".join(flopslab._MODULES)
    pattern = re.compile(rf"^\s*from flopslab import .*\b({public})\b", re.M)
    paths = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]
    assert [path.name for path in paths if pattern.search(path.read_text())] == []
