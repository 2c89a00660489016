"""The explorer without a browser: set a control, read what is shown."""

import io
import shutil
import time

import numpy as np
import pytest
from painted import PaintedGenerator, write_words
from PIL import Image

from flopslab.errors import RunError
from flopslab.viewer.explorer import Explorer
from flopslab.viewer.intervention_panel import study_of
from flopslab.viewer.overview import DIFFERENCE
from flopslab.viewer.panels import EMPTY, difference
from flopslab.viewer.snapshot import Album


@pytest.fixture
def directory(paint) -> str:
    """Twelve positions, three passes."""
    return str(paint(passes=3).directory)


@pytest.fixture
def viewer(directory):
    """An explorer that takes in new frames only when it is told to."""
    shown = Explorer(directory, generator=PaintedGenerator(), follow=False)
    yield shown
    shown.close()


def test_a_slider_swaps_the_picture_and_the_words(viewer):
    before, image = viewer.words.value, viewer.panels["base", 3].image.value
    viewer.position.value = 7
    assert viewer.panels["base", 3].image.value == viewer.album.file((3, 7)) != image
    assert viewer.words.value != before
    assert 'class="centre" title="position 7">light<' in viewer.words.value


def test_the_pass_slider_shows_another_pass_with_its_recipe(viewer):
    viewer.number.value = 1
    (panel,) = viewer.panels.children
    assert panel.image.value == viewer.album.file((1, 1))
    assert viewer.album.recipe((1, 1)).digest in viewer.particulars.recipe.value
    assert "words alone" in viewer.particulars.strip.value
    assert viewer.particulars.start.layout.display == "none"


def test_all_passes_stand_side_by_side(viewer):
    viewer.all_passes.value = True
    shown = [panel.image.value for panel in viewer.panels.children]
    assert shown == [viewer.album.file((number, 1)) for number in (1, 2, 3)]


class Remembering(PaintedGenerator):
    """Keeps what each frame was started from, by its seed."""

    def __init__(self) -> None:
        super().__init__()
        self.inits = {}

    def generate(self, requests, strength=1.0):
        self.inits |= {request.seed: request.context.init for request in requests}
        return super().generate(requests, strength)


@pytest.mark.parametrize("method", ["grid", "blend", "ip_adapter"])
@pytest.mark.parametrize("more", [{}, {"colour_anchor": 0.5}, {"control": "shuffled"}])
def test_what_a_picture_started_from_is_composed_again(paint, method, more):
    generator = Remembering()
    viewer = Explorer(paint(generator, method=method, **more).directory, follow=False)
    viewer.go((2, 6))
    was = generator.inits[viewer.album.recipe((2, 6)).pixels["seed"]]
    assert picture(viewer.particulars.start.image.value).tobytes() == was.tobytes()
    assert viewer.particulars.start.layout.display is None
    assert viewer.particulars.strip.value.count("<figure") == 5


def test_a_mean_of_latents_is_no_picture_to_show(paint):
    viewer = Explorer(paint(method="latent").directory, follow=False)
    viewer.go((2, 6))
    assert viewer.particulars.start.layout.display == "none"
    assert "latent space" in viewer.particulars.title.value
    assert viewer.particulars.strip.value.count("<figure") == 5


def test_a_click_on_the_map_chooses_position_and_pass(viewer):
    viewer.catch_up()
    viewer.map.map.row, viewer.map.map.column = 1, 8
    assert (viewer.number.value, viewer.position.value) == (2, 9)
    assert viewer.map.map.marks == [[0, 6, 10]]


def test_the_map_follows_the_sliders(viewer):
    viewer.go((2, 4))
    assert (viewer.map.map.row, viewer.map.map.column) == (1, 3)


def test_the_map_shows_thumbnails_or_a_measure(viewer):
    viewer.catch_up()
    sheet = picture(viewer.map.map.image)
    assert sheet.size == (12 * 32, 3 * 32)
    assert viewer.map.map.columns[4] == "position 5 · stone"
    viewer.map.measure.value = "contrast"
    viewer.catch_up()
    assert picture(viewer.map.map.image).size == (12, 3)
    assert "flopslab-legend" in viewer.map.legend.value


def test_two_runs_stand_side_by_side_with_their_difference(viewer, paint, tmp_path):
    other = paint(passes=3, seed=1, output_dir=str(tmp_path / "other")).directory
    viewer.compare(other, follow=False)
    base, changed, between = (panel.image.value for panel in viewer.panels.children)
    assert (base, changed) == (viewer.album.file((3, 1)), Album(other).file((3, 1)))
    assert picture(between).size == (12, 8)
    assert "difference 0." in viewer.panels["difference", 3].caption.value
    viewer.compare(None, follow=False)
    assert len(viewer.panels.children) == 1


def test_equal_pictures_have_no_difference(viewer, directory):
    viewer.compare(directory, follow=False)
    assert "the same pixels" in viewer.panels["difference", 3].caption.value
    one = viewer.album.image(1, 1)
    assert len(np.unique(np.asarray(difference(one, one)).reshape(-1, 3), axis=0)) == 1


def test_a_run_that_is_made_is_taken_in(paint, study):
    paint(limit=4)
    viewer = Explorer(study.output_dir, follow=False)
    viewer.catch_up()
    paint(limit=6)
    viewer.catch_up()
    assert viewer.position.max == 6
    assert len(viewer.map.map.columns) == 6
    assert "12 frames" in viewer.heading.value


