"""Tiny pipelines with random weights in the shapes of real families, built offline in code.

Importing this module sets torch to one thread, so that pixels repeat, and the hub to offline.
"""

# diffusers loads its public classes lazily, so that they look private:
# pyright: reportPrivateImportUsage=false

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported

import diffusers
import torch
from safetensors.torch import save_file
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

torch.set_num_threads(1)

WIDTH = 32  # of a text encoder
START, END = "<|startoftext|>", "<|endoftext|>"
_NO_CHECKER = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def tokenizer() -> CLIPTokenizer:
    """CLIP's byte-level tokenizer without merges: a token for each byte of a word."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    symbols = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(rest))]
    vocabulary = [*symbols, *(symbol + "</w>" for symbol in symbols), START, END]
    ids = {token: index for index, token in enumerate(vocabulary)}
    return CLIPTokenizer(vocab=ids, merges=[], model_max_length=77)


def text_encoder() -> CLIPTextModel:
    return CLIPTextModel(text_config())


def projection_text_encoder() -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(text_config())


def text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=514,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=WIDTH,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
        initializer_factor=10.0,  # strong enough that prompts matter
    )


def clip() -> CLIPModel:
    """Like CLIP ViT-B/32, for images of 32 x 32 pixels."""
    return CLIPModel(
        CLIPConfig(
            text_config=text_config().to_dict(),
            vision_config=vision_config(2).to_dict(),
            projection_dim=WIDTH,
            initializer_factor=10.0,
        )
    )


def vision_config(layers: int) -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        projection_dim=WIDTH,
        image_size=32,
        patch_size=8,
        initializer_factor=10.0,
    )


def unet(width: int = WIDTH, **options: Any) -> diffusers.UNet2DConditionModel:
    return diffusers.UNet2DConditionModel(
        sample_size=4,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=8,
        norm_num_groups=8,
        **options,
    )


def vae(levels: int = 4, **options: Any) -> diffusers.AutoencoderKL:
    options |= {
        "block_out_channels": (16,) * levels,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
    }
    return diffusers.AutoencoderKL(norm_num_groups=8, **options)


def tiny_vae() -> diffusers.AutoencoderTiny:
    autoencoder = diffusers.AutoencoderTiny(
        encoder_block_out_channels=(16,) * 4,
        decoder_block_out_channels=(16,) * 4,
        num_encoder_blocks=(1,) * 4,
        num_decoder_blocks=(1,) * 4,
    )
    convolution = autoencoder.decoder.layers[-1]
    assert isinstance(convolution, torch.nn.Conv2d)
    with torch.no_grad():
        convolution.weight *= 30  # more contrast
    return autoencoder


def stable_diffusion() -> diffusers.StableDiffusionPipeline:
    """Like Stable Diffusion 1.5."""
    scheduler: Any = diffusers.PNDMScheduler(skip_prk_steps=True, steps_offset=1)
    return diffusers.StableDiffusionPipeline(
        vae(), text_encoder(), tokenizer(), unet(), scheduler, **_NO_CHECKER
    )


def stable_diffusion_xl() -> diffusers.StableDiffusionXLPipeline:
    """Like Stable Diffusion XL: two text encoders, sizes among the conditions."""
    second = tokenizer()
    second.pad_token = "!"
    conditions = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + WIDTH,
    }
    scheduler: Any = diffusers.EulerDiscreteScheduler(steps_offset=1)
    return diffusers.StableDiffusionXLPipeline(
        vae(),
        text_encoder(),
        projection_text_encoder(),
        tokenizer(),
        second,
        unet(2 * WIDTH, **conditions),
        scheduler,
        add_watermarker=False,
    )


def embedded() -> diffusers.StableDiffusionPipeline:
    """Like the embedded model: a tiny autoencoder, v-prediction."""
    scheduler: Any = diffusers.DDIMScheduler(
        prediction_type="v_prediction", steps_offset=1, clip_sample=False
    )
    autoencoder: Any = tiny_vae()  # diffusers declares an AutoencoderKL, and an enum of schedulers
    return diffusers.StableDiffusionPipeline(
        autoencoder, text_encoder(), tokenizer(), unet(), scheduler, **_NO_CHECKER
    )


def t5() -> tuple[T5EncoderModel, T5Tokenizer]:
    pieces = ["<pad>", "</s>", "<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz"]
    config = T5Config(
        vocab_size=len(pieces), d_model=2 * WIDTH, d_kv=16, d_ff=64, num_layers=1, num_heads=4
    )
    vocabulary = [(piece, -1.0) for piece in pieces]
    return T5EncoderModel(config), T5Tokenizer(vocab=vocabulary, extra_ids=0, model_max_length=512)


def stable_diffusion_3() -> diffusers.StableDiffusion3Pipeline:
    """Like Stable Diffusion 3: a transformer on 16 latent channels, three text encoders."""
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=4,
        patch_size=1,
        in_channels=16,
        out_channels=16,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=2 * WIDTH,
        pooled_projection_dim=2 * WIDTH,
    )
    third, third_tokenizer = t5()
    return diffusers.StableDiffusion3Pipeline(
        transformer,
        diffusers.FlowMatchEulerDiscreteScheduler(),
        vae(latent_channels=16, shift_factor=0.1),
        projection_text_encoder(),
        tokenizer(),
        projection_text_encoder(),
        tokenizer(),
        third,
        third_tokenizer,
    )


def stable_diffusion_2() -> diffusers.StableDiffusionPipeline:
    """Like Stable Diffusion 2 with v-prediction and zero terminal signal-to-noise ratio."""
    pipe = stable_diffusion()
    pipe.scheduler = diffusers.DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
    )
    return pipe


def sdxl_turbo() -> diffusers.StableDiffusionXLPipeline:
    """Like SDXL-Turbo: SDXL with the scheduler that it was distilled for."""
    pipe = stable_diffusion_xl()
    pipe.scheduler = diffusers.EulerAncestralDiscreteScheduler(timestep_spacing="trailing")
    return pipe


def latent_consistency() -> diffusers.LatentConsistencyModelPipeline:
    """Like LCM: the UNet is told the guidance scale."""
    denoiser = unet(time_cond_proj_dim=32)
    scheduler: Any = diffusers.LCMScheduler()
    return diffusers.LatentConsistencyModelPipeline(
        vae(), text_encoder(), tokenizer(), denoiser, scheduler, **_NO_CHECKER
    )


def flux(guidance_embeds: bool = True) -> diffusers.FluxPipeline:
    """Like Flux: packed latents, CLIP and T5; without `guidance_embeds` like schnell."""
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=2 * WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=guidance_embeds,
    )
    second, second_tokenizer = t5()
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=guidance_embeds)
    autoencoder = vae(latent_channels=16, shift_factor=0.1)
    first = text_encoder(), tokenizer()
    return diffusers.FluxPipeline(
        scheduler, autoencoder, *first, second, second_tokenizer, transformer
    )


def flux_schnell() -> diffusers.FluxPipeline:
    return flux(guidance_embeds=False)


def pixart() -> diffusers.PixArtSigmaPipeline:
    """Like PixArt-Sigma, which has no image-to-image pipeline."""
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=4,
        patch_size=2,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        cross_attention_dim=32,
        caption_channels=2 * WIDTH,
        in_channels=4,
        out_channels=8,
    )
    encoder, t5_tokenizer = t5()
    scheduler: Any = diffusers.DPMSolverMultistepScheduler()
    return diffusers.PixArtSigmaPipeline(t5_tokenizer, encoder, vae(), transformer, scheduler)


def sana() -> diffusers.SanaPipeline:
    """Like Sana: linear attention, a deep-compression autoencoder, Gemma."""
    transformer = diffusers.SanaTransformer2DModel(
        sample_size=4,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        num_cross_attention_heads=4,
        cross_attention_head_dim=8,
        cross_attention_dim=32,
        caption_channels=WIDTH,
    )
    blocks: Any = {
        f"{part}_{name}": value
        for part in ("encoder", "decoder")
        for name, value in {
            "block_types": ("ResBlock",) * 4,
            "block_out_channels": (8,) * 4,
            "qkv_multiscales": ((),) * 4,
            "layers_per_block": (1,) * 4,
        }.items()
    }
    autoencoder = diffusers.AutoencoderDC(
        latent_channels=4, attention_head_dim=4, downsample_block_type="conv", **blocks
    )
    characters = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *map(chr, range(33, 127))]
    words = GemmaTokenizer(vocab={c: n for n, c in enumerate(characters)}, merges=[])
    config = Gemma2Config(
        vocab_size=len(words),
        hidden_size=WIDTH,
        head_dim=16,
        intermediate_size=64,
        num_attention_heads=2,
        num_key_value_heads=2,
        num_hidden_layers=1,
    )
    scheduler: Any = diffusers.FlowMatchEulerDiscreteScheduler()
    return diffusers.SanaPipeline(words, Gemma2Model(config), autoencoder, transformer, scheduler)


FAMILIES = {"sd": stable_diffusion, "sdxl": stable_diffusion_xl, "embedded": embedded}
ALL = FAMILIES | {
    "sd2": stable_diffusion_2,
    "turbo": sdxl_turbo,
    "lcm": latent_consistency,
    "sd3": stable_diffusion_3,
    "flux": flux,
    "schnell": flux_schnell,
    "pixart": pixart,
    "sana": sana,
}


def image_encoder() -> CLIPVisionModelWithProjection:
    return CLIPVisionModelWithProjection(vision_config(1))


def ip_adapter(denoiser: diffusers.UNet2DConditionModel) -> dict[str, torch.Tensor]:
    """An adapter in the layout of IP-Adapter for SD 1.5: four tokens for an image."""
    width = denoiser.config["cross_attention_dim"]
    tensors = {
        "image_proj.proj.weight": torch.randn(4 * width, WIDTH),
        "image_proj.proj.bias": torch.randn(4 * width),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    order = [name for name in denoiser.attn_processors if name.endswith("attn2.processor")]
    for index, name in enumerate(order):
        layer = denoiser.get_submodule(name.removesuffix(".processor"))
        for kind in ("to_k", "to_v"):
            weight = torch.randn_like(getattr(layer, kind).weight) / width**0.5
            tensors[f"ip_adapter.{2 * index + 1}.{kind}_ip.weight"] = weight
    return tensors


def save_with_adapter(
    build: Callable[[], diffusers.DiffusionPipeline], directory: os.PathLike
) -> None:
    """The pipeline as `save` writes it, and the adapter that its flopslab.json names."""
    save(build, directory)
    root = Path(directory)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        denoiser = diffusers.UNet2DConditionModel.from_pretrained(root, subfolder="unet")
        image_encoder().save_pretrained(root / "image_encoder")
        CLIPImageProcessor(size=32, crop_size=32).save_pretrained(root / "feature_extractor")
        (root / "ip_adapter").mkdir()
        save_file(ip_adapter(denoiser), root / "ip_adapter" / "adapter.safetensors")
    index = json.loads((root / "model_index.json").read_text())
    index["image_encoder"] = ["transformers", "CLIPVisionModelWithProjection"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    (root / "model_index.json").write_text(json.dumps(index))
    entry = {"subfolder": "ip_adapter", "weight_name": "adapter.safetensors"}
    (root / "flopslab.json").write_text(json.dumps({"ip_adapter": entry}))


def save(build: Callable[[], diffusers.DiffusionPipeline], directory: os.PathLike) -> None:
    """Build a pipeline, always with the same weights, and save it to the directory."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        build().save_pretrained(directory)


def save_clip(directory: os.PathLike) -> None:
    """A CLIP, always with the same weights, as `flopslab.analysis.embedder` reads it."""
    size: dict[str, Any] = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    parts = [tokenizer(), CLIPImageProcessorPil(**size)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts.append(clip())
    for part in parts:
        part.save_pretrained(directory)
