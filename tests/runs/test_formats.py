"""Runs as every record format wrote them: today's is read, an older or newer one is refused.

`formats/N` holds a run of two frames in two passes, made by the last version that wrote format N
(words silence, fire; context_diameter 0; grid). Whoever raises FORMAT makes one more there.
"""

import json
import shutil
from pathlib import Path

import pytest
from painted import PaintedGenerator, files, write_words

from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.reports.overview import find_runs
from flopslab.reports.state import run_state
from flopslab.reports.verification import verify_run
from flopslab.runs.provenance import FORMAT
from flopslab.runs.reader import finished_run, open_run

FORMATS = Path(__file__).parent / "formats"
OLD = [path.name for path in sorted(FORMATS.iterdir()) if path.name != str(FORMAT)]


@pytest.fixture
def old(request, tmp_path) -> Path:
    shutil.copytree(FORMATS / request.param, tmp_path / "old", symlinks=True)
    return tmp_path / "old"


@pytest.mark.parametrize("old", OLD, indirect=True)
def test_a_run_of_another_format_is_refused_with_both_versions_and_the_cost(old, paint, tmp_path):
    number, generator, before = finished_format(old), PaintedGenerator(), files(old)
    words = write_words(tmp_path / "words.json", ["silence", "fire"])
    with pytest.raises(RunError) as caught:
        paint(generator, sequence=words, context_diameter=0, output_dir=str(old))
    assert f"record format {number}" in caught.value.actual
    assert f"reads {FORMAT}" in caught.value.actual
    assert "all 4 frames" in caught.value.hint and "output_dir" in caught.value.hint
    assert {name: entry for name, entry in files(old).items() if name != ".lock"} == before
    assert generator.calls == 0


@pytest.mark.parametrize("old", OLD, indirect=True)
def test_no_reader_takes_a_run_of_another_format_for_empty_or_damaged(old, tmp_path):
    message = f"record format {finished_format(old)}; .*reads {FORMAT}"
    for read in (finished_run, run_state, lambda path: open_run(path).image(FrameKey(1, 1))):
        with pytest.raises(RunError, match=message):
            read(old)
    assert all("record format" in fault.problem for fault in verify_run(old).faults)
    assert [row.state for row in find_runs(tmp_path)] == ["other format"]


@pytest.mark.parametrize("name", ["1", "2", "3", "4"])
def test_a_run_of_every_format_is_at_hand(name):
    assert finished_format(FORMATS / name) == int(name)
    assert len(list((FORMATS / name).glob("pass*/frame_*.png"))) == 4


def test_the_pictures_of_the_present_format_are_read():
    run = open_run(FORMATS / str(FORMAT))
    assert [run.frame(key)[1].frame_key for key in run.frames] == list(run.frames)


def finished_format(directory: Path) -> int:
    """The record format that a manifest names."""
    return json.loads((directory / "visual-manifest.json").read_bytes())["flopslab"]
