"""The notebooks: a parameters cell that says what the study says, and errors before any work."""

import ast
import dataclasses
import re
import types
import typing
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from papermill.exceptions import PapermillExecutionError

from flopslab.core.study import Study
from flopslab.experiments.propagation import Experiment
from flopslab.experiments.sweep import CELL, Sweep

ROOT = Path(__file__).parent.parent
NOTEBOOKS = [p for p in sorted(ROOT.glob("notebooks/*.ipynb")) if not p.name.startswith("out")]
RUN, COMPARE, PROPAGATION, EXPLORE, FILM = (
    ROOT / "notebooks" / f"{name}.ipynb"
    for name in ("run", "compare", "propagation", "explore", "film")
)
EXPERIMENT = {field.name for field in dataclasses.fields(Experiment)} - {"study"}
LONGEST = 6  # lines of a cell

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def is_parameters(cell: nbformat.NotebookNode) -> bool:
    return "parameters" in cell.metadata.get("tags", [])


def trees(path: Path) -> list[ast.Module]:
    return [ast.parse(cell.source) for cell in code_cells(path)]


def plain(annotation: object) -> type:
    """The type that a notebook's reader thinks of: `float | None` is a float, choices are text."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return plain(next(kind for kind in typing.get_args(annotation) if kind is not type(None)))
    if typing.get_origin(annotation) is typing.Annotated:
        return plain(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) is typing.Literal:
        return type(typing.get_args(annotation)[0])
    return typing.cast(type, annotation)


def kernel(*sources: str) -> dict[str, Any]:
    """What `globals()` holds after these cells."""
    namespace: dict[str, Any] = {"In": ["", *sources]}
    for source in sources:
        exec(source, namespace)
    return namespace


def parameters_cell(path: Path) -> str:
    return next(cell.source for cell in code_cells(path) if is_parameters(cell))


def images(path: Path) -> list[dict[str, str]]:
    """The metadata of every PNG that an executed notebook shows."""
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    pngs = [output for output in outputs if "image/png" in output.get("data", {})]
    return [output.metadata.get("image/png", {}) for output in pngs]


def text_of(path: Path) -> str:
    """All text that an executed notebook shows."""
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    texts = [output.get("text", "") + str(output.get("data", "")) for output in outputs]
    return "\n".join(texts)


@every_notebook
def test_a_notebook_is_stored_without_outputs(path):
    assert [cell.outputs for cell in code_cells(path) if cell.outputs] == []
    assert {cell.execution_count for cell in code_cells(path)} == {None}


@every_notebook
def test_a_notebook_drives_and_explains_but_defines_nothing(path):
    definitions = ast.FunctionDef | ast.ClassDef | ast.Lambda
    nodes = [node for tree in trees(path) for node in ast.walk(tree)]
    assert [node for node in nodes if isinstance(node, definitions)] == []


@every_notebook
def test_a_cell_is_short_unless_it_holds_imports_or_parameters(path):
    cells = [cell.source for cell in code_cells(path)[1:] if not is_parameters(cell)]
    assert [source for source in cells if len(source.splitlines()) > LONGEST] == []


@every_notebook
def test_imports_stand_in_the_first_cell(path):
    imports = ast.Import | ast.ImportFrom
    cells = [any(isinstance(node, imports) for node in tree.body) for tree in trees(path)]
    assert cells[0] and not any(cells[1:])


@every_notebook
def test_a_cell_ends_on_what_it_shows_or_prepares_the_next(path):
    """A cell of several lines ends on a value, a table or a picture; the imports apart."""
    endings = [tree.body[-1] for tree in trees(path)[1:]]
    values = [node for node in endings if isinstance(node, ast.Expr)]
    assert len(endings) - len(values) <= 2  # parameters, and the run of run.ipynb with its bars


@every_notebook
def test_no_cell_takes_the_name_of_a_parameter_for_something_else(path):
    """Else the study cell, run again, would take it for the parameter's value."""
    cells = [cell for cell in code_cells(path) if not is_parameters(cell)]
    names = {name for cell in cells for name in bound_names(ast.parse(cell.source))}
    parameters = {*papermill.inspect_notebook(path)}
    if path in (RUN, COMPARE, PROPAGATION):  # every parameter of a study can be injected
        parameters |= {*Study.model_fields, *CELL, *EXPERIMENT}
    assert names & parameters == set()
    assert [name for name in names if name.startswith("_")] == []


