"""Schedulers: by any name that people know, with options, on the model's own noise schedule."""

from inspect import signature

import diffusers
import generators
import numpy as np
import pytest
import torch
from generators import explains, picture, request_of, same

from flopslab.backends.diffusers.loading import quiet_libraries
from flopslab.backends.diffusers.schedulers import (
    check_steps,
    choose_schedule,
    make_scheduler,
    parse_options,
    sampling_options,
)
from flopslab.errors import ParameterError
from flopslab.interop.samplers import SAMPLERS, SPACINGS, find_sampler

CLASSES = sorted(name for name in dir(diffusers) if name.endswith("Scheduler"))
PARALLEL = {"DDIMParallelScheduler", "DDPMParallelScheduler"}
STABLE_DIFFUSION = {  # its noise schedule, which is the default of no class
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
}
FLOW = diffusers.FlowMatchEulerDiscreteScheduler()  # as SD3 and Flux have it
ZERO_SNR = STABLE_DIFFUSION | {
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "prediction_type": "v_prediction",
}


def own(**config):
    return diffusers.DDIMScheduler(**STABLE_DIFFUSION | {"clip_sample": False} | config)


def refusal(*arguments):
    with pytest.raises(ParameterError) as error:
        make_scheduler(*arguments)
    return error


def frames_beside(companion, scheduler, family="embedded"):
    """A frame from noise and one from an image, each in a batch of two with this other seed."""
    generator = generators.load_once(family, batch_size=2, guidance_scale=1.0, width=32, height=32)
    pipes = generator._text_to_image, generator._image_to_image
    before = pipes[0].scheduler
    for pipe in pipes:
        pipe.scheduler = scheduler
    starts = [None, picture(1)]
    frames = [request_of(seed=seed, init=init) for init in starts for seed in (1, companion)]
    try:
        return generator.generate(frames, 0.7)[::2]
    finally:
        for pipe in pipes:
            pipe.scheduler = before


class ImageToImage:
    """As much of a pipeline as its schedule needs."""

    get_timesteps = diffusers.StableDiffusionImg2ImgPipeline.get_timesteps

    def __init__(self, scheduler):
        self.scheduler = scheduler

    def refine(self, image, steps, strength):
        """(result, steps) of a denoiser that knows the image, on noise of this strength."""
        count, call = choose_schedule(self, steps, strength)
        scheduler, random = self.scheduler, torch.Generator().manual_seed(0)
        scheduler.set_timesteps(call["num_inference_steps"])
        timesteps, _ = self.get_timesteps(call["num_inference_steps"], call["strength"], "cpu")
        noise = torch.randn(image.shape, generator=random)
        sample = scheduler.add_noise(image, noise, timesteps[:1])
        options = (
            {"generator": random} if "generator" in signature(scheduler.step).parameters else {}
        )
        for time in timesteps:
            noise = self._noise_in(scheduler.scale_model_input(sample, time), image, float(time))
            sample = scheduler.step(noise, time, sample, **options).prev_sample
        return sample, count

    def _noise_in(self, sample, image, time):
        sigmas = ((1 - self.scheduler.alphas_cumprod) / self.scheduler.alphas_cumprod) ** 0.5
        share = 1 / (1 + np.interp(time, np.arange(len(sigmas)), sigmas) ** 2)
        return (sample - share**0.5 * image) / (1 - share) ** 0.5


@pytest.mark.parametrize("strength", [0.3, 0.8, 1.0])
@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.names[0])
def test_a_refinement_ends_at_the_picture_without_noise(sampler, strength):
    image = torch.full((1, 4, 16, 16), 0.7)
    pipe = ImageToImage(make_scheduler(sampler.names[0], own()))
    result, steps = pipe.refine(image, 6, strength)
    assert steps == {0.3: 2, 0.8: 5, 1.0: 6}[strength]
    assert float((result - image).std()) < 0.06


def test_the_runge_kutta_steps_of_pndm_cannot_start_from_an_image():
    made = make_scheduler("pndm", own(), "skip_prk_steps=false")
    with pytest.raises(ParameterError) as error:
        choose_schedule(ImageToImage(made), 6, 0.5)
    assert explains(error, "starts from an image", "skip_prk_steps=true")


def depends_on_itself_alone(scheduler, family="embedded"):
    """Whether frames of this scheduler are the same beside others."""
    frames = frames_beside(2, scheduler, family)
    assert all(np.asarray(image).std() > 1 for image in frames)
    return all(map(same, frames, frames_beside(3, scheduler, family)))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.names[0])
