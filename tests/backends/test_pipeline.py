"""Frames of tiny random pipelines in the shapes of real families."""

import subprocess
import sys

import generators
import models
import numpy as np
import pytest
import torch
from generators import (
    BATCH,
    STEPS,
    DecoderOutputs,
    explains,
    nearly_same,
    picture,
    request_of,
    same,
)
from PIL import Image

from flopslab.backends.diffusers.init_images import encode_images
from flopslab.backends.diffusers.noise import Noise
from flopslab.core.generator import FrameRequest
from flopslab.core.prompts import Prompt
from flopslab.errors import ModelError, ParameterError


@pytest.fixture(params=models.FAMILIES)
def generator(request):
    return generators.load_once(request.param)


def difference(a, b):
    """Mean absolute difference in levels of 255."""
    return np.abs(np.asarray(a, dtype=float) - np.asarray(b, dtype=float)).mean()


@pytest.mark.parametrize("init", [None, picture(1)], ids=["from noise", "from an image"])
def test_a_frame_is_bit_equal_alone_among_others_and_in_another_order(generator, init):
    frames = [request_of(text, seed, init) for seed, text in enumerate(["sea", "old stone", "x"])]
    with DecoderOutputs(generator) as batch:
        generator.generate(frames, 0.7)
    for order in ([0], [1], [2], [2, 1], [1, 2, 0]):
        with DecoderOutputs(generator) as rows:
            generator.generate([frames[index] for index in order], 0.7)
        assert len(rows) == BATCH
        assert all(torch.equal(rows[k], batch[index]) for k, index in enumerate(order))


def test_requests_of_all_kinds_in_one_call_keep_their_order_and_their_pixels(generator):
    long = " ".join(["lighthouse"] * 12)  # two chunks of text
    kinds = [("sea", None), (long, None), ("sea", picture(2)), (long, picture(2)), ("sky", None)]
    frames = [request_of(text, seed, init) for seed, (text, init) in enumerate(kinds)]
    for frame, image in zip(frames, generator.generate(frames, 0.7), strict=True):
        assert same(image, generator.generate([frame], 0.7)[0])


def test_more_requests_than_a_batch_holds_are_made_in_several():
    frames = [request_of(seed=seed) for seed in range(BATCH + 1)]
    with DecoderOutputs(generators.load_once("embedded")) as rows:
        images = generators.load_once("embedded").generate(frames)
    assert len(rows) == 2 * BATCH and len({image.tobytes() for image in images}) == BATCH + 1


def test_no_request_makes_no_image():
    assert generators.load_once("embedded").generate([]) == []


def test_a_frame_repeats_with_its_seed_and_changes_with_it(generator):
    [first, second, third] = generator.generate([request_of(seed=seed) for seed in (5, 5, 2**62)])
    assert same(first, second) and not same(first, third)


def test_a_frame_leaves_the_global_random_state_and_the_threads_alone():
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    generators.load().generate([request_of(), request_of(init=picture(1))], 0.5)
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads


def encode_image(generator, image):
    pipes = generator._text_to_image, generator._image_to_image
    with torch.no_grad():
        return encode_images(pipes, [image], generator.size, torch.float32)


def test_noise_is_drawn_in_single_precision_on_the_cpu_one_generator_a_frame():
    noise = Noise([request_of(seed=seed) for seed in (7, 8)])
    start = generators.load_once("sd")._noise_arguments(noise)
    expected = torch.randn((1, 4, 4, 4), generator=torch.Generator().manual_seed(8))
    assert torch.equal(start["latents"][1:], expected)


def test_a_plain_prompt_gives_the_picture_of_the_pipeline_itself(generator):
    actual = generator.generate([request_of("a red house, dawn", seed=4)])[0]
    expected = generator._text_to_image(
        prompt=["a red house, dawn"] * BATCH,
        generator=[torch.Generator().manual_seed(4) for _ in range(BATCH)],
        num_inference_steps=STEPS,
    ).images[0]
    assert nearly_same(actual, expected)


def test_image_to_image_gives_the_picture_of_the_pipeline_itself():
    generator, init = generators.load_once("embedded"), picture(3)
    expected = generator._image_to_image(  # pyright: ignore[reportCallIssue]  # only its subclasses define __call__
        prompt=["sea"] * BATCH,
        image=[init] * BATCH,
        strength=2 / 3,
        generator=[torch.Generator().manual_seed(4) for _ in range(BATCH)],
        num_inference_steps=STEPS,
    ).images[0]
    assert same(generator.generate([request_of(seed=4, init=init)], 2 / 3)[0], expected)


def test_images_are_encoded_without_noise_at_the_scale_of_the_latents():
    generator, init = generators.load_once("sd"), picture(3)
    vae = generator._text_to_image.vae
    pixels = torch.from_numpy(np.array(init)).permute(2, 0, 1)[None] / 255 * 2 - 1
    with torch.no_grad():
        mean = vae.encode(pixels).latent_dist.mean
    latents = encode_image(generator, init)
    torch.testing.assert_close(latents, mean * vae.config.scaling_factor)