def bound_names(tree: ast.Module) -> set[str]:
    """The names that get a value in the notebook itself, not inside a comprehension."""
    nodes = [*ast.walk(tree)]
    inner = [n for node in nodes if isinstance(node, ast.comprehension) for n in walk(node.target)]
    stores = [n for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return {node.id for node in stores if node not in inner}


def walk(node: ast.AST) -> list[ast.AST]:
    return [*ast.walk(node)]


@every_notebook
def test_a_notebook_checks_what_it_shows(path):
    assert any(isinstance(node, ast.Assert) for tree in trees(path) for node in ast.walk(tree))


def test_the_propagation_notebook_has_about_fifty_lines_of_code():
    cells = [cell for cell in code_cells(PROPAGATION)[1:] if not is_parameters(cell)]
    assert sum(len(cell.source.splitlines()) for cell in cells) <= 65


def test_the_parameters_cell_has_every_parameter_with_its_type_default_and_meaning():
    inspected = papermill.inspect_notebook(RUN)
    fields = Study.model_fields
    assert inspected.keys() == fields.keys()
    for name, parameter in inspected.items():
        kind = plain(fields[name].annotation)
        assert parameter["inferred_type_name"] == kind.__name__
        assert ast.literal_eval(parameter["default"]) == fields[name].default
        assert len(parameter["help"]) > 10, name


def test_the_parameters_cell_makes_the_default_study():
    assert Study.from_cell(kernel(parameters_cell(RUN))) == Study()


OWN_CELLS = ("for i in range(3): pass", 'my_words = ["sea", "fire"]\nmethods = 3')


@pytest.mark.parametrize("own", OWN_CELLS)
@pytest.mark.parametrize(
    ("path", "read"),
    [(RUN, Study.from_cell), (COMPARE, Sweep.from_cell), (PROPAGATION, Experiment.from_cell)],
    ids=["run", "compare", "propagation"],
)
def test_a_users_own_cell_disturbs_no_parameter(path, read, own):
    cell = parameters_cell(path)
    assert read(kernel(own, cell, own)) == read(kernel(cell))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "name", "correct"),
    [
        (RUN, "frame_intervall", "frame_interval"),
        (COMPARE, "x_axs", "x_axis"),
        (PROPAGATION, "control_change", "control_changes"),
        (EXPLORE, "run_dri", "run_dir"),
        (FILM, "transitionn", "transition"),
        (RUN, "kernel", "distance_weights"),
    ],
)
def test_a_misspelt_parameter_ends_with_the_right_name_before_any_work(
    path, name, correct, tmp_path
):
    directory = "run_dir" if path in (EXPLORE, FILM) else "output_dir"
    names = {name: "4", directory: str(tmp_path / "run")}
    with pytest.raises(PapermillExecutionError, match=f"use {correct} instead") as caught:
        papermill.execute_notebook(path, tmp_path / "out.ipynb", names, progress_bar=False)
    assert caught.value.ename == "ParameterError"
    assert not (tmp_path / "run").exists()
    errors = [
        output
        for cell in code_cells(tmp_path / "out.ipynb")
        for output in cell.outputs
        if output.output_type == "error"
    ]
    assert [len(error.traceback) for error in errors] == [3]  # expected, found, to do
    assert "Traceback" not in "".join(errors[0].traceback)
    assert f"to do: use {correct} instead of {name}" in errors[0].traceback[2]


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from painted import PaintedGenerator, write_words
from flopslab.core.study import Study
from flopslab.passes import run

class Interrupted(PaintedGenerator):
    def generate_with_latents(self, requests, strength=1.0):
        if self.calls == 2:
            os.kill(os.getpid(), signal.SIGINT)  # as the button of a notebook does
        return super().generate_with_latents(requests, strength)

