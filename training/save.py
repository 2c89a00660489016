"""What is shipped: the trained parts in the layout that diffusers and transformers read."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

import flopslab
from training.adapter import FOLDER, NAME
from training.clip import make_processor
from training.unet import make_scheduler

MODEL = Path(flopslab.__file__).parent / "tiny" / "model"
CLIP = Path(flopslab.__file__).parent / "tiny" / "clip"
DEFAULTS = {"steps": 6, "guidance_scale": 3.0}


def save_pipeline(
    out: Path,
    encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    vae: AutoencoderTiny,
    unet: UNet2DConditionModel,
    image_encoder: CLIPVisionModelWithProjection,
) -> None:
    """A Stable Diffusion directory in half precision, with the steps and guidance that suit it."""
    parts: dict[str, Any] = {
        "vae": vae,
        "text_encoder": encoder,
        "tokenizer": tokenizer,
        "unet": unet,
        "scheduler": make_scheduler(),
        "safety_checker": None,
        "feature_extractor": make_processor(),
        "image_encoder": image_encoder,
    }
    pipeline = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    pipeline.to(torch.float16).save_pretrained(out, safe_serialization=True)
    for part in ("text_encoder", "image_encoder"):
        load_in_single_precision(out / part / "config.json")
    index = out / "model_index.json"  # without torchvision the processor goes by another name
    index.write_text(index.read_text().replace("CLIPImageProcessorPil", "CLIPImageProcessor"))
    adapter = {"subfolder": FOLDER, "weight_name": NAME}
    (out / "flopslab.json").write_text(json.dumps(DEFAULTS | {"ip_adapter": adapter}) + "\n")


def load_in_single_precision(config: Path) -> None:
    """Have transformers load the weights beside a config in float32, as diffusers loads its own.

    Where nobody says in which precision, it takes the one that the config names; the weights
    themselves stay half as large.
    """
    fields = json.loads(config.read_text())
    config.write_text(json.dumps(fields | {"dtype": "float32"}, indent=2) + "\n")


def save_clip(out: Path, clip: CLIPModel, tokenizer: CLIPTokenizer) -> None:
    """A CLIP directory in half precision: both towers, tokenizer and image processor."""
    clip.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    make_processor().save_pretrained(out)
