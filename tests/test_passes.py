import json
import os
import re
from collections import Counter
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from painted import WORDS, PaintedGenerator, files, pixels, write_words
from PIL import Image
from skimage.color import rgb2lab

from flopslab import passes
from flopslab.colour import flat_share
from flopslab.core import compositing
from flopslab.core.compositing import Neighbour, montage
from flopslab.core.plan import frame_seed
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing
from flopslab.errors import FlopslabWarning, ModelError, ParameterError, RunError
from flopslab.progress import NullProgress
from flopslab.runs.reader import open_run, read_frame


class Recording(PaintedGenerator):
    """Keeps what it was asked; stops like a user after `stop_after` batches."""

    def __init__(self, stop_after: int = -1, **settings) -> None:
        super().__init__(**settings)
        self.batches, self._stop_after = [], stop_after

    def generate(self, requests, strength=1.0):
        if len(self.batches) == self._stop_after:
            raise KeyboardInterrupt
        self.batches.append((list(requests), strength))
        return super().generate(requests, strength)


class Spoiled(PaintedGenerator):
    """Gives `image` in place of the frame number `at`."""

    def __init__(self, at: int, image: Image.Image) -> None:
        super().__init__(batch_size=2)
        self._at, self._image = at, image

    def generate(self, requests, strength=1.0):
        before, images = self.calls, super().generate(requests, strength)
        return [
            self._image if before + index == self._at else image
            for index, image in enumerate(images)
        ]


def keys(directory) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): read_frame(path)[1].key
        for path in sorted(directory.glob("pass*/frame_*.png"))
    }


# The loop


def test_each_pass_sees_the_pass_before_through_its_window(paint):
    generator = Recording()
    run = paint(generator, passes=3)
    found = open_run(run.directory)
    for number in (2, 3):
        request = next(
            request
            for batch, _ in generator.batches
            for request in batch
            if request.seed == frame_seed(0, FrameKey(number, 6))
        )
        seen = [found.image(FrameKey(number - 1, position)) for position in range(4, 9)]
        cells = [image.resize((4, 4), Image.Resampling.LANCZOS) for image in seen]
        expected = montage(cells, (12, 8))
        assert request.context.init.tobytes() == expected.tobytes()


def test_offsets_count_positions_not_frames(paint, monkeypatch):
    seen = {}

    def compose(method: str, neighbours: list[Neighbour], *options):
        seen.setdefault(len(seen), [neighbour.offset for neighbour in neighbours])
        return original(method, neighbours, *options)

    original = compositing.compose
    monkeypatch.setattr(compositing, "compose", compose)
    run = paint(frame_interval=3, context_diameter=6, limit=3)
    assert sorted(path.name for path in (run.directory / "pass2").iterdir()) == [
        "frame_000001.png", "frame_000004.png", "frame_000007.png",
    ]  # fmt: skip
    assert list(seen.values()) == [[0, 3, 6], [-3, 0, 3], [-6, -3, 0]]


def test_the_first_pass_runs_all_steps_and_refinement_its_share(paint):
    generator = Recording(batch_size=5)
    paint(generator, passes=3, denoising_strength=0.75)
    batches = [(strength, len(batch)) for batch, strength in generator.batches]
    assert Counter(batches) == {(1.0, 5): 2, (1.0, 2): 1, (0.75, 5): 4, (0.75, 2): 2}


@pytest.mark.parametrize("stop_after", [0, 1, 5, 6, 7, 11])
def test_a_run_that_was_stopped_goes_on_to_the_same_pixels(paint, undisturbed, stop_after):
    stopped = Recording(stop_after)
    with pytest.raises(KeyboardInterrupt):
        paint(stopped)
    generator = PaintedGenerator()
    run = paint(generator)
    assert generator.calls == 24 - 2 * stop_after
    assert pixels(run.directory) == undisturbed
    assert sum(done.kept for done in run.passes) == 2 * stop_after


def test_final_grows_with_the_last_pass(paint, study):
    """It can be watched; the manifest says meanwhile that the run is at work."""
    with pytest.raises(KeyboardInterrupt):
        paint(Recording(stop_after=8))
    directory = Path(study.output_dir)
    links, frames = ({p.name for p in (directory / n).glob("frame_*")} for n in ("final", "pass2"))
    assert 0 < len(links) < 12 and links == frames
    assert json.loads((directory / "visual-manifest.json").read_text())["status"] == "running"


