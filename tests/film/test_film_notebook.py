"""The notebook film: its parameters are those of a film, and it runs from top to bottom."""

import ast
from pathlib import Path

import nbformat
import papermill
import pytest

from flopslab.film.settings import FilmSettings

pytestmark = pytest.mark.slow

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "film.ipynb"
OWN = {"run_dir", "sound", "output", "limit"}
SHOWN = {"transition", "preview"}  # what the notebook sets otherwise, to have something to show


def test_its_parameters_are_those_of_a_film_with_their_defaults():
    inspected = papermill.inspect_notebook(NOTEBOOK)
    fields = FilmSettings.model_fields
    assert list(inspected) == [*list(inspected)[: len(OWN)], *fields]
    assert set(inspected) - set(fields) == OWN
    for name in fields.keys() - SHOWN:
        assert ast.literal_eval(inspected[name]["default"]) == fields[name].default, name
    assert all(len(parameter["help"]) > 10 for parameter in inspected.values())


def test_it_makes_a_film_and_a_player_of_a_run(run_dir, tmp_path):
    names = {"run_dir": str(run_dir), "output": str(tmp_path / "a.mp4"), "passes": 1}
    papermill.execute_notebook(NOTEBOOK, tmp_path / "out.ipynb", names, progress_bar=False)
    assert (tmp_path / "a.mp4").exists() and (run_dir / "player.html").exists()
    cells = nbformat.read(tmp_path / "out.ipynb", 4).cells
    shown = [output for cell in cells for output in cell.get("outputs", [])]
    assert any("image/webp" in output.get("data", {}) for output in shown)
