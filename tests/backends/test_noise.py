"""Noise that turns from one seed's to another's, for frames from noise and from pictures."""

from dataclasses import replace

import generators
import numpy as np
import pytest
import torch
from generators import picture, request_of, same

from flopslab.backends.diffusers.noise import Noise
from flopslab.core.generator import Turn
from flopslab.core.study import Study
from flopslab.errors import ParameterError
from flopslab.validation import check_capabilities


def turned(share, seed=1, to=2):
    noise = Noise([replace(request_of(seed=seed), turn=Turn(to, share))])
    shape = 1, 4, 100, 100
    return noise.turn(torch.randn(shape, generator=noise.generators[0]))[0]


def correlation(a, b):
    return float(np.corrcoef(a.flatten(), b.flatten())[0, 1])


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_noise_turns_at_constant_variance_from_one_draw_to_the_other(share):
    noise, angle = turned(share), share * np.pi / 2
    assert noise.std().item() == pytest.approx(1, abs=0.02)
    assert correlation(noise, turned(0)) == pytest.approx(np.cos(angle), abs=0.02)
    assert correlation(noise, turned(0, seed=2)) == pytest.approx(np.sin(angle), abs=0.02)


@pytest.mark.parametrize("init", [None, 3])
def test_a_frame_turns_with_its_noise_and_its_companions_do_not(init):
    generator, start = generators.load_once("embedded"), init and picture(init)
    plain = [request_of(seed=seed, init=start) for seed in (1, 2)]
    half = replace(plain[0], turn=Turn(5, 0.5))
    first, second = generator.generate(plain, 0.7)
    moved, companion = generator.generate([half, plain[1]], 0.7)
    assert not same(first, moved) and same(second, companion)
    assert same(generator.generate([half], 0.7)[0], moved)
    full = replace(plain[0], turn=Turn(2, 1.0))
    [end] = generator.generate([full], 0.7)
    assert np.abs(np.asarray(end, int) - np.asarray(second, int)).max() <= 1


def test_the_scheduler_is_as_before_afterwards():
    generator = generators.load_once("embedded")
    generator.generate([replace(request_of(init=picture(1)), turn=Turn(2, 0.5))], 0.7)
    for pipe in (generator._text_to_image, generator._image_to_image):
        assert not {"step", "add_noise"} & vars(pipe.scheduler).keys()


def test_a_model_that_draws_its_own_noise_refuses_noise_that_turns():
    study = Study.of(seed_policy="slerp")
    check_capabilities(study, generators.load_once("embedded").capabilities)
    with pytest.raises(ParameterError, match="seed_policy slerp"):
        check_capabilities(study, generators.load_once("sd3").capabilities)