def test_a_lower_strength_runs_fewer_steps_and_keeps_more_of_the_image():
    generator, init = generators.load(steps=10), picture(3)
    calls = []
    generator._text_to_image.unet.register_forward_hook(lambda *_: calls.append(1))
    images = [generator.generate([request_of(init=init)], part)[0] for part in (0.2, 1.0)]
    assert len(calls) == 2 + 10
    start = generator._text_to_image.vae.decode(encode_image(generator, init)).sample[0]
    start = (start.detach().permute(1, 2, 0).numpy() / 2 + 0.5).clip(0, 1) * 255
    assert difference(images[0], start) < difference(images[1], start)


@pytest.mark.parametrize("scheduler", ["pndm", "heun"])
def test_steps_are_told_as_asked_though_the_scheduler_evaluates_more_often(scheduler):
    generator, told = generators.load(steps=4, scheduler=scheduler), []
    generator.on_step = lambda *step: told.append(step)
    generator.generate([request_of()])
    assert {*told} == {(1, 4), (2, 4), (3, 4), (4, 4)} and told == sorted(told)
    told.clear()
    generator.generate([request_of(init=picture(3))], 0.5)
    assert {*told} == {(1, 2), (2, 2)} and told == sorted(told)


def test_a_refinement_starts_between_two_steps_of_the_schedule():
    """Of a smaller strength more survives, though all run as many steps."""
    generator, init = generators.load_once("embedded"), picture(3)
    start = encode_image(generator, init).detach().numpy()[0]
    requests = [request_of(latents=start)]
    ends = [generator.generate_with_latents(requests, d)[1][0] for d in (0.02, 0.1, 0.2, 0.3)]
    distances = [float(np.abs(end - start).mean()) for end in ends]
    assert distances == sorted(distances) and distances[0] < distances[-1] / 3


def test_strength_has_no_meaning_without_an_image():
    images = [
        generators.load_once("embedded").generate([request_of()], part)[0] for part in (0.1, 1.0)
    ]
    assert same(*images)


def test_an_image_of_another_size_or_mode_is_fitted_to_the_model():
    large = picture(3).resize((64, 64), Image.Resampling.NEAREST).convert("RGBA")
    small = large.convert("RGB").resize((32, 32), Image.Resampling.LANCZOS)
    frames = [request_of(init=large), request_of(init=small)]
    assert same(*generators.load_once("embedded").generate(frames, 0.5))


def test_the_negative_prompt_changes_a_frame_and_may_be_the_longer_one():
    plain = generators.load_once("sd").generate([request_of()])[0]
    for negative in ("fog", " ".join(["lighthouse"] * 12)):
        generator = generators.load("sd", negative_prompt=negative)
        frames = [request_of(), request_of(" ".join(["harbour"] * 12))]
        images = generator.generate(frames)
        assert not same(images[0], plain)
        assert same(images[1], generator.generate(frames[1:])[0])


def test_a_transformer_pipeline_makes_frames_from_words_and_from_images():
    generator = generators.load_once("sd3")
    frames = [request_of(seed=1), request_of(seed=2), request_of(seed=3, init=picture(1))]
    images = generator.generate(frames, 0.7)
    assert generator.size == (32, 32) and len({image.tobytes() for image in images}) == 3
    for frame, image in zip(frames, images, strict=True):
        assert same(generator.generate([frame], 0.7)[0], image)


@pytest.mark.parametrize(
    "fragments, actual",
    [((("red", 1.0), ("sea", 1.4)), "weights"), ((("lighthouse" * 30, 1.0),), "tokens")],
)
def test_a_transformer_pipeline_refuses_what_it_would_drop_silently(fragments, actual):
    with pytest.raises(ParameterError) as error:
        generators.load_once("sd3").generate([FrameRequest(Prompt(fragments), 0)])
    assert explains(error, actual)


def test_loading_and_generating_print_nothing(capfd):
    generators.load().generate([request_of()])
    assert capfd.readouterr() == ("", "")


def test_the_generator_protocol_is_imported_without_torch():
    code = "import sys, flopslab.core.generator; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_frames_that_are_not_finite_are_an_error_not_black_pictures():
    generator = generators.load()
    generator._text_to_image.unet.conv_out.bias.data.fill_(torch.nan)
    with pytest.raises(ModelError) as error:
        generator.generate([request_of()])
    assert explains(error, "not finite", "guidance_scale")


def test_too_little_memory_is_an_error_that_offers_a_smaller_batch(monkeypatch):
    def exhaust_memory(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    generator = generators.load()
    monkeypatch.setattr(generator._text_to_image.unet, "forward", exhaust_memory)
    with pytest.raises(ModelError) as error:
        generator.generate([request_of()])
    assert explains(error, f"a batch of {BATCH} frames", "batch_size")


def test_other_errors_of_a_pipeline_are_not_called_a_lack_of_memory(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("shapes do not match")

    generator = generators.load()
    monkeypatch.setattr(generator._text_to_image.unet, "forward", fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        generator.generate([request_of()])
