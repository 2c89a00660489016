"""Settings: each that a study leaves empty gets a value, and what does not fit is refused."""

import json
import shutil

import generators
import models
import pytest
import torch
from generators import BATCH, STEPS, explains, nearly_same, picture, request_of

from flopslab.backends import load_generator
from flopslab.backends.diffusers.hardware.batch import estimate_batch_size
from flopslab.core.study import Study
from flopslab.errors import ParameterError


@pytest.fixture(params=models.FAMILIES)
def generator(request):
    return generators.load_once(request.param)


def test_settings_are_json_and_complete(generator):
    assert json.loads(json.dumps(generator.settings)) == generator.settings
    assert set(generator.settings) == {
        "model", "model_digest", "width", "height", "steps", "guidance_scale", "guidance_stop",
        "guidance_rescale", "scheduler", "scheduler_options", "clip_skip", "negative_prompt",
        "batch_size", "device", "dtype", "versions", "lora", "vae",
    }  # fmt: skip
    assert generator.size == (32, 32)


def test_defaults_are_those_of_the_pipeline_unless_the_model_recommends_its_own(tmp_path):
    settings = generators.load("sd", steps=0).settings
    assert (settings["steps"], settings["guidance_scale"]) == (50, 7.5)
    model = shutil.copytree(generators.directory("embedded"), tmp_path / "model")
    (model / "flopslab.json").write_text('{"steps": 12, "guidance_scale": 3.0}')
    settings = generators.load(model=str(model), steps=0).settings
    assert (settings["steps"], settings["guidance_scale"]) == (12, 3.0)
    settings = generators.load(model=str(model), steps=4, guidance_scale=0.0).settings
    assert (settings["steps"], settings["guidance_scale"]) == (4, 0.0)


@pytest.mark.parametrize("family", models.FAMILIES)
def test_a_size_of_the_study_gives_the_pipelines_frames_of_that_size(family):
    generator = generators.load(family, width=48, height=32)
    images = generator.generate([request_of(), request_of(init=picture(1))], 0.5)
    assert generator.size == (48, 32) and {image.size for image in images} == {(48, 32)}
    noise = [torch.Generator().manual_seed(0) for _ in range(BATCH)]
    expected = generator._text_to_image(  # pyright: ignore[reportCallIssue]  # only its subclasses define __call__
        ["sea"] * BATCH, width=48, height=32, generator=noise, num_inference_steps=STEPS
    ).images[0]
    assert nearly_same(images[0], expected)


def test_a_size_that_the_vae_cannot_make_is_refused(tmp_path):
    pipe = models.embedded()
    pipe.vae = models.vae(levels=5)
    pipe.save_pretrained(tmp_path)
    with pytest.raises(ParameterError) as error:
        generators.load(model=str(tmp_path), width=40, height=64)
    assert explains(error, "40 x 64", "16", "32 x 64")


def test_the_batch_size_of_a_run_comes_before_that_of_the_study():
    study = Study(model=str(generators.directory("embedded")), batch_size=5)
    assert load_generator(study, batch_size=2).settings["batch_size"] == 2
    assert load_generator(study).settings["batch_size"] == 5


@pytest.mark.parametrize("side, frames", [(32, 4), (128, 4), (512, 2), (1024, 1)])
def test_the_batch_size_found_on_a_cpu_suits_the_frames(side, frames):
    assert estimate_batch_size(side * side, torch.device("cpu")) == frames
