"""Stable Diffusion 1.5 and XL at full size with random weights: nothing is downloaded.

Random weights take as long to compute as trained ones. The sizes are those of the models' published
configurations; the tokenizer is the embedded model's.
"""

# diffusers loads its public classes lazily, so that they look private:
# pyright: reportPrivateImportUsage=false

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import diffusers
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from flopslab.backends.diffusers.loading.directory import TINY_MODEL

SD15_UNET: dict[str, Any] = {"sample_size": 64, "cross_attention_dim": 768}
SDXL_UNET: dict[str, Any] = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
CLIP_L = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
}
CLIP_BIG_G = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "projection_dim": 1280,
    "hidden_act": "gelu",
}
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
NOISE: dict[str, Any] = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
}


class RandomModel(NamedTuple):
    """A model that `build` makes on a device, and the side of its pictures in pixels."""

    side: int
    build: Callable[[str], DiffusionPipeline]

    def save(self, directory: Path) -> None:
        """Write it in bfloat16 for `load_generator`; made on the card, which is fast."""
        pipe: Any = self.build("cuda")
        pipe.to("cpu", torch.bfloat16).save_pretrained(directory)


def stable_diffusion(device: str) -> diffusers.StableDiffusionPipeline:
    """Stable Diffusion 1.5."""
    with torch.device(device):
        autoencoder, encoder = vae(0.18215, 512), CLIPTextModel(text_config(CLIP_L))
        unet = diffusers.UNet2DConditionModel(**SD15_UNET)
    no_checker: Any = {"safety_checker": None, "feature_extractor": None}
    return diffusers.StableDiffusionPipeline(
        autoencoder,
        encoder,
        tokenizer(),
        unet,
        scheduler(),
        requires_safety_checker=False,
        **no_checker,
    )


def stable_diffusion_xl(device: str) -> diffusers.StableDiffusionXLPipeline:
    """Stable Diffusion XL."""
    with torch.device(device):
        autoencoder = vae(0.13025, 1024, force_upcast=True)
        encoder = CLIPTextModel(text_config(CLIP_L))
        second = CLIPTextModelWithProjection(text_config(CLIP_BIG_G))
        unet = diffusers.UNet2DConditionModel(**SDXL_UNET)
    words = tokenizer(), tokenizer()
    return diffusers.StableDiffusionXLPipeline(
        autoencoder, encoder, second, *words, unet, scheduler(), add_watermarker=False
    )


MODELS = {
    "sd15": RandomModel(512, stable_diffusion),
    "sdxl": RandomModel(1024, stable_diffusion_xl),
}


def tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(TINY_MODEL / "tokenizer")


def text_config(sizes: dict[str, Any]) -> CLIPTextConfig:
    words = tokenizer()
    ends = {name: getattr(words, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return CLIPTextConfig(vocab_size=49408, **ends, **sizes)


def vae(scaling_factor: float, side: int, **options: Any) -> diffusers.AutoencoderKL:
    options |= {"scaling_factor": scaling_factor, "sample_size": side}
    return diffusers.AutoencoderKL(**VAE, **options)


def scheduler() -> Any:  # diffusers declares an enum of schedulers
    return diffusers.DPMSolverMultistepScheduler(**NOISE)