@pytest.mark.parametrize("interval", [1, 2])
@pytest.mark.parametrize("boundary", ["shift", "clamp"])
@pytest.mark.parametrize("changed", [1, 6])
def test_a_changed_word_changes_its_cone_and_nothing_else(
    paint, tmp_path, interval, boundary, changed
):
    words = [word if p != changed else "comet" for p, word in enumerate(WORDS, 1)]
    other = write_words(tmp_path / "other.json", words)
    given = {"passes": 3, "frame_interval": interval, "boundary": boundary}
    one = paint(**given, output_dir=str(tmp_path / "one")).directory
    two = paint(**given, output_dir=str(tmp_path / "two"), sequence=other).directory
    same_pixels = {name for name, _ in pixels(one).items() & pixels(two).items()}
    same_keys = {name for name, _ in keys(one).items() & keys(two).items()}
    outside = set()
    study = Study(context_diameter=2, frame_interval=interval, boundary=boundary)
    windowing = Windowing(study, 12)
    frames = windowing.positions
    for number in (1, 2, 3):
        for position in frames:
            if changed not in windowing.cone(FrameKey(number, position)):
                outside.add(f"pass{number}/frame_{position:06d}.png")
    assert same_pixels == same_keys == outside
    assert 0 < len(outside) < 3 * len(frames)


def test_one_word_is_a_run_too(paint, tmp_path):
    sequence = write_words(tmp_path / "one.json", ["silence"])
    run = paint(sequence=sequence, passes=3, context_diameter=0)
    assert [done.made for done in run.passes] == [1, 1, 1]
    init = read_frame(run.directory / "pass3" / "frame_000001.png")[1].pixels["inputs"]
    assert [entry["offset"] for entry in init] == [0]


def test_progress_hears_of_every_pass_and_frame(study):
    said = []

    class Listener(NullProgress):
        def start(self, frames):
            said.append(frames)

        def keep(self, pass_number, count):
            said.append((pass_number, count))

        def advance(self, pass_number, count, words):
            said.append((pass_number, count, words))

        def finish(self, pass_number, summary):
            said.append(summary)

        def end(self):
            said.append("over")

    short = study.replace(**{"limit": 3})
    passes.run(short, PaintedGenerator(), NullProgress())
    longer = study.replace(**{"limit": 5, "passes": 1})
    passes.run(longer, PaintedGenerator(), Listener())
    assert said == [
        [5], (1, 2), (1, 1), (1, 2, "ocean stone river"), "pass 1: 2 made, 3 kept", "over",
    ]  # fmt: skip


LINES = [
    "run: 0/24 frames",
    "pass 1: 12 made, after 00:00",
    "pass 2: 12 made, after 00:00",
    "run: 24/24 frames",
]


def without_rates(text):
    return [line.rsplit(", ", 1)[0] if "/s" in line else line for line in text.splitlines()]


def test_a_run_without_a_terminal_says_plain_lines_and_writes_them_with_times_to_its_log(
    study, capsys
):
    passes.run(study, PaintedGenerator())
    assert without_rates(capsys.readouterr().err) == LINES
    log = (Path(study.output_dir) / "run.log").read_text()
    times, texts = zip(*(line.split(" ", 1) for line in log.splitlines()), strict=True)
    assert without_rates("\n".join(texts)) == LINES
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", time) for time in times)


def test_the_log_is_appended_to_but_not_by_a_run_that_makes_nothing(study):
    log = Path(study.output_dir) / "run.log"
    passes.run(study.replace(limit=3), PaintedGenerator())
    first = log.read_text()
    passes.run(study.replace(limit=3), PaintedGenerator())
    assert log.read_text() == first
    passes.run(study, PaintedGenerator())
    assert log.read_text().startswith(first) and "9 made, 3 kept" in log.read_text()


