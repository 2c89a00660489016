"""The notebook that makes a sequence: its parameters, its figure, and any file of words."""

import ast
from pathlib import Path

import nbformat
import papermill
import pytest
from cells import cell
from papermill.exceptions import PapermillExecutionError

from flopslab.analysis.sequences import SequenceRequest
from flopslab.errors import ParameterError
from flopslab.words.sequence import read_sequence

pytestmark = pytest.mark.slow

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "words.ipynb"


def test_the_parameters_are_those_of_a_request_with_its_defaults():
    inspected = papermill.inspect_notebook(NOTEBOOK)
    namespace = {name: ast.literal_eval(p["default"]) for name, p in inspected.items()}
    assert SequenceRequest.from_cell(cell(namespace), "output") == SequenceRequest()
    assert all(len(parameter["help"]) > 10 for parameter in inspected.values())


def test_subtitles_become_a_file_and_a_figure(tmp_path):
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nold sea\n")
    names = {"source": str(tmp_path / "a.srt"), "output": str(tmp_path / "b" / "a.json")}
    copy = tmp_path / "out.ipynb"
    papermill.execute_notebook(NOTEBOOK, copy, names | {"unit": "word"}, progress_bar=False)
    assert [word.text for word in read_sequence(names["output"])] == ["old", "sea"]
    outputs = [out for cell in nbformat.read(copy, 4).cells for out in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1


def test_an_unknown_parameter_ends_before_any_work(tmp_path):
    names = {"sorce": "a.srt", "output": str(tmp_path / "a.json")}
    with pytest.raises(PapermillExecutionError, match="use source instead"):
        papermill.execute_notebook(NOTEBOOK, tmp_path / "o.ipynb", names, progress_bar=False)
    assert not (tmp_path / "a.json").exists()


def test_a_request_takes_what_papermill_hands_over():
    injected = {"gap_ms": 500, "source": "a.srt", "PAPERMILL_OUTPUT_PATH": "out.ipynb"}
    assert SequenceRequest.from_cell(cell(injected)) == SequenceRequest(source="a.srt")


@pytest.mark.parametrize("mistake", [{"offset_ms": "7"}, {"order": "best"}, {"gap_ms": "soon"}])
def test_a_value_of_the_wrong_kind_is_an_error_with_its_name(mistake):
    with pytest.raises(ParameterError, match=next(iter(mistake))):
        SequenceRequest(**mistake)
