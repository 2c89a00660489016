"""Samples of the embedded model: it, its words, and pictures of both painter and model."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from tqdm.auto import tqdm
from transformers import CLIPModel, CLIPTokenizer

from training.judge import load_judge
from training.painter import paint
from training.save import CLIP, MODEL
from training.vocabulary import meaning, vocabulary

UNSEEN = 10_000_000  # the first seed for measuring


def load_model(directory: Path = MODEL) -> StableDiffusionPipeline:
    """The embedded model as plain diffusers loads it, in single precision."""
    pipeline = StableDiffusionPipeline.from_pretrained(
        directory, dtype=torch.float32, safety_checker=None, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_clip(directory: Path = CLIP) -> tuple[CLIPModel, CLIPTokenizer]:
    """The model's CLIP in single precision, and its tokenizer."""
    clip = CLIPModel.from_pretrained(directory, dtype=torch.float32, local_files_only=True)
    return clip.eval(), CLIPTokenizer.from_pretrained(directory, local_files_only=True)


@cache
def taught_words() -> tuple[str, ...]:
    """The words of the table that the shipped model was taught, in the order of the table.

    It reads each as one token, and the judge that was trained with it knows the word's motif. The
    table may be ahead of the model: words that were given other motifs since do not count.
    """
    tokenizer = CLIPTokenizer.from_pretrained(MODEL / "tokenizer", local_files_only=True)
    motifs = load_judge().motifs
    return tuple(
        word
        for word in vocabulary()
        if meaning(word).motif in motifs and len(tokenizer.tokenize(word)) == 1
    )


def pictures(
    pipeline: Callable[..., Any],
    prompts: Sequence[str],
    seed: int,
    batch: int = 8,
    **others: Any,
) -> Iterator[Image.Image]:
    """A picture for each prompt, each with a seed of its own, at the model's usual settings.

    `others` go to the pipeline; a list among them is dealt out like the prompts.
    """
    usual = json.loads((MODEL / "flopslab.json").read_text())
    settings = {"guidance_scale": usual["guidance_scale"], "num_inference_steps": usual["steps"]}
    settings |= {key: value for key, value in others.items() if not isinstance(value, list)}
    for start in tqdm(range(0, len(prompts), batch), "pictures", mininterval=5):
        part = slice(start, min(start + batch, len(prompts)))
        dealt = {key: value[part] for key, value in others.items() if isinstance(value, list)}
        noise = [torch.Generator().manual_seed(seed + i) for i in range(part.start, part.stop)]
        yield from pipeline(list(prompts[part]), generator=noise, **settings, **dealt).images


def painted(words: Sequence[str], seed: int) -> list[Image.Image]:
    """The painter's own picture of each single word, each with a seed of its own."""
    seeds = range(seed, seed + len(words))
    return [paint([(w, 1.0)], np.random.default_rng(s)) for w, s in zip(words, seeds, strict=True)]


def some_words(count: int) -> list[str]:
    """Words evenly spread over the table: of many motifs and palettes."""
    words = list(taught_words())
    return words[:: len(words) // count][:count]
