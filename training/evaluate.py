"""Measures the embedded model on seeds that no training saw.

Plain diffusers makes the pictures; two judges of different kinds that have seen only the painter's
name the motifs, an ideal observer tells what each word is worth, and the CLIP tells how alike
pictures and words are. `training.card` writes it all down.
"""

import time
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from diffusers import AutoPipelineForImage2Image, StableDiffusionPipeline
from PIL import Image
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn import functional

from training.clip import embed_pictures
from training.hog_judge import painted_judge
from training.judge import load_judge, name_motifs
from training.measures import psnr, sharpness
from training.observer import decide, sample_trials
from training.painter import paint
from training.samples import (
    UNSEEN,
    load_clip,
    painted,
    pictures,
    some_words,
    taught_words,
)
from training.vae import to_tensor
from training.vocabulary import meaning

JUDGES = ("network", "gradients")

# --- motifs -----------------------------------------------------------------------------------


def motif_accuracy(
    pipeline: StableDiffusionPipeline, words: Sequence[str], samples: int, judge: str = JUDGES[0]
) -> dict[str, float]:
    """The share of `samples` pictures of each word whose motif a judge names first, by word."""
    prompts = [word for word in words for _ in range(samples)]
    right = named_right(prompts, list(pictures(pipeline, prompts, UNSEEN)), judge)
    return dict(zip(words, right.reshape(len(words), samples).mean(1).tolist(), strict=True))


def named_right(
    words: Sequence[str], images: Sequence[Image.Image], judge: str = JUDGES[0]
) -> np.ndarray:
    """[n] bool: whether a judge names the motif of each word first in its picture."""
    names = [first for [first] in judgements(images, 1, judge)]
    return np.array([meaning(w).motif == name for w, name in zip(words, names, strict=True)])


def judgements(images: Sequence[Image.Image], most: int, judge: str = JUDGES[0]) -> list[list[str]]:
    """The `most` likeliest motifs of each picture, as a judge names them."""
    network = load_judge()
    if judge == "network":
        return name_motifs(network, images, most)
    return painted_judge(tuple(network.motifs)).name_motifs(images, most)


def judge_accuracy(samples: int, judge: str = JUDGES[0]) -> float:
    """The share of the painter's own pictures of single words that a judge names right."""
    words = list(taught_words()) * samples
    return float(named_right(words, painted(words, UNSEEN), judge).mean())


def group_accuracy(pipeline: StableDiffusionPipeline | None, length: int, count: int) -> float:
    """The share of words that the judge names, among as many motifs as there are words.

    `count` prompts of `length` words of different motifs. Without a pipeline: of the painter's own
    pictures, which says what the judge can tell.
    """
    groups = _groups(length, count)
    if pipeline is None:
        images = [_paint(group, UNSEEN + i) for i, group in enumerate(groups)]
    else:
        images = list(pictures(pipeline, [" ".join(group) for group in groups], UNSEEN))
    judged = zip(groups, judgements(images, length), strict=True)
    return float(np.mean([meaning(w).motif in names for group, names in judged for w in group]))


def _paint(words: Sequence[str], seed: int) -> Image.Image:
    return paint([(word, 1.0) for word in words], np.random.default_rng(seed))


def _groups(length: int, count: int) -> list[tuple[str, ...]]:
    """`count` groups of `length` words, no two of a group of one motif."""
    random, words, groups = np.random.default_rng(UNSEEN), taught_words(), []
    while len(groups) < count:
        group = tuple(str(word) for word in random.choice(words, length))
        if len({meaning(word).motif for word in group}) == length:
            groups.append(group)
    return groups


# --- windows ----------------------------------------------------------------------------------


def observed(pipeline: StableDiffusionPipeline, length: int, count: int = 40) -> dict[str, float]:
    """How often an ideal observer tells a picture's prompt from one with a word replaced."""
    trials = sample_trials(taught_words(), length, count)
    images = list(pictures(pipeline, [" ".join(trial.words) for trial in trials], UNSEEN))
    return decide(images, trials)


def crispness(pipeline: StableDiffusionPipeline, length: int, count: int = 32) -> dict[str, float]:
    """How sharp pictures of prompts of so many words are, the painter's being 1, and why.

    `model`: the pipeline's pictures; `autoencoder`: the painter's after encoding and decoding, and
    their `psnr` in dB.
    """
    trials = sample_trials(taught_words(), length, count, seed=1)
    paintings = [_paint(trial.words, UNSEEN + i) for i, trial in enumerate(trials)]
    images = list(pictures(pipeline, [" ".join(trial.words) for trial in trials], UNSEEN))
    decoded = reconstruct(pipeline, paintings)
    reference = sharpness(paintings)
    return {
        "model": sharpness(images) / reference,
        "autoencoder": sharpness(decoded) / reference,
        "psnr": psnr(decoded, paintings),
    }


