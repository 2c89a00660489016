"""The notebooks: a parameters cell that says what the study says, and errors before any work."""

import ast
import dataclasses
import re
import types
import typing
from pathlib import Path

import models
import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

from flopslab.core.study import Study
from flopslab.experiments.propagation import Experiment
from flopslab.experiments.sweep import CELL

ROOT = Path(__file__).parent.parent
NOTEBOOKS = [p for p in sorted(ROOT.glob("notebooks/*.ipynb")) if not p.name.startswith("out")]
MAIN = ROOT / "notebooks" / "run.ipynb"

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def source(cell: nbformat.NotebookNode) -> str:
    """The cell's Python, without the lines that only IPython understands."""
    return "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))


def plain(annotation: object) -> type:
    """The type that a notebook's reader thinks of: `float | None` is a float, choices are text."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return plain(next(kind for kind in typing.get_args(annotation) if kind is not type(None)))
    if typing.get_origin(annotation) is typing.Annotated:
        return plain(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) is typing.Literal:
        return type(typing.get_args(annotation)[0])
    return annotation


@every_notebook
def test_a_notebook_is_stored_without_outputs(path):
    assert [cell.outputs for cell in code_cells(path) if cell.outputs] == []
    assert {cell.execution_count for cell in code_cells(path)} == {None}


@every_notebook
def test_a_notebook_drives_and_explains_but_defines_nothing(path):
    definitions = ast.FunctionDef | ast.ClassDef | ast.Lambda
    trees = [ast.parse(source(cell)) for cell in code_cells(path)]
    assert [
        node for tree in trees for node in ast.walk(tree) if isinstance(node, definitions)
    ] == []


def test_a_second_run_in_the_same_kernel_takes_nothing_for_a_parameter():
    """Whatever stands in the kernel after the first run is a parameter, hidden, or no literal."""
    nodes = [node for cell in code_cells(MAIN) for node in ast.walk(ast.parse(source(cell)))]
    inner = [node.target for node in nodes if isinstance(node, ast.comprehension)]
    passing = {name for target in inner for name in bound([*ast.walk(target)])}
    public = {name for name in bound(nodes) - passing if not name.startswith("_")}
    assert public - set(Study.model_fields) == {"study", "finished", "pictures"}  # no literals


def bound(nodes: list[ast.AST]) -> set[str]:
    """The names that get a value."""
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


@every_notebook
def test_a_cell_is_short_unless_it_holds_the_parameters(path):
    cells = [c for c in code_cells(path) if "parameters" not in c.metadata.get("tags", [])]
    assert [cell.source for cell in cells if len(cell.source.splitlines()) > 8] == []


@every_notebook
def test_a_notebook_checks_what_it_shows(path):
    assert any("assert " in cell.source for cell in code_cells(path))


def test_the_parameters_cell_has_every_parameter_with_its_type_default_and_meaning():
    inspected = papermill.inspect_notebook(MAIN)
    fields = Study.model_fields
    assert list(inspected) == list(fields)
    for name, parameter in inspected.items():
        assert parameter["inferred_type_name"] == plain(fields[name].annotation).__name__
        assert ast.literal_eval(parameter["default"]) == fields[name].default
        assert len(parameter["help"]) > 10, name


def test_the_parameters_cell_makes_the_default_study():
    cell = next(c for c in code_cells(MAIN) if "parameters" in c.metadata.get("tags", []))
    namespace = {}
    exec(cell.source, namespace)
    assert Study.from_cell(namespace) == Study()


def test_an_unknown_parameter_ends_with_the_right_name_before_any_work(tmp_path):
    names = {"frame_intervall": 4, "output_dir": str(tmp_path / "run")}
    with pytest.raises(PapermillExecutionError, match="use frame_interval instead") as raised:
        papermill.execute_notebook(MAIN, tmp_path / "out.ipynb", names, progress_bar=False)
    assert raised.value.ename == "ParameterError"
    assert not (tmp_path / "run").exists()


def test_the_smallest_run_works_and_the_next_keeps_everything(tmp_path):
    models.save(models.embedded, tmp_path / "model")
    (tmp_path / "words.json").write_text('["<b>$silence</b>"]')
    names = {
        "sequence": str(tmp_path / "words.json"),
        "model": str(tmp_path / "model"),
        "output_dir": str(tmp_path / "run"),
        "passes": 1,
    }
    for number, said in enumerate(["1/1 in", "1/1 kept"]):
        copy = tmp_path / f"out{number}.ipynb"
        papermill.execute_notebook(MAIN, copy, names, progress_bar=False)
        cells = code_cells(copy)
        assert [said in text for text in shown(cells, "text/plain") if "pass 1/1" in text] == [True]
        assert len(shown(cells, "image/png")) == 3  # contact sheet, one position, timing


def shown(cells: list[nbformat.NotebookNode], kind: str) -> list[str]:
    """What the cells show of this MIME type."""
    data = [output.data for cell in cells for output in cell.outputs if "data" in output]
    return [content[kind] for content in data if kind in content]


COMPARE = ROOT / "notebooks" / "compare.ipynb"


def test_the_comparison_has_the_axes_of_a_sweep_and_names_studies_parameters():
    inspected = papermill.inspect_notebook(COMPARE)
    assert list(inspected)[: len(CELL)] == list(CELL)
    assert set(inspected) - set(CELL) <= set(Study.model_fields)
    assert all(len(parameter["help"]) > 10 for parameter in inspected.values())


def test_a_second_comparison_in_the_same_kernel_takes_nothing_for_a_parameter():
    nodes = [node for cell in code_cells(COMPARE) for node in ast.walk(ast.parse(source(cell)))]
    inner = [node.target for node in nodes if isinstance(node, ast.comprehension)]
    passing = {name for target in inner for name in bound([*ast.walk(target)])}
    public = {name for name in bound(nodes) - passing if not name.startswith("_")}
    assert public - set(Study.model_fields) - set(CELL) == {"sweep"}


def test_the_smallest_comparison_leaves_rows_a_page_sheets_and_a_run_for_each(tmp_path):
    models.save(models.embedded, tmp_path / "model")
    models.save_clip(tmp_path / "clip")
    names = {
        "x_axis": "context_diameter",
        "x_values": [2, 4],
        "y_axis": "",
        "probe": str(tmp_path / "clip"),
        "output_dir": str(tmp_path / "compare"),
        "passes": 2,
        "limit": 2,
        "steps": 2,
        "model": str(tmp_path / "model"),
        "method": "blend",  # not in the cell, but a parameter all the same
    }
    papermill.execute_notebook(COMPARE, tmp_path / "out.ipynb", names, progress_bar=False)
    assert len(list((tmp_path / "compare").glob("*/visual-manifest.json"))) == 2
    rows = (tmp_path / "compare" / "rows.csv").read_text().splitlines()
    assert rows[0].startswith("context_diameter,pass,frames,frame_consistency")
    assert len(rows) == 1 + 2 * 2
    page = (tmp_path / "compare" / "compare.md").read_text()
    assert "`method` 'blend'" in page and "\n| 4 | 2 | 2 | " in page
    sheets = {path.name for path in (tmp_path / "compare").glob("*.png")}
    assert sheets == {
        "pass1.png", "pass2.png", "passes.png", "axes1.png", "measures.png",
    }  # fmt: skip
    assert len(shown(code_cells(tmp_path / "out.ipynb"), "image/png")) == 4


PROPAGATION = ROOT / "notebooks" / "propagation.ipynb"
OWN = {field.name for field in dataclasses.fields(Experiment)} - {"study"}


def test_the_experiments_parameters_are_those_of_a_study_and_its_own():
    inspected = papermill.inspect_notebook(PROPAGATION)
    assert set(inspected) <= set(Study.model_fields) | OWN and set(inspected) >= OWN
    assert all(len(parameter["help"]) > 10 for parameter in inspected.values())
    defaults = {field.name: field.default for field in dataclasses.fields(Experiment)}
    for name in OWN:
        assert ast.literal_eval(inspected[name]["default"]) == defaults[name]


def test_a_second_experiment_in_the_same_kernel_takes_nothing_for_a_parameter():
    nodes = [n for cell in code_cells(PROPAGATION) for n in ast.walk(ast.parse(source(cell)))]
    inner = [node.target for node in nodes if isinstance(node, ast.comprehension)]
    passing = {name for target in inner for name in bound([*ast.walk(target)])}
    public = {name for name in bound(nodes) - passing if not name.startswith("_")}
    objects = {"experiment", "study", "reaches", "generator", "measured", "predicted"}
    assert public - set(Study.model_fields) - OWN == objects


def test_the_smallest_experiment_draws_every_figure_and_says_what_it_found(tmp_path):
    models.save(models.embedded, tmp_path / "model")
    models.save_clip(tmp_path / "clip")
    names = {
        "model": str(tmp_path / "model"),
        "probe": str(tmp_path / "clip"),
        "output_dir": str(tmp_path / "run"),
        "passes": 2,
        "limit": 9,
        "context_diameter": 6,  # windows move inward at both ends, and no frame is out of reach
        "changes": 2,
    }
    papermill.execute_notebook(PROPAGATION, tmp_path / "out.ipynb", names, progress_bar=False)
    cells = code_cells(tmp_path / "out.ipynb")
    assert len(shown(cells, "image/png")) == 8
    assert len(list((tmp_path / "run-figures").glob("*.pdf"))) == 8
    said = "".join(output.get("text", "") for cell in cells for output in cell.outputs)
    assert re.search(r"The front stood where it was predicted in 4 of 4 cases\.", said)
