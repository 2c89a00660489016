"""What would fail in the first frame fails at load, each fault with a remedy of its own."""

import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import generators
import models
import pytest
import torch
from generators import explains, request_of, same
from painted import write_words

from flopslab.backends import load_generator
from flopslab.backends.diffusers import loading
from flopslab.backends.diffusers.loading import trial
from flopslab.core.study import Study
from flopslab.errors import ModelError, ParameterError
from flopslab.passes import run
from flopslab.progress import NullProgress


@pytest.fixture
def model(tmp_path) -> Path:
    return shutil.copytree(generators.directory("sd"), tmp_path / "model")


def load(model: Path, **parameters: Any):
    return load_generator(Study(**{"model": str(model), "steps": 2, "batch_size": 1} | parameters))


def refusal(model: Path, **parameters: Any) -> pytest.ExceptionInfo:
    with pytest.raises((ModelError, ParameterError)) as error:
        load(model, **parameters)
    return error


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def set_scheduler(model: Path, name: str, **options: Any) -> None:
    """Make it the model's own scheduler."""
    config = {
        "_class_name": name,
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "steps_offset": 1,
    }
    (model / "scheduler" / "scheduler_config.json").write_text(json.dumps(config | options))
    edit(model / "model_index.json", scheduler=["diffusers", name])


def replace_unet(model: Path, **options: Any) -> None:
    shutil.rmtree(model / "unet")
    models.unet(**options).save_pretrained(model / "unet")


def test_nothing_of_a_run_is_there_when_the_trial_fails(model, tmp_path):
    set_scheduler(model, "IPNDMScheduler")
    study = Study(
        model=str(model),
        sequence=write_words(tmp_path / "words.json"),
        output_dir=str(tmp_path / "run"),
        steps=2,
        passes=2,
    )
    with pytest.raises(ModelError):
        run(study, progress=NullProgress())
    assert not list((tmp_path / "run").glob("[!.]*"))


@pytest.mark.parametrize(
    ("channels", "kind", "purpose"),
    [
        (9, "StableDiffusionInpaintPipeline", "inpainting"),
        (8, "StableDiffusionInstructPix2PixPipeline", "InstructPix2Pix"),
        (5, "StableDiffusionDepth2ImgPipeline", "depth"),
    ],
)
def test_a_unet_that_looks_at_more_than_latents_is_refused(model, channels, kind, purpose):
    replace_unet(model, in_channels=channels)
    edit(model / "model_index.json", _class_name=kind)
    assert explains(refusal(model), str(channels), purpose, "text-to-image model")


def test_a_refiner_is_refused(tmp_path):
    model = shutil.copytree(generators.directory("sdxl"), tmp_path / "model")
    edit(model / "model_index.json", requires_aesthetics_score=True)
    assert explains(refusal(model), "refiner", "base model")


def test_a_unet_for_other_texts_is_refused(model):
    replace_unet(model, width=2 * models.WIDTH)
    assert explains(refusal(model), "shapes cannot be multiplied", "text-to-image model")


def test_an_image_encoder_of_another_width_is_refused(model):
    shutil.rmtree(model / "image_encoder")
    config = models.image_encoder().config
    config.projection_dim = models.WIDTH + 8
    models.CLIPVisionModelWithProjection(config).save_pretrained(model / "image_encoder")
    error = refusal(model, method="ip_adapter")
    assert explains(error, "image encoder", str(models.WIDTH), str(models.WIDTH + 8))
    load(model)  # other methods do not look at it


@pytest.mark.parametrize("name", ["IPNDMScheduler", "DDIMInverseScheduler"])
def test_a_scheduler_that_cannot_refine_is_refused_unless_there_is_one_pass(model, name):
    set_scheduler(model, name)
    assert explains(refusal(model, steps=0), name, "set scheduler")
    assert load(model, passes=1).generate([request_of()])


@pytest.mark.parametrize("name", ["ScoreSdeVeScheduler", "RePaintScheduler"])
def test_a_scheduler_for_other_models_is_refused(model, name):
    set_scheduler(model, name)
    assert explains(refusal(model, passes=1), name, "set scheduler")


def test_more_steps_than_a_schedule_has_are_refused(model):
    with pytest.raises(ParameterError) as error:
        load(model, scheduler="lcm", steps=60, guidance_scale=1.0, passes=1)
    assert explains(error, "60", "50", "steps")


def test_pndm_with_too_few_steps_for_its_own_start_is_refused(model):
    set_scheduler(model, "PNDMScheduler", skip_prk_steps=False)
    assert explains(refusal(model, steps=2), "PNDMScheduler", "steps")


@pytest.mark.parametrize("family", [*models.FAMILIES, "sd3"])
def test_the_trial_makes_one_step_of_each_kind_and_changes_no_frame(family):
    generator = generators.load(family, steps=10)
    denoiser = getattr(generator._text_to_image, "unet", None)
    denoiser = denoiser or generator._text_to_image.transformer
    calls = []
    denoiser.register_forward_hook(lambda *_: calls.append(1))
    before, count = generator.generate([request_of()]), len(calls)
    calls.clear()
    loading.try_out(generator, Study(model="x", method="grid", steps=10))
    assert len(calls) == 2, "one from words, one from an image"
    calls.clear()
    assert same(before[0], generator.generate([request_of()])[0])
    assert len(calls) == count >= 10, "and all steps are run again"


def test_the_trial_of_references_is_one_frame_where_all_start_from_noise():
    generator = generators.load("embedded", method="ip_adapter")
    calls = []
    generator._text_to_image.unet.register_forward_hook(lambda *_: calls.append(1))
    loading.try_out(generator, Study(method="ip_adapter", denoising_strength=1.0))
    assert len(calls) == 1


def test_a_small_frame_that_fails_is_tried_in_the_size_of_the_study(monkeypatch):
    sizes = []

    def fail_when_small(generator, study):
        sizes.append(generator.size)
        if generator.size != (64, 64):
            raise RuntimeError("too small")

    monkeypatch.setattr(trial, "_make_frames", fail_when_small)
    generators.load("embedded", width=64, height=64)
    assert sizes == [(16, 16), (64, 64)]


def test_numbers_that_overflow_after_one_step_are_left_to_the_frames():
    generator = generators.load("sd")
    generator._text_to_image.vae.decoder.conv_out.bias.data.fill_(torch.nan)
    loading.try_out(generator, Study(model="x"))
    with pytest.raises(ModelError, match="not finite"):
        generator.generate([request_of()])


def test_a_family_without_image_to_image_makes_one_pass(tmp_path):
    pipe = diffusers.PixArtAlphaPipeline(**models.pixart().components)
    pipe.save_pretrained(tmp_path / "model")
    error = refusal(tmp_path / "model", passes=2)
    assert explains(error, "PixArtAlphaPipeline", "set passes to 1")
    assert load(tmp_path / "model", passes=1, steps=3).generate([request_of()])