@torch.no_grad()
def reconstruct(
    pipeline: StableDiffusionPipeline, images: Sequence[Image.Image]
) -> list[Image.Image]:
    """Pictures after encoding and decoding by the model's autoencoder."""
    tensor = to_tensor(np.stack([np.asarray(image) for image in images]))
    vae: Any = pipeline.vae
    decoded = vae.decode(vae.encode(tensor).latents).sample
    processor: Any = pipeline.image_processor
    return processor.postprocess(decoded, output_type="pil")


# --- layouts ----------------------------------------------------------------------------------


def diversity(pipeline: StableDiffusionPipeline, count: int = 40, samples: int = 4) -> float:
    """How far apart pictures of one word are, as a share of how far apart the painter's are."""
    words = some_words(count)
    prompts = [word for word in words for _ in range(samples)]
    images = list(pictures(pipeline, prompts, UNSEEN))
    return _spread(images, samples) / _spread(painted(prompts, UNSEEN), samples)


def _spread(images: Sequence[Image.Image], samples: int) -> float:
    """The mean distance (RMSE) of the pictures of one word from each other."""
    pixels = np.stack([np.asarray(image, np.float32) for image in images]) / 255
    groups = pixels.reshape(-1, samples, *pixels.shape[1:])
    pairs = list(combinations(range(samples), 2))
    return float(np.mean([((g[a] - g[b]) ** 2).mean() ** 0.5 for g in groups for a, b in pairs]))


# --- image to image ---------------------------------------------------------------------------


def image_to_image(
    pipeline: StableDiffusionPipeline, strength: float, count: int = 48
) -> dict[str, float]:
    """What image to image does to pictures of one word, given another.

    Structural similarity with the picture it started from and with one of another word, and the
    CLIP's similarity with the new word before and after.
    """
    words = some_words(2 * count)
    old, new = words[:count], words[count:]
    starts = list(pictures(pipeline, old, UNSEEN))
    refine = AutoPipelineForImage2Image.from_pipe(pipeline)
    images = list(pictures(refine, new, UNSEEN + count, image=starts, strength=strength))
    texts = embed_words(new)
    return {
        "ssim_with_start": _alike(images, starts),
        "ssim_with_another": _alike(images, starts[1:] + starts[:1]),
        "similarity_before": _matched(starts, texts),
        "similarity_after": _matched(images, texts),
    }


def _alike(a: Sequence[Image.Image], b: Sequence[Image.Image]) -> float:
    pairs = zip(map(np.asarray, a), map(np.asarray, b), strict=True)
    return float(np.mean([structural_similarity(x, y, channel_axis=2) for x, y in pairs]))


# --- the CLIP ---------------------------------------------------------------------------------


@torch.no_grad()
def embed_words(words: Sequence[str]) -> Tensor:
    """Unit vectors [n, WIDTH] of words."""
    model, tokenizer = load_clip()
    clip: Any = model
    ids = tokenizer(list(words), padding=True, return_tensors="pt").input_ids
    return functional.normalize(clip.get_text_features(input_ids=ids).pooler_output)


def embed_images(images: Sequence[Image.Image]) -> Tensor:
    """Unit vectors [n, WIDTH] of pictures."""
    clip, _ = load_clip()
    return functional.normalize(embed_pictures(clip, np.stack([np.asarray(i) for i in images])))


def _matched(images: Sequence[Image.Image], texts: Tensor) -> float:
    return float((embed_images(images) * texts).sum(1).mean())


def retrieval(images: Sequence[Image.Image], words: Sequence[str]) -> float:
    """The share of words whose own picture is the one nearest to them, top-1."""
    nearest = (embed_words(words) @ embed_images(images).T).argmax(1)
    return float((nearest == torch.arange(len(words))).float().mean())


def one_of_each_row(count: int = 100) -> list[str]:
    """Words that all look different: no two of one row of the table."""
    looks = {}
    for word in taught_words():
        what = meaning(word)
        looks[what.motif, what.texture, what.light, what.energy, what.place] = word
    words = list(looks.values())
    return sorted(np.random.default_rng(UNSEEN).choice(words, count, replace=False).tolist())


# --- speed ------------------------------------------------------------------------------------


def milliseconds_a_frame(pipeline: StableDiffusionPipeline, batch: int = 8) -> float:
    """Milliseconds a frame takes in a batch, at the usual settings: the best of three."""
    spent = []
    for seed in range(3):
        began = time.perf_counter()
        list(pictures(pipeline, some_words(batch), seed, batch))
        spent.append(time.perf_counter() - began)
    return 1000 * min(spent) / batch
