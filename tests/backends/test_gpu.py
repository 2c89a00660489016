"""What only a real card can show. Skipped where there is none."""

import diffusers
import generators
import models
import numpy as np
import pytest
import torch
from generators import picture, request_of, same
from painted import pixels

from benchmarks.random_models import SD15_UNET, SDXL_UNET
from flopslab.passes import run
from flopslab.progress import NullProgress

pytestmark = [pytest.mark.gpu, pytest.mark.slow]


@pytest.mark.parametrize("family", models.FAMILIES)
@pytest.mark.parametrize("init", [None, picture(1)], ids=["from noise", "from an image"])
def test_a_frame_is_bit_equal_whoever_stands_beside(family, init):
    generator = generators.load_once(family)
    frames = [request_of(text, seed, init) for seed, text in enumerate(["sea", "stone", "x"])]
    batch = generator.generate(frames, 0.7)
    for frame, image in zip(frames, batch, strict=True):
        assert same(generator.generate([frame], 0.7)[0], image)


def test_the_batch_size_is_that_of_a_second_generator_in_the_same_process():
    sizes = [generators.load(batch_size=0).settings["batch_size"] for _ in range(2)]
    assert sizes[0] == sizes[1] >= 1


def test_a_resumed_run_equals_an_uninterrupted_one(study, tmp_path):
    study = study.replace(model=str(generators.directory("embedded")), method="latent")
    generator = generators.load_once("embedded")
    whole = study.replace(output_dir=str(tmp_path / "whole"))
    run(whole, generator, NullProgress())
    run(study.replace(limit=5), generator, NullProgress())
    run(study, generator, NullProgress())
    assert pixels(tmp_path / "run") == pixels(tmp_path / "whole")


@pytest.mark.parametrize(("options", "side"), [(SD15_UNET, 64), (SDXL_UNET, 128)])
def test_a_denoiser_of_full_size_makes_finite_numbers_in_bfloat16(options, side):
    with torch.device("cuda"):
        unet = diffusers.UNet2DConditionModel(**options).to(torch.bfloat16)
        width = options["cross_attention_dim"]
        latents = torch.randn(2, 4, side, side, dtype=torch.bfloat16)
        text = torch.randn(2, 77, width, dtype=torch.bfloat16)
        added = {
            "text_embeds": torch.randn(2, 1280, dtype=torch.bfloat16),
            "time_ids": torch.ones(2, 6, dtype=torch.bfloat16),
        }
    with torch.no_grad():
        noise = unet(latents, 500, text, added_cond_kwargs=added).sample
    assert np.isfinite(noise.float().cpu().numpy()).all()