def test_a_log_that_cannot_be_written_ends_no_run_and_a_link_there_is_not_followed(study, tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    Path(study.output_dir).mkdir()
    (Path(study.output_dir) / "run.log").symlink_to(outside)
    assert passes.run(study, PaintedGenerator()).passes[1].made == 12
    assert outside.read_text() == "mine"
    os.remove(Path(study.output_dir) / "run.log")
    os.mkfifo(Path(study.output_dir) / "run.log")
    assert passes.run(study.replace(passes=3), PaintedGenerator()).passes[2].made == 12


class Stepping(PaintedGenerator):
    on_step = None

    def generate_with_latents(self, requests, strength=1.0):
        for number in (1, 2):
            assert self.on_step is not None
            self.on_step(number, 2)
        return super().generate_with_latents(requests, strength)


def test_the_steps_of_a_generator_that_reports_them_are_heard(study):
    said, generator = [], Stepping()

    class Listener(NullProgress):
        def step(self, pass_number, number, total, frames):
            said.append((pass_number, number, total, frames))

    passes.run(study.replace(passes=2, limit=3), generator, Listener())
    batch, rest = [(1, 2, 2), (2, 2, 2)], [(1, 2, 1), (2, 2, 1)]
    assert said == [(number, *step) for number in (1, 2) for step in batch + rest]
    assert generator.on_step is None


def test_the_result_of_a_run_is_a_frozen_account(paint, study, tmp_path):
    run = paint(limit=3)
    assert run.study.limit == 3
    assert run.directory == tmp_path / "run"
    assert run.manifest == tmp_path / "run" / "visual-manifest.json"
    assert [(done.number, done.made, done.kept, done.copied) for done in run.passes] == [
        (1, 3, 0, 0), (2, 3, 0, 0),
    ]  # fmt: skip
    assert all(done.seconds > 0 for done in run.passes)
    assert run.quarantined == ()
    with pytest.raises(FrozenInstanceError):
        run.directory = None


# What is refused


def test_a_pass_needs_the_pass_before_and_says_how_to_make_it(paint):
    directory = paint(passes=1).directory
    for position in (2, 3, 4, 9):
        (directory / "pass1" / f"frame_{position:06d}.png").unlink()
    before, generator = files(directory), PaintedGenerator()
    with pytest.raises(RunError) as caught:
        paint(generator, last_only=True)
    assert "4 of 12 frames of pass 1" in caught.value.actual
    assert caught.value.actual.endswith("at positions 2-4, 9")
    assert "papermill notebooks/run.ipynb out.ipynb" in caught.value.hint
    assert "-p passes 1" in caught.value.hint
    assert f"-p output_dir {directory}" in caught.value.hint
    assert files(directory) == before and generator.calls == 0


def test_a_last_pass_that_is_refused_moves_no_damaged_frame(paint):
    directory = paint(passes=1).directory
    (directory / "pass1" / "frame_000003.png").write_bytes(b"damaged")
    before = files(directory)
    with pytest.raises(RunError, match="1 of 12 frames of pass 1"):
        paint(last_only=True)
    assert files(directory) == before


def test_a_gap_two_passes_before_is_a_gap_in_the_pass_before(paint):
    directory = paint(passes=2).directory
    (directory / "pass1" / "frame_000006.png").unlink()
    with pytest.raises(RunError, match=r"5 of 12 frames of pass 2 .* at positions 4-8"):
        paint(passes=3, last_only=True)


def test_the_last_pass_alone_is_made_when_those_before_are_complete(paint, undisturbed):
    paint(passes=1)
    run = paint(last_only=True)
    assert [(done.number, done.made) for done in run.passes] == [(2, 12)]
    assert pixels(run.directory) == undisturbed


def test_a_reach_wider_than_the_sequence_is_one_warning(paint):
    with pytest.warns(FlopslabWarning, match="13 positions.*12") as caught:
        paint(context_diameter=2, image_context_multiplier=13)
    assert len(caught) == 1


@pytest.mark.parametrize("given", [{"image_context_multiplier": 12}, {"passes": 1}])
def test_a_reach_that_fits_or_is_not_used_is_no_warning(paint, given, recwarn):
    paint(**({"image_context_multiplier": 13} | given))
    assert not [warning for warning in recwarn if warning.category is FlopslabWarning]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"distance_weights": "flat"},
            "distance_weights = 'flat' changes nothing with method grid",
        ),
        ({"method": "blend", "image_weight": 0.7}, "image_weight = 0.7 changes nothing beside"),
        (
            {"method": "latent", "ip_adapter": "a/b/c.safetensors"},
            "ip_adapter = .* changes nothing",
        ),
        ({"colour_match": "histogram"}, "changes nothing without colour_anchor"),
    ],
)
def test_a_parameter_that_is_set_but_has_no_effect_is_told(paint, given, told):
    with pytest.warns(FlopslabWarning, match=told) as caught:
        paint(**given)
    assert len(caught) == 1


def test_a_parameter_that_has_an_effect_is_no_warning(paint, tmp_path, recwarn):
    paint(method="blend", distance_weights="flat", colour_anchor=0.5, colour_match="histogram")
    paint(passes=1, distance_weights="flat", output_dir=str(tmp_path / "one"))
    assert not [warning for warning in recwarn if warning.category is FlopslabWarning]