def test_the_end_of_a_run_is_noticed_though_no_frame_comes(paint, study):
    manifest = paint().manifest
    kept = manifest.read_bytes()
    manifest.unlink()
    viewer = Explorer(study.output_dir, follow=False)
    viewer.catch_up()
    assert "being made" in viewer.heading.value
    manifest.write_bytes(kept)
    viewer.catch_up()
    assert "complete" in viewer.heading.value


def test_following_ends_when_the_run_is_complete(directory):
    viewer = Explorer(directory)
    followed_to_the_end(viewer)
    assert picture(viewer.map.map.image).mode == "RGB"  # nothing is transparent: all are there


def followed_to_the_end(viewer):
    end = time.monotonic() + 60
    while viewer._thread:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_who_asks_while_following_ends_is_not_forgotten(directory):
    class Asked(Explorer):
        looks, again = 0, True

        def catch_up(self, seconds):
            self.looks += 1
            return super().catch_up(seconds)

        def _ends(self):
            if self.again:
                self.again = False
                self.follow()
            return super()._ends()

    viewer = Asked(directory, follow=False)
    viewer.follow()
    followed_to_the_end(viewer)
    assert viewer.looks == 2
    viewer.follow()
    followed_to_the_end(viewer)
    assert viewer.looks == 3


def test_what_is_not_there_or_damaged_is_said(viewer, directory):
    viewer.album.directory.joinpath("pass3/frame_000002.png").unlink()
    viewer.album.directory.joinpath("pass3/frame_000003.png").write_bytes(b"damaged")
    viewer.catch_up()
    viewer.position.value = 2
    assert viewer.panels["base", 3].image.value == EMPTY
    assert "no frame at position 2 yet" in viewer.words.value
    viewer.position.value = 3
    assert "damaged" in viewer.panels["base", 3].caption.value
    assert "set aside and made again" in viewer.problem.value
    viewer.position.value = 4
    assert viewer.problem.value == ""


def test_without_a_run_there_is_nothing_to_explore(tmp_path):
    with pytest.raises(RunError, match="no frames"):
        Explorer(tmp_path / "nowhere")


@pytest.mark.parametrize("word", ["<script>alert(1)</script>", "سماء", "🌊"])
def test_any_word_can_be_shown(paint, tmp_path, word):
    sequence = write_words(tmp_path / "any.json", [word, "sea", word])
    viewer = Explorer(paint(sequence=sequence).directory, follow=False)
    assert "<script>" not in viewer.words.value + viewer.particulars.facts.value
    assert viewer.words.value.count("</bdi>") == 3


def test_a_step_is_quick(viewer):
    viewer.catch_up()
    viewer.all_passes.value = True
    seconds = []
    for position in [*range(1, 13)] * 2:
        began = time.thread_time()
        viewer.position.value = position
        seconds.append(time.thread_time() - began)
    assert sorted(seconds)[len(seconds) // 2] < 0.1


def test_an_intervention_is_started_and_opens_as_the_second_run(viewer):
    viewer.position.value = 6
    viewer.changer.word.value = "volcano"
    viewer.changer.button.click()
    viewer.changer.wait()
    assert viewer.changer.problem.value == ""
    assert "frames are its own" in viewer.changer.said.value
    assert viewer.map.measure.value == DIFFERENCE
    viewer.catch_up()
    assert 'river</bdi> → <bdi class="changed">volcano</bdi>' in viewer.words.value
    sheet = np.asarray(picture(viewer.map.map.image))
    changed = (sheet[..., :3] != sheet[0, 0, :3]).any(axis=2)
    assert changed[0].nonzero()[0].tolist() == [4, 5, 6]  # positions 5 to 7: the window
    assert changed[1].nonzero()[0].tolist() == [*range(2, 9)]  # images reach two further
    assert changed[2].nonzero()[0].tolist() == [*range(0, 11)]


def test_what_goes_wrong_with_an_intervention_is_shown(viewer):
    viewer.changer.word.value = "silence"  # the word that is there already
    viewer.changer.button.click()
    viewer.changer.wait()
    assert "to do:" in viewer.changer.problem.value
    assert not viewer.changer.button.disabled
    viewer.changer.word.value = " "
    viewer.changer.button.click()
    viewer.changer.wait()
    assert viewer.changer.problem.value


def test_the_same_change_can_be_made_in_a_run_that_was_made_anew(viewer, paint):
    viewer.changer.word.value = "volcano"
    viewer.changer.button.click()
    viewer.changer.wait()
    shutil.rmtree(viewer.album.directory)
    again = Explorer(paint(method="blend").directory, generator=PaintedGenerator(), follow=False)
    again.changer.word.value = "volcano"
    again.changer.button.click()
    again.changer.wait()
    assert again.changer.problem.value == ""


def test_an_intervention_needs_a_finished_run(viewer):
    (viewer.album.directory / "visual-manifest.json").unlink()
    with pytest.raises(RunError, match="finished run"):
        study_of(Album(viewer.album.directory))


def test_the_study_of_a_run_has_its_words_when_their_file_is_gone(viewer, tmp_path):
    made = study_of(viewer.album)
    assert made.sequence == str(tmp_path / "words.json")
    (tmp_path / "words.json").write_text('["others"]')
    again = study_of(viewer.album)
    assert again.sequence != made.sequence
    assert again.model_copy(update={"sequence": made.sequence}) == made


def picture(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))
