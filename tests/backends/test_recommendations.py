"""Few-step models get the steps and the guidance that they were made for."""

import shutil

import diffusers
import generators
import pytest
from generators import explains

from flopslab.backends.diffusers.recommendations import read_recommendations
from flopslab.errors import FlopslabWarning, ModelError


def settings_of(family, **parameters):
    settings = generators.load(family, width=32, height=32, steps=0, **parameters).settings
    return settings["steps"], settings["guidance_scale"]


@pytest.mark.parametrize(
    ("family", "steps", "scale"), [("turbo", 4, 0), ("lcm", 4, 8), ("schnell", 4, 0)]
)
def test_a_few_step_model_is_told_by_its_configuration_and_a_line_says_so(family, steps, scale):
    with pytest.warns(FlopslabWarning, match=f"few-step.*guidance_scale {scale:g} and steps 4"):
        assert settings_of(family) == (steps, scale)


def test_what_the_user_sets_stands():
    with pytest.warns(FlopslabWarning, match="guidance_scale 0$"):
        settings = generators.load("turbo", steps=2).settings
    assert (settings["steps"], settings["guidance_scale"]) == (2, 0)
    settings = generators.load("turbo", steps=3, guidance_scale=2.0).settings
    assert (settings["steps"], settings["guidance_scale"]) == (3, 2.0)


def test_the_recommendation_of_the_model_comes_before_the_table(tmp_path):
    model = shutil.copytree(generators.directory("turbo"), tmp_path / "model")
    (model / "flopslab.json").write_text('{"steps": 2, "guidance_scale": 1}')
    assert settings_of("turbo", model=str(model)) == (2, 1)


@pytest.mark.parametrize("family", ["sd", "sd2", "sdxl", "sd3", "flux"])
def test_an_ordinary_model_has_the_defaults_of_its_pipeline(family):
    steps, scale = settings_of(family)
    assert steps >= 20 and scale > 1


def test_a_name_alone_is_a_warning_that_changes_nothing(tmp_path):
    model = shutil.copytree(generators.directory("sdxl"), tmp_path / "sdxl-lightning-4step")
    with pytest.warns(FlopslabWarning, match="name says lightning.*steps and guidance_scale"):
        assert settings_of("sdxl", model=str(model)) == (50, 5.0)


def test_the_sampler_of_distilled_models_on_a_model_that_is_none_is_a_warning():
    with pytest.warns(FlopslabWarning, match="its scheduler is LCMScheduler"):
        generators.load("sd", scheduler="LCM", steps=8)


def test_trailing_timesteps_alone_are_a_warning(tmp_path):
    model = shutil.copytree(generators.directory("sd"), tmp_path / "model")
    diffusers.EulerDiscreteScheduler(timestep_spacing="trailing").save_pretrained(
        model / "scheduler"
    )
    index = (model / "model_index.json").read_text().replace("PNDM", "EulerDiscrete")
    (model / "model_index.json").write_text(index)
    with pytest.warns(FlopslabWarning, match="timesteps are trailing"):
        generators.load(model=str(model))


@pytest.mark.parametrize(
    "content",
    [
        '{"strength": 1}',
        "[1]",
        "{",
        "null",
        '{"steps": "many"}',
        '{"steps": null}',
        '{"steps": 2.5}',
        '{"steps": 1000000}',
        '{"steps": true}',
        '{"guidance_scale": []}',
        '{"guidance_scale": NaN}',
        '{"guidance_scale": -1}',
        '{"ip_adapter": "adapter.safetensors"}',
        "[" * 100_000,
    ],
    ids=lambda content: content[:40],
)
def test_a_recommendation_that_cannot_be_followed_is_an_error(tmp_path, content):
    (tmp_path / "flopslab.json").write_text(content)
    with pytest.raises(ModelError) as error:
        read_recommendations(tmp_path)
    assert explains(error, "flopslab.json")
