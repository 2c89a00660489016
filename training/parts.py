"""The parts of the embedded model and what they learn from, each made once and kept in a folder."""

import argparse
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

from training.adapter import References, sample_prompt
from training.image_encoder import embed_pictures, train_image_encoder
from training.scenes import Scene, paint_all, sample_scenes
from training.text import embed, train_text
from training.training_set import TrainingSet, make_shard, shard_scenes
from training.vae import train_vae

_SEEDS = {"autoencoder": 1, "image-encoder": 5, "clip": 4, "judge": 6, "prompts": 7}  # all unlike
_PROMPTS = 2  # of a scene whose picture the adapter learns from


def keep(folder: Path, make: Callable[[Path], object]) -> None:
    """Make a folder that appears only when it is complete, unless it is there."""
    if folder.exists():
        return
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    make(part)
    part.rename(folder)


def painted(options: argparse.Namespace, name: str) -> tuple[list[Scene], np.ndarray]:
    """The scenes of a stage, whose seed is its own, and their pictures, painted once."""
    scenes = sample_scenes(options.pictures, seed=_SEEDS[name])
    if name == "judge":  # of one or two words
        scenes = [s for s in sample_scenes(2 * options.pictures, _SEEDS[name]) if len(s.words) < 3]
    path = options.work / f"{name}-pictures.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new.npy")
        np.save(fresh, paint_all(scenes, options.processes))
        fresh.replace(path)
    return scenes, np.load(path, mmap_mode="r")


def text_encoder(options: argparse.Namespace) -> tuple[CLIPTextModel, CLIPTokenizer]:
    """The trained text encoder and its tokenizer."""

    def make(folder: Path) -> None:
        encoder, tokenizer = train_text(options.work, options.text_steps)
        encoder.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    folder = options.work / "text"
    keep(folder, make)
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    return CLIPTextModel.from_pretrained(folder, dtype=torch.float32).eval(), tokenizer


def autoencoder(options: argparse.Namespace) -> AutoencoderTiny:
    """The trained autoencoder, before its decoder is trained further."""

    def make(folder: Path) -> None:
        pictures = painted(options, "autoencoder")[1]
        train_vae(pictures, options.work, options.vae_steps).save_pretrained(folder)

    keep(options.work / "autoencoder", make)
    return AutoencoderTiny.from_pretrained(options.work / "autoencoder").eval()


def shard(options: argparse.Namespace, number: int) -> TrainingSet:
    """A part of the training set, made once and kept in a file."""
    path = options.work / "shards" / f"{number:03d}.safetensors"
    if not path.exists():
        encoder, tokenizer = text_encoder(options)
        parts = autoencoder(options).to(options.device), encoder.to(options.device), tokenizer
        make_shard(number, options.shard_size, *parts).save(path)
    return TrainingSet.load(path, options.device)


def image_encoder(options: argparse.Namespace) -> CLIPVisionModelWithProjection:
    """The trained image encoder of the IP-Adapter."""

    def make(folder: Path) -> None:
        sizes = options.image_encoder_steps, options.encoder_batch
        scenes, pictures = painted(options, "image-encoder")
        encoder = train_image_encoder(scenes, pictures, options.work, *sizes, options.device)
        encoder.save_pretrained(folder)

    folder = options.work / "image-encoder"
    keep(folder, make)
    return CLIPVisionModelWithProjection.from_pretrained(folder, dtype=torch.float32).eval()


def references(options: argparse.Namespace) -> References:
    """What the adapter learns from: the first shard, and of the others the scenes of two words.

    Each is asked for in several ways. Of two words one can stand beside a picture of the other,
    where nothing else tells what the picture adds.
    """
    path = options.work / "references.safetensors"
    shards = range(options.shards)
    chosen = [reference_scenes(i, options.shard_size) for i in shards]
    if not path.exists():
        scenes = [scene for part in chosen for scene in part.values()]
        save_file(_embed_prompts(options, scenes), path)
    latents = torch.cat([shard(options, i).latents.cpu()[list(chosen[i])] for i in shards])
    prompts = load_file(path)
    if len(prompts["embeds"]) != len(latents):
        raise ValueError(f"{path} is for other shards: remove it, and it is made anew")
    return References(latents, **prompts)


def reference_scenes(number: int, size: int) -> dict[int, Scene]:
    """The scenes of a shard that the adapter learns from, by their place in it."""
    scenes = enumerate(shard_scenes(number, size))
    return {i: scene for i, scene in scenes if number == 0 or len(scene.words) == 2}


def _embed_prompts(
    options: argparse.Namespace, scenes: Sequence[Scene], batch: int = 50
) -> dict[str, Tensor]:
    """The embeddings and text states of _PROMPTS random prompts for every scene, halves."""
    random = np.random.default_rng(_SEEDS["prompts"])
    prompts = [sample_prompt(scene, random) for scene in scenes for _ in range(_PROMPTS)]
    words, pictured = [words for words, _ in prompts], [scene for _, scene in prompts]
    text, tokenizer = text_encoder(options)
    text, images = text.to(options.device), image_encoder(options).to(options.device)
    parts = [slice(i, i + batch) for i in range(0, len(prompts), batch)]
    states = [embed(text, tokenizer, words[part]).half().cpu() for part in parts]
    pictures = paint_all(pictured, options.processes)
    tensors = {"embeds": embed_pictures(images, pictures).half(), "states": torch.cat(states)}
    return {name: value.unflatten(0, (len(scenes), _PROMPTS)) for name, value in tensors.items()}
