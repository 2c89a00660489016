"""The whole loop on real pipelines, tiny and with random weights."""

import copy
import operator
from pathlib import Path

import generators
import numpy as np
import pytest
import torch
from generators import same
from painted import WORDS, files, pixels, write_words

from flopslab.core.compositing import METHODS, Context
from flopslab.core.generator import FrameRequest
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing
from flopslab.errors import RunInterrupted
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.runs import layout
from flopslab.runs.reader import open_run


@pytest.fixture
def diffuse(study):
    """`diffuse(**parameters)`: the pixels of the study's run, and the count of new frames."""

    def diffuse_study(family="embedded", **parameters):
        defaults = {"model": str(generators.directory(family)), "limit": 8}
        variant = study.replace(**defaults | parameters)
        generator = generators.load_once(family, **_load_options(variant))
        result = run(variant, generator, NullProgress())
        return pixels(result.directory), sum(summary.made for summary in result.passes)

    return diffuse_study


def _load_options(study) -> dict:
    """The parameters that decide what is loaded."""
    return {"method": study.method} if METHODS[study.method].weighs_images else {}


def name(pass_number: int, position: int) -> str:
    """The path of a picture, relative to its run."""
    return str(layout.frame_path(Path(), FrameKey(pass_number, position)))


every_method = pytest.mark.parametrize("method", METHODS)


@every_method
def test_a_run_that_was_damaged_and_extended_ends_like_one_in_a_single_go(
    diffuse, tmp_path, method
):
    expected, _ = diffuse(method=method, output_dir=str(tmp_path / "single"))
    diffuse(method=method, limit=4)
    (tmp_path / "run" / name(1, 2)).unlink()
    frames, count = diffuse(method=method)
    assert frames == expected
    assert count == 1 + 4 + 6, "frame 2, the new ones, and in pass 2 those that see new ones"
    before = files(tmp_path / "run")
    assert diffuse(method=method) == (expected, 0)
    assert files(tmp_path / "run") == before


@every_method
def test_a_changed_word_changes_no_bit_outside_its_cone(diffuse, tmp_path, method):
    words = write_words(tmp_path / "other.json", ["comet", *WORDS[1:]])
    options = {"method": method, "colour_anchor": 0.5, "detail": 0.5}
    before, _ = diffuse(**options, output_dir=str(tmp_path / "before"))
    after, _ = diffuse(**options, output_dir=str(tmp_path / "after"), sequence=words)
    windowing = Windowing(Study(context_diameter=2, limit=8), 12)
    keys = [FrameKey(number, p) for number in (1, 2) for p in windowing.positions]
    inside = {name(*key) for key in keys if 1 in windowing.cone(key)}
    differences = {name for name in before if before[name] != after[name]}
    assert {name(1, 1), name(1, 2), name(2, 1)} <= differences <= inside
    assert len(inside) == 2 + 4, "of 16: random weights need not pass on a small difference"


@every_method
@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_every_method_runs_on_pipelines_shaped_like_sd_and_sdxl(diffuse, family, method):
    frames, count = diffuse(family=family, method=method, limit=3, passes=3)
    assert count == 9 and len(set(frames.values())) == 9


@every_method
def test_a_batch_of_eight_gives_the_frames_of_batches_of_one(study, tmp_path, method):
    """Up to rounding: arithmetic on eight rows may differ from one in the last bit."""
    parameters = {"method": method, "limit": 8, "model": str(generators.directory("embedded"))}
    runs = []
    for size in (8, 1):
        output = {"output_dir": str(tmp_path / str(size))}
        generator = generators.load(method=method, batch_size=size)
        result = run(study.replace(**parameters | output), generator, NullProgress())
        runs.append(pixels(result.directory))
    for name in runs[0]:
        levels = (np.frombuffer(frames[name], np.uint8).astype(int) for frames in runs)
        assert np.abs(np.subtract(*levels)).max() <= 2, name
    assert [len(frames) for frames in runs] == [16, 16]


