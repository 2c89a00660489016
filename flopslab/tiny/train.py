"""Makes the embedded model from nothing: `python -m flopslab.tiny.train` (or `make tiny`).

Trains the text encoder, paints, trains autoencoder and UNet on the pictures, saves them in the
layout that diffusers reads, and trains the judge that tells motifs apart. An hour and a half on
two cores. Stopped and started again, it goes on from the last checkpoint.
"""

import argparse
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from flopslab.tiny.judge import WEIGHTS, Judge, save_judge, train_judge
from flopslab.tiny.scenes import Scene, paint_all, sample_scenes
from flopslab.tiny.text import train_text
from flopslab.tiny.unet import make_scheduler, prepare, train_unet
from flopslab.tiny.vae import psnr, train_vae

MODEL = Path(__file__).parent / "model"


def options(line: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says; the defaults are how the shipped model was made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=MODEL, help="directory of the model")
    parser.add_argument("--work", type=Path, default=Path("build/tiny"), help="checkpoints, data")
    parser.add_argument("--text-steps", type=int, default=2600)
    parser.add_argument("--vae-steps", type=int, default=4400)
    parser.add_argument("--unet-steps", type=int, default=4000)
    parser.add_argument("--judge-steps", type=int, default=1300)
    parser.add_argument("--pictures", type=int, default=28_000, help="painted to learn from")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args(line)


def painted(scenes: list[Scene], path: Path) -> np.ndarray:
    """The scenes' pictures, painted once and kept in a file."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new.npy")
        np.save(fresh, paint_all(scenes))
        fresh.replace(path)
    return np.load(path, mmap_mode="r")


def text_encoder(asked: argparse.Namespace) -> tuple[CLIPTextModel, CLIPTokenizer]:
    """The trained text encoder and its tokenizer."""
    folder = asked.work / "text"
    if not folder.exists():
        encoder, tokenizer = train_text(asked.work, asked.text_steps)
        _whole(
            folder, lambda part: (encoder.save_pretrained(part), tokenizer.save_pretrained(part))
        )
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    return CLIPTextModel.from_pretrained(folder, dtype=torch.float32).eval(), tokenizer


def autoencoder(asked: argparse.Namespace, pictures: np.ndarray) -> AutoencoderTiny:
    """The trained autoencoder."""
    folder = asked.work / "autoencoder"
    if not folder.exists():
        trained = train_vae(pictures, asked.work, asked.vae_steps)
        _whole(folder, trained.save_pretrained)
    return AutoencoderTiny.from_pretrained(folder).eval()


def _whole(folder: Path, save: Callable[[Path], object]) -> None:
    """Save into a folder that appears only when it is complete."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    save(part)
    part.rename(folder)


def save_pipeline(
    out: Path,
    encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    vae: AutoencoderTiny,
    unet: UNet2DConditionModel,
) -> None:
    """A Stable Diffusion directory in half precision, with the steps and guidance that suit it."""
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(out, safe_serialization=True)
    (out / "flopslab.json").write_text(json.dumps({"steps": 12, "guidance_scale": 3.0}) + "\n")


def judge_of(scenes: list[Scene], pictures: np.ndarray, asked: argparse.Namespace) -> Judge:
    """A judge trained on the scenes of one or two words."""
    few = [i for i, scene in enumerate(scenes) if len(scene.words) <= 2][:9000]
    return train_judge([scenes[i] for i in few], pictures[few], asked.work, asked.judge_steps)


def main(line: Sequence[str] | None = None) -> None:
    asked = options(line)
    torch.set_num_threads(asked.threads)
    encoder, tokenizer = text_encoder(asked)
    scenes = sample_scenes(asked.pictures, seed=2)
    pictures = painted(scenes, asked.work / "pictures.npy")
    vae = autoencoder(asked, pictures)
    unseen = paint_all(sample_scenes(64, seed=99))
    print(f"autoencoder: {psnr(vae, unseen):.1f} dB on pictures it has not seen")
    lesson = prepare(scenes, pictures, vae, encoder, tokenizer)
    unet = train_unet(lesson, asked.work, asked.unet_steps)
    save_pipeline(asked.out, encoder, tokenizer, vae, unet)
    save_judge(judge_of(scenes, pictures, asked), asked.out.parent / WEIGHTS.name)


if __name__ == "__main__":
    main()
