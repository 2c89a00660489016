"""The notebook that runs a study, with a server in the place of the embedded model."""

from pathlib import Path

import papermill
import pytest
from jsonschema import validate

from flopslab.runs.manifest import schema
from flopslab.runs.reader import open_run
from flopslab.viewer.export import export_html

RUN = Path(__file__).parents[3] / "notebooks" / "run.ipynb"


@pytest.mark.slow
def test_the_notebook_leaves_the_whole_tree_and_the_explorer_shows_it(
    server, tmp_path, monkeypatch
):
    server.credentials = "ada:secret"
    monkeypatch.setenv("FLOPSLAB_SERVER_USER", "ada")
    monkeypatch.setenv("FLOPSLAB_SERVER_PASSWORD", "secret")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # for the kernel's calibrations
    parameters = {
        "model": server.url,
        "passes": 3,
        "limit": 12,
        "method": "grid",
        "denoising_strength": 0.5,
        "width": 32,
        "height": 32,
        "output_dir": str(tmp_path / "run"),
    }
    papermill.execute_notebook(RUN, tmp_path / "out.ipynb", parameters, progress_bar=False)
    run = open_run(tmp_path / "run")
    validate(run.manifest, schema())
    names = [frame["image_file"] for frame in run.manifest["frames"]]
    for directory in ("pass1", "pass2", "pass3", "final"):
        files = sorted((run.directory / directory).glob("frame_*.png"))
        assert [path.name for path in files] == names
    assert len(server.requests) == 36, "no calibration is measured for a forecast"
    assert b"secret" not in (tmp_path / "out.ipynb").read_bytes()
    page = export_html(run.directory, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "tokens not counted" in page