@pytest.mark.parametrize("method", ["grid", "ip_adapter"])
def test_no_number_of_threads_changes_a_pixel(diffuse, tmp_path, method):
    """The first pass looks at nothing while threads beside it make frames that do."""
    options, before = {"method": method, "passes": 3}, torch.get_num_threads()
    alone, *crowds = [
        diffuse(**options, workers=workers, output_dir=str(tmp_path / f"{workers}"))[0]
        for workers in (1, 2, 3)
    ]
    assert len(alone) == 24 and crowds == [alone, alone]
    assert torch.get_num_threads() == before


def test_a_clone_has_the_same_weights_in_memory_and_all_else_of_its_own():
    generator = generators.load_once("embedded", method="ip_adapter")
    pipe, copied = (each._text_to_image for each in (generator, generator.clone()))
    assert copied.scheduler is not pipe.scheduler and copied.tokenizer is not pipe.tokenizer
    for name in ("unet", "vae", "text_encoder", "image_encoder"):
        module, copied_module = getattr(pipe, name), getattr(copied, name)
        assert copied_module is not module
        for pair in zip(module.parameters(), copied_module.parameters(), strict=True):
            assert operator.is_(*pair)


def test_an_interrupt_ends_a_batch_at_its_next_step_and_none_that_begins_later(monkeypatch):
    generator, request = generators.load().clone(), FrameRequest(Prompt((("sea", 1.0),)), 5)
    expected, steps = generator.generate([request])[0], []
    scheduler = generator._text_to_image.scheduler
    step = scheduler.step

    def interrupted_step(*arguments, **options):
        steps.append(step(*arguments, **options))
        generator.interrupt()
        return steps[-1]

    monkeypatch.setattr(scheduler, "step", interrupted_step)
    with pytest.raises(RunInterrupted):
        generator.generate([request])
    assert len(steps) == 1
    monkeypatch.undo()
    assert same(generator.generate([request])[0], expected)


def test_at_image_weight_0_the_frames_are_those_without_neighbours(diffuse, tmp_path):
    weightless = {"method": "ip_adapter", "image_weight": 0.0, "passes": 3}
    alone = {"method": "grid", "image_context_multiplier": 0, "passes": 3}
    frames, _ = diffuse(**weightless, output_dir=str(tmp_path / "a"))
    assert frames == diffuse(**alone, output_dir=str(tmp_path / "b"))[0]


def test_neighbours_enter_by_the_adapter_with_and_without_the_frames_own(diffuse, tmp_path):
    half, full = [
        diffuse(method="ip_adapter", denoising_strength=d, output_dir=str(tmp_path / f"{d}"))[0]
        for d in (0.5, 1.0)
    ]
    first, second = name(1, 4), name(2, 4)
    assert half[first] == full[first] and half[second] != full[second]


@pytest.mark.parametrize("family", ["sd", "embedded"])
def test_latents_go_from_pass_to_pass_without_a_picture_between(diffuse, tmp_path, family):
    """One step of little noise: a round trip through pixels would change the frame."""
    parameters = {"image_context_multiplier": 0, "denoising_strength": 0.4, "limit": 1, "passes": 2}
    diffuse(family=family, method="latent", **parameters)
    generator = generators.load_once(family)
    run_directory = open_run(tmp_path / "run")
    latents = run_directory.latents(FrameKey(1, 1))
    picture = run_directory.image(FrameKey(1, 1))
    np.testing.assert_array_equal(np.asarray(generator.decode(latents)), np.asarray(picture))
    recipe = run_directory.frame(FrameKey(2, 1))[1]
    request = FrameRequest(
        Prompt(tuple(map(tuple, recipe.pixels["prompt"]))),
        recipe.pixels["seed"],
        Context(latents=latents),
    )
    assert same(generator.generate([request], 0.4)[0], run_directory.image(FrameKey(2, 1)))


def test_a_clone_has_a_schedule_of_its_own():
    """Two threads that set one schedule would each denoise by the other's."""
    generator = generators.load()
    schedulers = [g._image_to_image.scheduler for g in (generator, generator.clone())]
    schedulers[0].set_timesteps(5)
    schedulers[1].set_timesteps(num_inference_steps=3, device="cpu")
    assert [len(scheduler.timesteps) for scheduler in schedulers] == [5, 3]
    copy.deepcopy(schedulers[0]).set_timesteps(7)  # as a check of the steps does
    assert len(schedulers[0].timesteps) == 5