def test_a_sampler_of_the_table_makes_frames_that_no_companion_changes(sampler):
    made = make_scheduler(sampler.names[0], own(num_train_timesteps=200))
    assert type(made).__name__ == sampler.scheduler
    assert {(find_sampler(name) or [""])[0] for name in sampler.names} == {sampler.scheduler}
    check_steps(made, 20)
    assert depends_on_itself_alone(made)


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_one_of_the_table_or_refused_with_the_reason(name):
    if name in {sampler.scheduler for sampler in SAMPLERS}:
        return
    if name in PARALLEL:
        assert depends_on_itself_alone(make_scheduler(name, own()))
        return
    with quiet_libraries():
        error = refusal(name, own())
    assert explains(error, name)


@pytest.mark.parametrize(
    ("name", "scheduler", "options"),
    [
        ("DPM++ 2M Karras", "DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
        ("dpmpp_2m + karras", "DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
        ("k_dpmpp_2m_ka", "DPMSolverMultistepScheduler", None),
        ("Euler a", "EulerAncestralDiscreteScheduler", {}),
        ("euler_ancestral", "EulerAncestralDiscreteScheduler", {}),
        ("euler sgm_uniform", "EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
        ("Euler Beta", "EulerDiscreteScheduler", {"use_beta_sigmas": True}),
        ("dpmpp_2m_sde", "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
        ("DPM++ SDE", "DPMSolverSinglestepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
        ("PLMS", "PNDMScheduler", {"skip_prk_steps": True}),
        ("PNDMScheduler", "PNDMScheduler", {"skip_prk_steps": True}),
        ("DDIM", "DDIMScheduler", {}),
        ("LMS Karras", "LMSDiscreteScheduler", {"use_karras_sigmas": True}),
    ],
)
def test_names_of_other_tools_mean_what_they_mean_there(name, scheduler, options):
    if options is None:
        assert explains(refusal(name, own()), "no such name")
        return
    made = make_scheduler(name, own())
    assert type(made).__name__ == scheduler
    assert options.items() <= sampling_options(made).items()


@pytest.mark.parametrize("spacing", [name for spacing in SPACINGS for name in spacing.names])
def test_every_spacing_changes_the_noise_levels_or_is_the_ordinary_one(spacing):
    plain, spaced = make_scheduler("euler", own()), make_scheduler(f"Euler {spacing}", own())
    for scheduler in (plain, spaced):
        scheduler.set_timesteps(10)
    [entry] = [entry for entry in SPACINGS if spacing in entry.names]
    assert np.allclose(plain.sigmas, spaced.sigmas) == (not entry.options)


@pytest.mark.parametrize("name", ["eular", "Euler Karas", "DPM++ 2M Karas"])
def test_a_misspelt_name_is_answered_with_the_one_that_is_meant(name):
    expected = {"eular": "euler", "Euler Karas": "euler Karras"}.get(name, "DPM++ 2M Karras")
    assert explains(refusal(name, own()), repr(name), f"use {expected}?")


@pytest.mark.parametrize(
    "name", ["DPM++ 2S a", "DPM++ 2S Karras", "ipndm", "ddom", "DPM fast", "Restart", "heunpp2"]
)
def test_another_method_is_never_offered(name):
    assert "?" not in refusal(name, own()).value.hint


@pytest.mark.parametrize("name", ["heun", "dpm_2", "LMS", "tcd", "lcm", "euler", "dpm++", "DDPM"])
def test_the_noise_schedule_of_the_model_survives_though_the_defaults_of_classes_differ(name):
    model = diffusers.DDIMScheduler(
        num_train_timesteps=200
    )  # as a config that leaves everything to the defaults
    made = make_scheduler(name, model)
    assert np.allclose(made.alphas_cumprod, model.alphas_cumprod)


@pytest.mark.parametrize("name", ["pndm", "heun", "lms", "dpm_2", "deis", "DPM++ SDE"])
def test_zero_terminal_snr_is_refused_where_a_class_has_no_room_for_it(name):
    error = refusal(name, diffusers.DDIMScheduler(**ZERO_SNR))
    assert explains(error, "rescale_betas_zero_snr", name)


@pytest.mark.parametrize("name", ["dpm++", "euler", "Euler a", "ddpm", "unipc", "lcm"])
def test_zero_terminal_snr_survives_elsewhere(name):
    made = make_scheduler(name, diffusers.DDIMScheduler(**ZERO_SNR))
    assert float(made.alphas_cumprod[-1]) < 1e-4
    assert made.config.prediction_type == "v_prediction"
    assert made.config.timestep_spacing == "trailing"


@pytest.mark.parametrize(
    "options",
    [
        {"use_karras_sigmas": True, "solver_order": 3},
        ["use_karras_sigmas=true", "solver_order=3"],
        "use_karras_sigmas=true, solver_order=3",
    ],
    ids=["mapping", "list", "text"],
)
def test_options_are_a_mapping_a_list_or_text(options):
    assert parse_options(options) == {"use_karras_sigmas": True, "solver_order": 3}
    made = make_scheduler("dpm++", own(), options)
    assert made.config.use_karras_sigmas and made.config.solver_order == 3
    assert sampling_options(made) == {
        "solver_order": 3, "steps_offset": 1, "use_karras_sigmas": True,
    }  # fmt: skip


def test_options_alone_change_the_scheduler_of_the_model():
    made = make_scheduler("", own(), "timestep_spacing=trailing")
    assert type(made) is diffusers.DDIMScheduler and made.config.timestep_spacing == "trailing"


def test_the_spacing_that_is_asked_for_replaces_that_of_the_model():
    model = diffusers.EulerDiscreteScheduler(use_karras_sigmas=True)
    made = make_scheduler("DPM++ 2M Exponential", model)
    assert made.config.use_exponential_sigmas and not made.config.use_karras_sigmas
    assert make_scheduler("dpm++", model).config.use_karras_sigmas


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ("karras=true", "no option karras"),
        ("use_karras_sigmas", "use_karras_sigmas"),
        ("use_karras_sigmas=2", "use_karras_sigmas = 2"),
        ("solver_order=1.5", "solver_order = 1.5"),
        ("timestep_spacing=", "timestep_spacing="),
        ("algorithm_type=best", "best"),
        ({"use_karras_sigmas": True, "use_beta_sigmas": True}, "use_karras_sigmas"),
    ],
    ids=str,
)
def test_an_option_that_the_class_has_not_is_refused_by_name(options, part):
    assert explains(refusal("dpm++", own(), options), part)


def test_a_value_that_shows_only_in_the_schedule_is_refused_too():
    with pytest.raises(ParameterError) as error:
        generators.load(scheduler="euler", scheduler_options="timestep_spacing=wide")
    assert explains(error, "wide")


@pytest.mark.parametrize(
    ("parameters", "limit"),
    [
        ({"scheduler": "lcm", "steps": 60}, "50"),
        ({"scheduler": "pndm", "scheduler_options": "skip_prk_steps=false", "steps": 3}, "4"),
    ],
    ids=str,
)
def test_steps_that_the_schedule_has_not_are_refused_at_load(parameters, limit):
    with pytest.raises(ParameterError) as error:
        generators.load(guidance_scale=1.0, **parameters)
    assert explains(error, f"{parameters['steps']} steps", limit)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_pndm_needs_no_minimum_of_steps(steps):
    check_steps(make_scheduler("pndm", own()), steps)


def test_a_scheduler_keeps_what_the_model_was_trained_for():
    model = own(prediction_type="v_prediction")
    made, same_one = make_scheduler("euler", model), make_scheduler("EulerDiscreteScheduler", model)
    assert made.config.prediction_type == "v_prediction"
    assert type(made) is type(same_one) and made.config == same_one.config


def test_the_settings_say_which_class_and_options_were_used():
    generator = generators.load(scheduler="DPM++ 2M SDE Karras")
    assert generator._text_to_image.scheduler.config.prediction_type == "v_prediction"
    settings = generator.settings
    assert settings["scheduler"] == "DPMSolverMultistepScheduler"
    options = {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True}
    assert options.items() <= settings["scheduler_options"].items()


@pytest.mark.parametrize(
    ("family", "name", "options", "expected"),
    [
        ("sd3", "Euler", "", "FlowMatchEulerDiscreteScheduler"),
        ("sd3", "Euler", "stochastic_sampling=true", "FlowMatchEulerDiscreteScheduler"),
        ("sd3", "heun", "", "FlowMatchHeunDiscreteScheduler"),
        ("sd3", "lcm", "", "FlowMatchLCMScheduler"),
        ("schnell", "lcm", "", "FlowMatchLCMScheduler"),
    ],
)
def test_a_model_of_flow_matching_takes_the_methods_that_exist_for_it(
    family, name, options, expected
):
    made = make_scheduler(name, FLOW, options)
    assert type(made).__name__ == expected
    assert depends_on_itself_alone(made, family)


def test_a_noisy_step_leaves_the_random_state_of_torch_alone():
    state = torch.get_rng_state()
    frames_beside(2, make_scheduler("lcm", FLOW), "sd3")
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["ddim", "DPM++ 2M Karras"])
def test_a_model_of_flow_matching_refuses_a_scheduler_made_for_others(name):
    assert explains(refusal(name, FLOW), repr(name), "FlowMatchEulerDiscreteScheduler")