def test_each_pass_runs_the_share_that_a_list_gives_it(paint):
    generator = Recording(batch_size=12)
    paint(generator, passes=4, denoising_strength=[0.75, 0.5])
    assert [strength for _, strength in generator.batches] == [1.0, 0.75, 0.5, 0.5]


def test_detail_with_nothing_to_sharpen_is_refused(paint):
    with pytest.raises(ParameterError, match="detail at denoising_strength 1"):
        paint(method="ip_adapter", denoising_strength=1.0, detail=1.0)
    assert paint(method="ip_adapter", denoising_strength=0.5, detail=1.0)


@pytest.mark.parametrize("method", ["grid", "blend", "latent", "ip_adapter"])
def test_refined_frames_are_matched_to_the_colours_of_the_first_pass(paint, method, tmp_path):
    given = {"method": method, "passes": 3}
    plain = open_run(paint(**given, output_dir=str(tmp_path / "plain")).directory)
    led = open_run(paint(**given, colour_anchor=1.0, output_dir=str(tmp_path / "led")).directory)

    def drift(run) -> float:
        return np.mean([np.abs(lab_mean(run, 3, p) - lab_mean(run, 1, p)) for p in run.positions])

    assert drift(led) < drift(plain) / 2
    assert pass_1(led) == pass_1(plain)


def lab_mean(run, number: int, position: int) -> np.ndarray:
    return rgb2lab(np.asarray(run.image(FrameKey(number, position))) / 255).mean((0, 1))


def pass_1(run) -> list[bytes]:
    return [run.image(FrameKey(1, position)).tobytes() for position in run.positions]


@pytest.mark.parametrize("colour", [(0, 0, 0), (127, 127, 127)])
def test_a_flat_frame_is_an_error_and_never_kept(paint, undisturbed, colour):
    with pytest.raises(ModelError, match="position 4 in pass 1") as caught:
        paint(Spoiled(3, Image.new("RGB", (12, 8), colour)))
    assert str(colour) in caught.value.actual
    run = paint()
    assert run.passes[0].kept == 2, "the batches before are kept"
    assert pixels(run.directory) == undisturbed


@pytest.mark.parametrize("colour", [(0, 0, 0), (90, 200, 10)])
def test_frames_that_are_half_one_colour_are_kept_and_reported_once_a_pass(paint, colour):
    half = Image.effect_noise((12, 8), 20).convert("RGB")
    half.paste(colour, (0, 0, 12, 4))

    class Censored(PaintedGenerator):
        def generate(self, requests, strength=1.0):
            return [half for _ in super().generate(requests, strength)]

    with pytest.warns(FlopslabWarning) as reports:
        assert sum(done.made for done in paint(Censored()).passes) == 24
    heads = [str(report.message).partition(" is exactly")[0] for report in reports]
    assert heads == [f"pass {number}, position 1: 50% of the frame" for number in (1, 2)]
    assert str(colour) in str(reports[0].message)


@pytest.mark.parametrize(("share", "reported"), [(0.3, False), (0.36, True), (0.9, True)])
def test_a_large_part_of_one_colour_is_more_than_a_third(share, reported):
    pixels = np.random.default_rng(0).integers(0, 256, (1000, 3), np.uint8)
    pixels[: int(1000 * share)] = 7
    actual, colour = flat_share(Image.fromarray(pixels.reshape(20, 50, 3)))
    assert (actual, colour) == ((share, (7, 7, 7)) if reported else (0.0, ()))


def test_frames_by_another_device_and_other_versions_are_kept_and_reported_once(paint):
    paint(PaintedGenerator(device="cuda", versions={"numpy": "1", "torch": "2"}), limit=4)
    with pytest.warns(FlopslabWarning) as reports:
        run = paint(PaintedGenerator(versions={"numpy": "1", "torch": "3"}))
    assert len(reports) == 1
    assert "device cuda and cpu, torch 2 and 3: they are kept" in str(reports[0].message)
    assert [done.kept for done in run.passes] == [4, 2]
    makers = json.loads(run.manifest.read_bytes())["made_by"]
    assert [maker["versions"]["torch"] for maker in makers] == ["3", "2"]


@pytest.mark.parametrize("image", [Image.new("L", (12, 8)), Image.effect_noise((4, 4), 9)])
def test_a_frame_of_another_mode_or_size_is_an_error(paint, image):
    with pytest.raises(ModelError, match="RGB"):
        paint(Spoiled(0, image))
