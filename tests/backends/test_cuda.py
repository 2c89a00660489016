"""The code for CUDA, run on a simulated card: what it computes, and what it costs."""

from collections.abc import Iterator

import generators
import models
import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_img2img
from generators import picture, prompt, request_of
from safetensors.torch import load_file, save_file
from simulated_cuda import NAME, Card, simulated_cuda

from flopslab.analysis.clip import ClipEmbedder
from flopslab.backends.diffusers.init_images import encode_images
from flopslab.core.generator import FrameRequest
from flopslab.core.prompts import BASIC_COLOURS

pytestmark = pytest.mark.slow

STEPS, BATCH = 2, 2
REFERENCES = ((picture(2), 0.5), (picture(3), 0.5))
STARTS = {
    "words": {},
    "image": {"init": picture(1)},
    "latents": {"latents": np.random.default_rng(0).normal(size=(4, 4, 4)).astype(np.float32)},
    "references": {"references": REFERENCES, "image_weight": 0.5},
}
FAMILIES = ["sd", "sdxl", "embedded", "sd3"]
CASES = [(f, s) for f in FAMILIES for s in STARTS if f != "sd3" or s in ("words", "image")]


@pytest.fixture(scope="module")
def clip_directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip")
    models.save_clip(path)
    return path


@pytest.fixture(scope="module")
def inversion(tmp_path_factory) -> str:
    """A textual inversion, x, of vectors that are those of the word sea."""
    [weights] = (generators.directory("sd") / "text_encoder").glob("*.safetensors")
    tensors, ids = load_file(weights), models.tokenizer()("sea", add_special_tokens=False).input_ids
    [rows] = [tensors[name][ids] for name in tensors if name.endswith("token_embedding.weight")]
    path = tmp_path_factory.mktemp("inversion") / "x.safetensors"
    save_file({"emb_params": rows.contiguous()}, path)
    return str(path)


@pytest.fixture(scope="module", autouse=True)
def card(clip_directory, inversion) -> Iterator[Card]:
    for family in FAMILIES:
        generators.directory(family)  # models are saved before there is a card
    with simulated_cuda() as card:
        yield card


def load(family: str, **parameters):
    method = {"method": "ip_adapter"} if family in models.FAMILIES else {}
    return generators.load(family, **{"steps": STEPS, "batch_size": BATCH} | method | parameters)


@pytest.fixture(scope="module")
def loaded(card) -> dict:
    return {family: load(family) for family in FAMILIES}


def frames(start: str) -> list[FrameRequest]:
    return [request_of(seed=seed, **STARTS[start]) for seed in range(BATCH)]


@pytest.mark.parametrize(("family", "start"), CASES)
def test_a_batch_makes_pictures_and_waits_for_nothing_but_its_two_downloads(
    loaded, card, family, start
):
    generator, requests = loaded[family], frames(start)
    generator._reference_arguments([request.context for request in requests])  # encoded once
    card.traffic.reset()
    images, latents = generator.generate_with_latents(requests, 1.0)
    assert all(np.asarray(image).std() > 5 for image in images)
    assert images[0].tobytes() != images[1].tobytes()
    assert (generator.settings["device"], generator.settings["dtype"]) == (NAME, "bfloat16")
    traffic = card.traffic
    searches = 2 if (family, start) == ("sd3", "words") else 0  # of its scheduler, for the start
    assert (traffic.waits, traffic.downloads) == (searches, 2)
    values = BATCH * latents[0].size
    assert traffic.downloaded_bytes == BATCH * 32 * 32 * 3 + 1 + 2 * values
    assert traffic.uploads <= UPLOADS[family]
    assert traffic.kernels <= KERNELS[family][start == "references"]


UPLOADS = {"sd": 9, "sdxl": 13, "embedded": 8, "sd3": 9}  # with a start; words alone take less
KERNELS = {"sd": (1700, 1890), "sdxl": (1240, 1340), "embedded": (1070, 1230), "sd3": (1040, 0)}


def test_an_init_image_is_uploaded_as_bytes(loaded, card):
    card.traffic.reset()
    with torch.no_grad():
        pipes = loaded["sd"]._text_to_image, loaded["sd"]._image_to_image
        encode_images(pipes, [picture(1), picture(2)], loaded["sd"].size, torch.bfloat16)
    assert card.traffic.uploaded_bytes == 2 * 32 * 32 * 3


def keep_pixels_on_the_cpu(generator, patch):
    upload = "flopslab.backends.diffusers.init_images.upload_pixels"
    patch.setattr(upload, lambda images, _: torch.zeros(len(images), 3, 32, 32))


def leave_pixels_in_float32(generator, patch):
    vae = generator._text_to_image.vae
    patch.setattr(vae, "encode", type(vae).encode.__get__(vae))


def forget_to_download(generator, patch):
    patch.setattr(torch.Tensor, "cpu", lambda self: self)


def forget_to_leave_bfloat16(generator, patch):
    patch.setattr(torch.Tensor, "float", lambda self: self)


def leave_tokens_on_the_cpu(generator, patch):
    for provider in generator._encoder._providers:
        patch.setattr(provider, "device", torch.device("cpu"))


def leave_references_on_the_cpu(generator, patch):
    patch.setattr(generator._adapter, "arguments", lambda _: {
        "ip_adapter_image_embeds": [torch.zeros(2 * BATCH, 1, models.WIDTH)]
    })  # fmt: skip