words = write_words(Path({words!r}))
study = Study(sequence=words, output_dir={run!r}, passes=2, limit=4, workers=1)
run(study.replace(denoising_strength=0.5), Interrupted())
"""


@pytest.mark.slow
def test_an_interrupt_says_what_is_kept_and_how_to_go_on(tmp_path):
    run, words = str(tmp_path / "run"), str(tmp_path / "words.json")
    source = INTERRUPTED.format(tests=str(ROOT / "tests"), words=words, run=run)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    with pytest.raises(CellExecutionError):
        NotebookClient(notebook, kernel_name="python3").execute()
    (error,) = [out for out in notebook.cells[0].outputs if out.output_type == "error"]
    assert error.ename == "RunInterrupted"
    assert error.traceback == [
        f"Interrupted: 2 of 8 frames are in {run}.",
        "Run it again to go on from there.",
    ]


@pytest.fixture
def model(tmp_path: Path) -> str:
    """The path of a random pipeline in the shape of the embedded one."""
    import models  # loads torch

    models.save(models.embedded, tmp_path / "model")
    return str(tmp_path / "model")


@pytest.fixture
def probe(tmp_path: Path) -> str:
    """The path of a random CLIP."""
    import models  # loads torch

    models.save_clip(tmp_path / "clip")
    return str(tmp_path / "clip")


@pytest.mark.torch
def test_the_smallest_run_works_and_the_next_keeps_everything(tmp_path, model, monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # with it a kernel shows its process's stderr
    (tmp_path / "words.json").write_text('["<b>$silence</b>"]')
    names = {
        "sequence": str(tmp_path / "words.json"),
        "model": model,
        "output_dir": str(tmp_path / "run"),
        "passes": 1,
    }
    for number, line in enumerate(["pass 1: 1 made", "pass 1: 1 kept"]):
        copy = tmp_path / f"out{number}.ipynb"
        papermill.execute_notebook(RUN, copy, names, progress_bar=False)
        assert text_of(copy).count(line) == 2  # the bar's last state, and the result
        alts = [image["alt"] for image in images(copy)]  # contact sheet, one position, timing
        assert len(alts) == 3 and all(alts)


def test_the_comparison_has_the_axes_of_a_sweep_and_names_studies_parameters():
    inspected = papermill.inspect_notebook(COMPARE)
    assert list(inspected)[: len(CELL)] == list(CELL)
    assert set(inspected) - set(CELL) <= set(Study.model_fields)
    assert all(len(parameter["help"]) > 10 for parameter in inspected.values())


def test_a_comparison_has_no_axis_and_no_title_but_those_of_what_is_compared():
    own = '# Parameters\nx_axis = "context_diameter"\nx_values = "2, 6"'
    sweep = Sweep.from_cell(kernel(parameters_cell(COMPARE), own))
    assert dict(sweep.axes) == {"context_diameter": [2, 6]}
    assert sweep.title == "Comparison of context_diameter"
    default = Sweep.from_cell(kernel(parameters_cell(COMPARE)))
    assert dict(default.axes) == {"method": ["latent", "blend", "grid", "ip_adapter"]}


@pytest.mark.torch
def test_the_smallest_comparison_leaves_a_table_a_page_two_figures_and_a_run_for_each(
    tmp_path, model, probe
):
    names = {
        "x_axis": "image_context_multiplier",
        "x_values": [1, 2],
        "probe": probe,
        "output_dir": str(tmp_path / "compare"),
        "limit": 3,
        "frame_interval": 1,
        "steps": 2,
        "model": model,
        "context_diameter": 2,  # not in the cell, but a parameter all the same
        "method": "blend",
        "denoising_strength": 0.5,
    }
    papermill.execute_notebook(COMPARE, tmp_path / "out.ipynb", names, progress_bar=False)
    runs = list((tmp_path / "compare").glob("image_context_multiplier=*/visual-manifest.json"))
    assert len(runs) == 2
    rows = (tmp_path / "compare" / "table.csv").read_text().splitlines()
    assert rows[0].startswith(
        "baseline,image_context_multiplier,sequence,seed,pass,frames,coherence"
    )
    assert len(rows) == 1 + 5 + 2 * 2  # baselines, and two passes of two runs
    page = (tmp_path / "compare" / "compare.md").read_text()
    assert page.startswith("# Comparison of image_context_multiplier\n")
    assert "`method` 'blend'" in page and "\n| shared noise | - | 1 | 1 | " in page
    sheets = {path.name for path in (tmp_path / "compare").glob("*.png")}
    assert sheets == {
        "sheet.png", "responses.png", "pass1.png", "pass2.png", "passes.png", "axes1.png",
    }  # fmt: skip
    assert len(images(tmp_path / "out.ipynb")) == 2


def test_the_experiments_parameters_are_those_of_a_study_and_its_own():
    inspected = papermill.inspect_notebook(PROPAGATION)
    assert set(inspected) <= set(Study.model_fields) | EXPERIMENT
    assert set(inspected) >= EXPERIMENT
    assert all(len(parameter["help"]) > 10 for parameter in inspected.values())
    defaults = {field.name: field.default for field in dataclasses.fields(Experiment)}
    for name in EXPERIMENT:
        assert ast.literal_eval(inspected[name]["default"]) == defaults[name]


@pytest.mark.torch
def test_the_smallest_experiment_draws_every_figure_and_says_what_it_found(tmp_path, model, probe):
    names = {
        "model": model,
        "probe": probe,
        "output_dir": str(tmp_path / "run"),
        "passes": 2,
        "limit": 9,
        "context_diameter": 6,  # windows move inward at both ends, and no frame is out of reach
        "changes": 2,
    }
    papermill.execute_notebook(PROPAGATION, tmp_path / "out.ipynb", names, progress_bar=False)
    assert len(images(tmp_path / "out.ipynb")) == 2
    assert len(list((tmp_path / "run-figures").glob("*.pdf"))) == 4
    text = text_of(tmp_path / "out.ipynb")
    assert re.search(r"The front stood where it was predicted in 4 of 4 cases\.", text)
