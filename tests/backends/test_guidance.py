"""Guidance in some of the steps: it costs half after that, and frames stay independent."""

from dataclasses import replace

import generators
import models
import pytest
import torch
from generators import BATCH, DecoderOutputs, explains, picture, request_of, same

from flopslab.backends.diffusers import guidance, pipeline
from flopslab.core.compositing import Context
from flopslab.errors import ParameterError

STEPS = 4


@pytest.fixture(params=models.FAMILIES)
def family(request):
    return request.param


def load(family, **parameters):
    return generators.load_once(family, steps=STEPS, **parameters)


def rows(generator, request, strength=1.0) -> list[int]:
    """How many rows the UNet computes in each step."""
    counts = []
    hook = generator._text_to_image.unet.register_forward_pre_hook(
        lambda _, args: counts.append(len(args[0]))
    )
    generator.generate([request], strength)
    hook.remove()
    return counts


def test_the_steps_after_the_stop_compute_half_of_the_rows(family):
    generator = load(family, guidance_stop=0.5)
    full = rows(load(family), request_of())
    assert set(full) == {2 * BATCH}
    cutoff = rows(generator, request_of())
    half = round(len(full) / 2)
    assert cutoff == [2 * BATCH] * half + [BATCH] * (len(full) - half)
    again = rows(generator, request_of(init=picture(1)), 0.5)
    assert again[0] == 2 * BATCH and again[-1] == BATCH, "each call begins with guidance"


def test_at_least_the_first_step_is_guided(family):
    counts = rows(load(family, guidance_stop=0.01), request_of())
    assert counts[0] == 2 * BATCH and set(counts[1:]) == {BATCH}


@pytest.mark.parametrize("method", ["grid", "ip_adapter"])
@pytest.mark.parametrize("init", [None, picture(1)], ids=["from noise", "from an image"])
def test_each_frame_of_a_batch_keeps_its_own_words_and_references(family, method, init):
    generator = load(family, method=method, guidance_stop=0.5)
    frames = [
        request_of(text, seed, init, **references(seed) if method == "ip_adapter" else {})
        for seed, text in enumerate(["sea", "old stone", "x"])
    ]
    with DecoderOutputs(generator) as batch:
        generator.generate(frames, 0.7)
    for index in range(BATCH):
        with DecoderOutputs(generator) as rows:
            generator.generate([frames[index]], 0.7)
        assert torch.equal(rows[0], batch[index])


def references(seed: int) -> dict:
    pictures = (picture(seed), 0.5), (picture(seed + 1), 0.5)
    return {"references": pictures, "image_weight": 0.8}


def test_steps_without_guidance_are_those_of_scale_1(family):
    """One guided step, then what the positive prompt alone predicts."""
    cutoff, full = load(family, guidance_stop=0.01), load(family)
    plain = load(family, guidance_scale=1.0)
    images = [generator.generate([request_of()])[0] for generator in (cutoff, full, plain)]
    assert len({image.tobytes() for image in images}) == 3
    once = load(family, guidance_stop=0.01, guidance_scale=1.0).generate([request_of()])[0]
    assert same(once, images[2]), "without guidance there is nothing to stop"


def test_a_stop_at_the_end_is_no_stop(family):
    assert same(
        load(family, guidance_stop=1.0).generate([request_of()])[0],
        load(family).generate([request_of()])[0],
    )


def test_latents_are_those_that_the_picture_is_decoded_from(family):
    generator = load(family)
    images, latents = generator.generate_with_latents([request_of(), request_of(seed=1)])
    vae = generator._text_to_image.vae
    for image, frame in zip(images, latents, strict=True):
        assert frame.shape == (vae.config.latent_channels, 4, 4) and frame.dtype.name == "float32"
        assert generators.nearly_same(generator.decode(frame), image)


@pytest.mark.parametrize("stop", [1.0, 0.5])
def test_guidance_is_rescaled_in_refinement_as_in_the_first_pass(monkeypatch, stop):
    """The image-to-image call of Stable Diffusion 1 and 2 has no argument for it."""
    generator = load("sd", guidance_stop=stop)
    pipe, settings = generator._text_to_image, generator.settings
    rescaled = type(generator)(
        pipe, generator._image_to_image, settings | {"guidance_rescale": 0.7}
    )
    frames = [request_of(text, seed) for seed, text in enumerate(["sea", "stone", "x"])]
    with DecoderOutputs(generator) as outputs:
        rescaled.generate(frames)
        rescale = guidance.rescaled_guidance
        monkeypatch.setattr(
            pipeline, "rescaled_guidance", lambda pipe, _: rescale(NoArgument(pipe), 0.7)
        )
        generator.generate(frames)
    for one, other in zip(outputs[:BATCH], outputs[BATCH:], strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=0)
    monkeypatch.undo()
    start = request_of(init=picture(1))
    assert not same(generator.generate([start], 0.7)[0], rescaled.generate([start], 0.7)[0])
    assert not pipe.unet._forward_hooks


class NoArgument:
    """A pipeline whose call takes no argument."""

    def __init__(self, pipe) -> None:
        self._pipe = pipe

    def __call__(self) -> None: ...

    def __getattr__(self, name: str):
        return getattr(self._pipe, name)


def test_a_model_without_a_unet_refuses_guidance_that_stops():
    with pytest.raises(ParameterError) as error:
        generators.load("sd3", guidance_stop=0.5)
    assert explains(error, "StableDiffusion3Pipeline", "guidance_stop")


def test_latents_of_sixteen_channels_are_a_start_too():
    generator = load("sd3", method="latent", passes=2)
    images, latents = generator.generate_with_latents([request_of(), request_of(seed=1)])
    assert latents[0].shape[0] == 16
    starts = [Context(latents=frame) for frame in latents]
    again = generator.generate([replace(request_of(), context=start) for start in starts], 0.3)
    assert not any(same(one, other) for one, other in zip(images, again, strict=True))
    assert again[0].size == generator.size
