"""The panel that changes a word: one identity with the library, and what may go wrong."""

import io
import json
import shutil

import numpy as np
import pytest
from painted import PaintedGenerator
from PIL import Image

from flopslab.errors import RunError
from flopslab.experiments.interventions import Replace, intervene, intervention_directory
from flopslab.viewer.explorer import Explorer
from flopslab.viewer.intervention_panel import study_of
from flopslab.viewer.map_image import DIFFERENCE
from flopslab.viewer.snapshot import RunSnapshot


@pytest.fixture
def directory(paint) -> str:
    """Twelve positions, three passes."""
    return str(paint(passes=3).directory)


@pytest.fixture
def generator() -> PaintedGenerator:
    return PaintedGenerator()


@pytest.fixture
def viewer(directory, generator):
    """An explorer that takes in new frames only when it is told to."""
    viewer = Explorer(directory, generator=generator, follow=False)
    yield viewer
    viewer.close()


def change_word(viewer: Explorer, word: str) -> None:
    viewer.intervention.word.value = word
    viewer.intervention.button.click()
    viewer.intervention.wait()


def test_an_intervention_opens_as_the_second_run(viewer):
    viewer.position.value = 6
    change_word(viewer, "volcano")
    assert viewer.intervention.problem.value == ""
    assert "frames are its own" in viewer.intervention.note.value
    assert viewer.map.measure.value == DIFFERENCE
    viewer.catch_up()
    assert 'river</bdi> → <bdi class="variant">volcano</bdi>' in viewer.words.value
    sheet = np.asarray(Image.open(io.BytesIO(viewer.map.map.image)))
    differs = (sheet[..., :3] != sheet[0, 0, :3]).any(axis=2)
    assert differs[0].nonzero()[0].tolist() == [4, 5, 6]  # positions 5 to 7: the window
    assert differs[1].nonzero()[0].tolist() == [*range(2, 9)]  # images reach two further
    assert differs[2].nonzero()[0].tolist() == [*range(0, 11)]


def test_enter_in_the_word_box_starts_it(viewer):
    viewer.intervention.word.value = "volcano"
    viewer.intervention.word._handle_custom_msg({"event": "submit"}, [])
    viewer.intervention.wait()
    assert "frames are its own" in viewer.intervention.note.value


def test_the_library_and_the_panel_make_the_same_intervention_once(
    viewer, generator, study, tmp_path
):
    study = study.replace(passes=3)
    library = intervene(study, Replace(6, "volcano"), generator)
    calls = generator.calls
    viewer.position.value = 6
    change_word(viewer, "volcano")
    assert viewer.variant.directory == library.directory
    assert generator.calls == calls
    (tmp_path / "words.json").rename(tmp_path / "elsewhere.json")
    change = Replace(6, "volcano")
    assert intervention_directory(study_of(viewer.base), change) == library.directory


@pytest.mark.parametrize("word", ["", " ", "\t"])
def test_an_empty_word_is_refused_at_once(viewer, word):
    change_word(viewer, word)
    assert "type the word to put there" in viewer.intervention.note.value
    assert viewer.intervention.problem.value == ""
    assert not viewer.intervention.button.disabled
    assert viewer.variant is None


def test_what_goes_wrong_is_shown_and_opens_no_second_run(viewer):
    change_word(viewer, "silence")  # the word that is there already
    assert "to do:" in viewer.intervention.problem.value
    assert not viewer.intervention.button.disabled
    assert viewer.variant is None


def test_a_viewer_that_is_closed_stops_its_intervention(viewer, generator):
    class Closing(PaintedGenerator):
        def generate(self, requests, strength=1.0):
            viewer.intervention.stop()
            return super().generate(requests, strength)

    viewer.intervention._generator = Closing()
    change_word(viewer, "volcano")
    assert viewer.intervention._generator.calls == 2  # one batch
    assert viewer.intervention.problem.value == ""


def test_the_same_change_can_be_made_in_a_run_that_was_made_anew(viewer, paint):
    change_word(viewer, "volcano")
    shutil.rmtree(viewer.base.directory)
    again = Explorer(paint(method="blend").directory, generator=PaintedGenerator(), follow=False)
    change_word(again, "volcano")
    assert again.intervention.problem.value == ""


def test_an_intervention_needs_a_finished_run(viewer):
    (viewer.base.directory / "visual-manifest.json").unlink()
    with pytest.raises(RunError, match="finished run"):
        study_of(RunSnapshot(viewer.base.directory))


def test_the_study_of_a_run_has_its_words_when_their_file_is_gone(viewer, tmp_path):
    study = study_of(viewer.base)
    assert study.sequence == str(tmp_path / "words.json")
    words = json.loads((tmp_path / "words.json").read_text())
    (tmp_path / "words.json").write_text('["others"]')
    again = study_of(viewer.base)
    assert again.sequence != study.sequence
    assert again.replace(sequence=study.sequence) == study
    entries = json.loads((tmp_path / "run-interventions" / "sequence.json").read_text())
    assert [entry["word"] for entry in entries["sequence"]] == words
