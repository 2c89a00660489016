"""The explorer without a browser: set a control, read what is shown."""

import io
import json
import time

import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances
from painted import WORDS, PaintedGenerator, write_words
from PIL import Image

from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.viewer.explorer import Explorer
from flopslab.viewer.images import EMPTY
from flopslab.viewer.run_map import SequenceMap
from flopslab.viewer.snapshot import RunSnapshot


@pytest.fixture
def directory(paint) -> str:
    """Twelve positions, three passes."""
    return str(paint(passes=3).directory)


@pytest.fixture
def viewer(directory):
    """An explorer that takes in new frames only when it is told to."""
    viewer = Explorer(directory, follow=False)
    yield viewer
    viewer.close()


def read(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def shown_pictures(viewer: Explorer) -> list[bytes]:
    return [panel.image.value for panel in viewer.panels.children]


def test_a_slider_swaps_the_picture_and_the_words(viewer):
    (before,), words = shown_pictures(viewer), viewer.words.value
    viewer.position.value = 7
    assert shown_pictures(viewer) == [viewer.base.file(FrameKey(3, 7))]
    assert shown_pictures(viewer) != [before]
    assert viewer.words.value != words
    assert 'class="centre" title="position 7">light<' in viewer.words.value


def test_the_pass_slider_shows_another_pass_with_its_recipe(viewer):
    viewer.pass_number.value = 1
    assert shown_pictures(viewer) == [viewer.base.file(FrameKey(1, 1))]
    assert viewer.base.recipe(FrameKey(1, 1)).digest in viewer.details.recipe.value
    assert "words alone" in viewer.details.strip.value
    assert viewer.details.start.layout.display == "none"


def test_all_passes_stand_side_by_side(viewer):
    viewer.all_passes.value = True
    assert shown_pictures(viewer) == [viewer.base.file(FrameKey(n, 1)) for n in (1, 2, 3)]


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
    init = generator.inits[viewer.base.recipe(FrameKey(2, 6)).pixels["seed"]]
    assert read(viewer.details.start.image.value).tobytes() == init.tobytes()
    assert viewer.details.start.layout.display is None
    assert viewer.details.strip.value.count("<figure") == 5


def test_a_mean_of_latents_is_no_picture_to_show(paint):
    viewer = Explorer(paint(method="latent").directory, follow=False)
    viewer.go((2, 6))
    assert viewer.details.start.layout.display == "none"
    assert "latent space" in viewer.details.title.value
    assert viewer.details.strip.value.count("<figure") == 5


def test_a_frame_that_looked_at_nothing_can_be_shown(paint):
    viewer = Explorer(paint(control="no_images").directory, follow=False)
    viewer.go((2, 6))
    assert viewer.map.map.marks == []
    assert "no other frame" in viewer.details.strip.value


def test_a_click_on_the_map_chooses_position_and_pass(viewer):
    viewer.catch_up()
    viewer.map.map.row, viewer.map.map.column = 1, 8
    assert viewer.key == (2, 9)
    assert viewer.map.map.marks == [[0, 6, 10]]


def test_the_map_follows_the_sliders(viewer):
    viewer.go((2, 4))
    assert (viewer.map.map.row, viewer.map.map.column) == (1, 3)


def test_the_map_shows_thumbnails_or_a_measure(viewer):
    viewer.catch_up()
    assert read(viewer.map.map.image).size == (12 * 32, 3 * 32)
    assert viewer.map.map.columns[4] == "position 5 · stone"
    viewer.map.measure.value = "contrast"
    viewer.catch_up()
    assert read(viewer.map.map.image).size == (12, 3)
    assert "linear-gradient" in viewer.map.legend.value


def test_the_map_zooms_in(viewer):
    viewer.map.zoom.value = True
    assert viewer.map.map.zoomed


def test_two_runs_stand_side_by_side_with_their_difference(viewer, paint, tmp_path):
    second = paint(passes=3, seed=1, output_dir=str(tmp_path / "other")).directory
    viewer.compare(second, follow=False)
    base, variant, difference = shown_pictures(viewer)
    key = FrameKey(3, 1)
    assert (base, variant) == (viewer.base.file(key), RunSnapshot(second).file(key))
    assert read(difference).size == (12, 8)
    assert "pass 3 · difference · 0." in viewer.panels["difference", 3].caption.value
    viewer.compare(None, follow=False)
    assert len(viewer.panels.children) == 1


def test_beside_a_second_run_it_says_whose_words_and_recipe_are_shown(viewer, paint, tmp_path):
    texts = [viewer.details.facts, viewer.details.title]
    assert not any("(base)" in text.value for text in texts)
    second = paint(passes=3, seed=1, output_dir=str(tmp_path / "other")).directory
    viewer.compare(second, follow=False)
    assert all("run (base)" in text.value for text in texts)
    assert viewer.details.record.titles == ("Recipe of run (base)",)
    assert "variant other" in viewer.heading.value
    viewer.compare(None, follow=False)
    assert not any("(base)" in text.value for text in [*texts, viewer.heading])


def test_equal_pictures_have_no_difference(viewer, directory):
    viewer.compare(directory, follow=False)
    assert "the same pixels" in viewer.panels["difference", 3].caption.value


def test_a_run_that_is_made_is_taken_in(paint, study):
    paint(limit=4)
    viewer = Explorer(study.output_dir, follow=False)
    viewer.catch_up()
    paint(limit=6)
    viewer.catch_up()
    assert viewer.position.max == 6
    assert len(viewer.map.map.columns) == 6
    assert "12 frames" in viewer.heading.value


@pytest.mark.parametrize("silent", [4, 12])
def test_while_a_run_is_made_only_what_is_known_of_its_words_is_shown(paint, tmp_path, silent):
    path = tmp_path / "silent.json"
    entries = [{"word": word, "silent": n == silent} for n, word in enumerate(WORDS, start=1)]
    path.write_text(json.dumps(entries))
    result = paint(sequence=str(path))
    result.manifest.unlink()
    viewer = Explorer(result.directory, follow=False)
    for position in range(1, 13):
        viewer.go((2, position))
        window = viewer.base.recipe(viewer.key).window
        texts = [WORDS[p - 1] for p in window if p != silent]
        assert all(text in viewer.words.value for text in texts)
        assert ("silent words of the window: 1" in viewer.words.value) == (silent in window)
        assert (f'title="position {position}"' in viewer.words.value) == (position != silent)
    viewer.go((2, silent))
    assert f"position {silent} were<" in viewer.intervention.title.value


def test_the_end_of_a_run_is_noticed_though_no_frame_comes(paint, study):
    manifest = paint().manifest
    data = manifest.read_bytes()
    manifest.unlink()
    viewer = Explorer(study.output_dir, follow=False)
    viewer.catch_up()
    assert "being made" in viewer.heading.value
    manifest.write_bytes(data)
    viewer.catch_up()
    assert "complete" in viewer.heading.value


def test_following_ends_when_the_run_is_complete(directory):
    viewer = Explorer(directory)
    wait_for_the_thread(viewer)
    assert read(viewer.map.map.image).mode == "RGB"  # nothing is transparent: all are there


def wait_for_the_thread(viewer: Explorer) -> None:
    end = time.monotonic() + 60
    while viewer._thread:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_request_while_following_ends_is_not_forgotten(directory):
    class Requesting(Explorer):
        looks, requests = 0, 1

        def catch_up(self, seconds):
            self.looks += 1
            return super().catch_up(seconds)

        def _may_end(self):
            if self.requests:
                self.requests = 0
                self.follow()
            return super()._may_end()

    viewer = Requesting(directory, follow=False)
    viewer.follow()
    wait_for_the_thread(viewer)
    assert viewer.looks == 2
    viewer.follow()
    wait_for_the_thread(viewer)
    assert viewer.looks == 3


def test_what_is_not_there_or_damaged_is_said(viewer):
    viewer.base.directory.joinpath("pass3/frame_000002.png").unlink()
    viewer.base.directory.joinpath("pass3/frame_000003.png").write_bytes(b"damaged")
    viewer.catch_up()
    viewer.position.value = 2
    assert shown_pictures(viewer) == [EMPTY]
    assert "no frame at position 2 yet" in viewer.words.value
    assert viewer.details.facts.value == ""  # not those of the frame before
    viewer.position.value = 3
    assert "damaged" in viewer.panels["base", 3].caption.value
    assert "quarantined and made again" in viewer.problem.value
    assert viewer.details.facts.value == ""
    viewer.position.value = 4
    assert "pass3 at 2: No such file" in viewer.problem.value, "the manifest is not true"
    assert viewer.details.facts.value


def test_without_a_run_there_is_nothing_to_explore(tmp_path):
    with pytest.raises(RunError, match="no frames"):
        Explorer(tmp_path / "nowhere")


@pytest.mark.parametrize("word", ["<script>alert(1)</script>", "سماء", "🌊"])
def test_any_word_can_be_shown(paint, tmp_path, word):
    sequence = write_words(tmp_path / "any.json", [word, "sea", word])
    viewer = Explorer(paint(sequence=sequence).directory, follow=False)
    assert "<script>" not in viewer.words.value + viewer.details.facts.value
    assert viewer.words.value.count("</bdi>") == 3


def test_a_step_is_quick(viewer):
    viewer.catch_up()
    viewer.all_passes.value = True
    seconds = []
    for position in [*range(1, 13)] * 2:
        start = time.thread_time()
        viewer.position.value = position
        seconds.append(time.thread_time() - start)
    assert sorted(seconds)[len(seconds) // 2] < 0.1


def test_closing_leaves_no_widget_and_no_thread(directory):
    before = set(_instances)
    viewer = Explorer(directory, against=directory)
    viewer.all_passes.value = True
    viewer.all_passes.value = False  # six panels are out of sight
    assert len(set(_instances) - before) > 139
    thread = viewer._thread
    viewer.close()
    assert set(_instances) - before == set()
    assert thread is None or not thread.is_alive()
    viewer.close()


def test_all_widgets_of_a_process_can_be_closed(directory):
    viewer = Explorer(directory, follow=False)
    ipywidgets.Widget.close_all()
    assert viewer.comm is None
    assert viewer.map.map.comm is None


def test_no_trait_of_the_map_hides_what_every_widget_does():
    inherited = {name for base in SequenceMap.__mro__[1:] for name in vars(base)}
    assert not inherited & (SequenceMap.class_own_traits().keys() - {"_esm", "_css"})
