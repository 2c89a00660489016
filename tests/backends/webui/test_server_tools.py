"""What looks at finished runs works on those of a server too."""

import json
from pathlib import Path

import pytest
from cells import cell
from PIL import Image

from flopslab.viewer.explorer import Explorer

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"


def run_cells(notebook, parameters):
    """The namespace after the notebook's code cells, with these parameters in the place of its."""
    namespace = cell(parameters)
    for part in json.loads((NOTEBOOKS / notebook).read_text(encoding="utf-8"))["cells"]:
        if part["cell_type"] == "code" and "parameters" not in part["metadata"].get("tags", ()):
            exec("".join(part["source"]), namespace)
    return namespace


@pytest.mark.slow
def test_the_comparison_notebook_compares_runs_of_a_server(server, tmp_path):
    parameters = {
        "x_axis": "method",
        "denoising_strength": 0.5,
        "x_values": "grid, blend",
        "probe": "",
        "model": server.url,
        "width": 32,
        "height": 32,
        "passes": 2,
        "limit": 4,
        "output_dir": str(tmp_path / "compare"),
    }
    namespace = run_cells("compare.ipynb", parameters)
    refined = [row for row in namespace["rows"] if not row["baseline"]]
    assert {(row["method"], row["pass"]) for row in refined} == {
        (method, number) for method in ("grid", "blend") for number in (1, 2)
    }
    runs = ["grid", "blend", "words alone", "shared noise", "wider windows", "two other seeds"]
    assert len(server.requests) == 4 * (len(runs) + 1), "the first pass is shared"
    baselines = {row["baseline"] for row in namespace["rows"]} - {""}
    assert baselines == {"words alone", "shared noise", "wider windows", "cross-fade"}
    assert all(path.stat().st_size for path in namespace["paths"])


def test_the_explorer_shows_a_run_of_a_server_and_intervenes_in_it(ask, server, tmp_path):
    run = ask()
    with Image.open(next(run.directory.glob("pass2/*.png"))) as picture:
        assert "Model hash: " in picture.info["parameters"]
    viewer = Explorer(run.directory, follow=False)
    for key in viewer.base.keys:
        viewer.go(key)
        assert viewer.key == key
    viewer.intervention.word.value = "lantern"
    viewer.intervention.button.click()
    viewer.intervention.wait()
    assert viewer.intervention.problem.value == ""
    assert viewer.variant is not None
    viewer.close()
