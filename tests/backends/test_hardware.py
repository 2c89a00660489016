"""Devices, memory and batch sizes: what is chosen, and what a lack of memory says."""

import generators
import models
import pytest
import torch
from generators import explains, picture, request_of

from flopslab.backends.diffusers.hardware import devices
from flopslab.backends.diffusers.hardware.batch import estimate_batch_size, probe_batch_size
from flopslab.backends.diffusers.hardware.memory import explain_memory_errors
from flopslab.backends.diffusers.hardware.placement import Hardware
from flopslab.backends.diffusers.hardware.transfer import download_levels, upload_pixels
from flopslab.backends.diffusers.text.embedding_cache import Embedding, EmbeddingCache
from flopslab.errors import FlopslabWarning, MemoryShortageError, ParameterError

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


def test_pixels_cross_the_bus_as_bytes_and_equal_those_of_diffusers():
    processor = generators.load_once("sd")._text_to_image.image_processor
    values = torch.linspace(0, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)
    [expected] = processor.numpy_to_pil(processor.pt_to_numpy(values))
    levels, is_finite = download_levels(values)
    assert levels[0].tobytes() == expected.tobytes() and is_finite
    assert not download_levels(torch.full((1, 3, 2, 2), torch.nan))[1]
    images = [picture(1), picture(2)]
    pixels = upload_pixels(images, torch.device("cpu"))
    assert torch.equal(pixels, processor.preprocess(images))


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_every_lack_of_memory_is_explained(error):
    with pytest.raises(MemoryShortageError) as raised, explain_memory_errors("the VAE"):
        raise error
    assert explains(raised, "the VAE", "offload")


@pytest.mark.parametrize(
    ("part", "place"),
    [("text_encoder", "text encoder"), ("unet", "a batch of 3"), ("vae.decoder", "the VAE")],
)
def test_a_lack_of_memory_names_the_part_that_had_it(monkeypatch, part, place):
    def exhaust(*_, **__):
        raise ERRORS[1]

    generator = generators.load()
    owner = generator._text_to_image
    for name in part.split("."):
        owner = getattr(owner, name)
    monkeypatch.setattr(owner, "forward", exhaust)
    with pytest.raises(MemoryShortageError) as error:
        generator.generate([request_of("unknown until now")])
    assert explains(error, place, "offload")


@pytest.mark.parametrize(
    ("function", "place"),
    [("loading.load", "the model"), ("ip_adapter.load", "the IP-Adapter")],
)
def test_a_lack_of_memory_while_loading_is_no_damage(monkeypatch, function, place):
    def exhaust(*_, **__):
        raise ERRORS[0]

    monkeypatch.setattr(f"flopslab.backends.diffusers.pipeline.{function}", exhaust)
    with pytest.raises(MemoryShortageError) as error:
        generators.load(method="ip_adapter")
    assert explains(error, place)


def test_the_probe_halves_until_a_batch_fits():
    sizes = []

    def attempt(size):
        sizes.append(size)
        if size > 4:
            raise MemoryShortageError("memory", "none", "less")

    assert probe_batch_size(attempt, 16) == 4 and sizes == [16, 8, 4]


def test_batches_on_a_cpu_are_small_enough_to_keep_its_cores_busy():
    sizes = [estimate_batch_size(side * side, torch.device("cpu")) for side in (64, 128, 512, 1024)]
    assert sizes == [4, 4, 2, 1]


def test_memory_that_torch_keeps_counts_as_free(monkeypatch):
    free, kept = 2 * 2**30, 6 * 2**30
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 8 * 2**30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: kept)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 0)
    small = estimate_batch_size(512 * 512, torch.device("cuda"))
    kept = 0
    assert (small, estimate_batch_size(512 * 512, torch.device("cuda"))) == (8, 2)


@pytest.mark.parametrize(
    ("device", "side", "tiles"), [("cuda", 1024, True), ("cuda", 512, False), ("cpu", 4096, False)]
)
def test_a_vae_decodes_in_tiles_where_one_frame_takes_half_of_a_card(
    monkeypatch, device, side, tiles
):
    """1,024 x 1,024 pixels take about 4 GiB; tiles change pixels, so the settings name them."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (0, 6 * 2**30))
    pipe = models.stable_diffusion()
    hardware = Hardware(torch.device(device), torch.float32)
    assert hardware.install((pipe, pipe), (side, side)) == ({"vae_tiling": True} if tiles else {})
    sides = []
    pipe.vae.decoder.register_forward_hook(lambda _, args, __: sides.append(args[0].shape[-1]))
    with torch.no_grad():
        assert pipe.vae.decode(torch.zeros(1, 4, 8, 8)).sample.shape == (1, 3, 64, 64)
    assert max(sides) == (4 if tiles else 8)


@pytest.mark.parametrize(("side", "slices"), [(128, [2]), (512, [1, 1])])
def test_a_vae_decodes_a_frame_of_512_pixels_at_a_time(side, slices):
    pipe = models.stable_diffusion()
    Hardware(torch.device("cpu"), torch.float32).install((pipe, pipe), (side, side))
    sizes = []
    pipe.vae.decoder.register_forward_hook(lambda _, args, __: sizes.append(len(args[0])))
    with torch.no_grad():
        assert pipe.vae.decode(torch.zeros(2, 4, 8, 8)).sample.shape == (2, 3, 64, 64)
    assert sizes == slices


def test_a_card_that_torch_cannot_use_is_a_warning_with_the_command(monkeypatch):
    monkeypatch.setattr(devices, "_has_nvidia_card", lambda: True)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.warns(FlopslabWarning, match="pip install torch"):
        assert devices.find_device().type in ("cpu", "mps")


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ParameterError) as error:
        generators.load(device="cuda:7")
    assert explains(error, "cuda:7")


def test_a_full_cache_keeps_what_a_scan_reads_again():
    calls = []

    def encode(group):
        for fragments in group:
            calls.append(fragments)
            yield Embedding(torch.zeros(1, 1, 1), None)

    cache = EmbeddingCache(encode, group=1, capacity=4 * 100)
    keys = [((str(number), 1.0),) for number in range(200)]
    for _ in range(2):
        for key in keys:
            cache.get(key)
    assert len(calls) == 200 + 100


@pytest.mark.parametrize(("visible", "names"), [(None, ["0", "1"]), ("5, 3", ["5", "3"])])
def test_cards_have_the_names_by_which_a_process_is_shown_one(monkeypatch, visible, names):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.list_cards() == names
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.list_cards() == []