def leave_noise_on_the_cpu(generator, patch):
    patch.setattr(pipeline_stable_diffusion_img2img, "randn_tensor",
                  lambda shape, dtype, **_: torch.zeros(shape, dtype=dtype))  # fmt: skip


def take_latents_in_float16(generator, patch):
    arguments = generator._noise_arguments
    patch.setattr(generator, "_noise_arguments", lambda noise: {
        name: value.half() if name == "latents" else value
        for name, value in arguments(noise).items()
    })  # fmt: skip


def draw_on_the_card(generator, patch):
    patch.setattr(pipeline_stable_diffusion_img2img, "randn_tensor",
                  lambda shape, generator, device, dtype: torch.randn(
                      shape, generator=generator[0], device=device, dtype=dtype))  # fmt: skip


def leave_a_layer_on_the_cpu(generator, patch):
    layer = generator._text_to_image.vae.decoder.conv_out
    weight = torch.zeros(layer.weight.shape, dtype=layer.weight.dtype)
    patch.setitem(layer._parameters, "weight", torch.nn.Parameter(weight, requires_grad=False))


@pytest.mark.parametrize(
    ("plant", "start", "message"),
    [
        (keep_pixels_on_the_cpu, "image", "same device"),
        (leave_pixels_in_float32, "image", "type"),
        (forget_to_download, "words", "numpy"),
        (forget_to_leave_bfloat16, "words", "BFloat16"),
        (leave_tokens_on_the_cpu, "words", "same device"),
        (leave_references_on_the_cpu, "references", "same device"),
        (leave_noise_on_the_cpu, "image", "same device"),
        (take_latents_in_float16, "words", "type"),
        (draw_on_the_card, "image", "generator"),
        (leave_a_layer_on_the_cpu, "words", "same device"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_is_caught(loaded, monkeypatch, plant, start, message):
    generator = loaded["sd"]
    requests = [
        FrameRequest(prompt(plant.__name__), frame.seed, frame.context) for frame in frames(start)
    ]
    plant(generator, monkeypatch)
    with pytest.raises((RuntimeError, TypeError), match=message):
        generator.generate_with_latents(requests, 1.0)


def test_text_encoders_leave_the_card_and_come_back_for_new_prompts(loaded):
    generator = loaded["sdxl"]
    pipe = generator._text_to_image
    generator._encoder.length(prompt("a word never seen"))
    encoders = [pipe.text_encoder, pipe.text_encoder_2]
    assert {encoder.device.type for encoder in encoders} == {"cpu"}
    assert generator.nearest_colour(("sea",)) in BASIC_COLOURS
    assert pipe.unet.device.type == pipe.vae.device.type == "cuda"


def test_prompts_that_were_counted_are_encoded_together(loaded):
    generator, calls = loaded["sd"], []
    encode = generator._encoder._cache._encode
    generator._encoder._cache._encode = lambda group: calls.append(len(group)) or encode(group)
    prompts = [prompt(f"announced {number}") for number in range(5)]
    for text in prompts:
        generator.tokens(text)
    for text in prompts[:4]:
        generator._encoder.arguments([text])
    assert calls == [5]


def test_offload_changes_no_pixel(loaded):
    generator = load("embedded", offload="model")
    for start in ("image", "references"):
        images = [g.generate(frames(start), 1.0) for g in (loaded["embedded"], generator)]
        assert [i.tobytes() for i in images[0]] == [i.tobytes() for i in images[1]]
    assert generator.settings == loaded["embedded"].settings


def test_textual_inversions_and_rescaled_guidance_stay_on_the_card(inversion):
    generator = load("sd", textual_inversion=inversion, guidance_rescale=0.7)
    for start in ("words", "image"):
        pair = [request_of(text, **STARTS[start]) for text in ("sea", "x")]
        one, other = generator.generate(pair, 1.0)
        assert one.tobytes() == other.tobytes()


def test_the_batch_size_is_the_largest_that_a_trial_survives(loaded, card):
    generator = loaded["embedded"]
    card.traffic.reset()
    generator.generate(frames("words"))
    card.limit = card.traffic.largest_bytes * 5  # of a batch of two: ten frames
    try:
        size = load("embedded", batch_size=0).settings["batch_size"]
    finally:
        card.limit = float("inf")
    assert size == 8


def test_a_card_without_bfloat16_computes_in_float16_with_a_vae_in_float32(card):
    card.capability = (7, 5)
    try:
        generator = load("sd")
    finally:
        card.capability = (8, 6)
    assert generator.settings["dtype"] == "float16"
    assert generator._text_to_image.vae.dtype == torch.float32
    [image] = generator.generate(frames("image")[:1])
    assert np.asarray(image).std() > 5


def test_the_embedder_measures_on_a_card_what_it_measures_on_the_cpu(clip_directory, monkeypatch):
    on_card = ClipEmbedder.load(str(clip_directory))
    states = []
    on_card._model.vision_model.register_forward_hook(
        lambda *_: states.append(torch.backends.cudnn.allow_tf32)
    )
    actual = on_card.images([picture(0)]), on_card.texts(["sea"]), on_card.texts([])
    device = "flopslab.analysis.clip.find_device"
    monkeypatch.setattr(device, lambda: torch.device("cpu"))
    on_cpu = ClipEmbedder.load(str(clip_directory))
    expected = on_cpu.images([picture(0)]), on_cpu.texts(["sea"]), on_cpu.texts([])
    assert on_card._model.device.type == "cuda"
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert states == [False] and torch.backends.cudnn.allow_tf32
