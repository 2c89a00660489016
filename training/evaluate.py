"""Measures the embedded model on seeds that no training saw.

Plain diffusers makes the pictures; a judge that has seen only the painter's names the motifs, and
the model's CLIP tells how alike pictures and words are. `training.card` writes it all down.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoPipelineForImage2Image, StableDiffusionPipeline
from PIL import Image
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn import functional
from tqdm.auto import tqdm
from transformers import CLIPModel, CLIPTokenizer

from training.adapter import FOLDER, NAME
from training.clip import embed_pictures
from training.judge import load_judge, named
from training.painter import paint
from training.train import CLIP, MODEL
from training.vocabulary import meaning, vocabulary

_UNSEEN = 10_000_000  # the first seed for measuring


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


# --- motifs -----------------------------------------------------------------------------------


def motif_accuracy(
    pipeline: StableDiffusionPipeline, words: Sequence[str], samples: int
) -> dict[str, float]:
    """The share of `samples` pictures of each word whose motif the judge names first, by word."""
    prompts = [word for word in words for _ in range(samples)]
    right = _named_right(prompts, pictures(pipeline, prompts, _UNSEEN))
    return dict(zip(words, right.reshape(len(words), samples).mean(1).tolist(), strict=True))


def _named_right(words: Sequence[str], made: Iterator[Image.Image]) -> np.ndarray:
    told = [first for [first] in named(load_judge(), list(made))]
    return np.array([meaning(w).motif == t for w, t in zip(words, told, strict=True)])


def judge_accuracy(samples: int) -> float:
    """The share of the painter's own pictures of single words that the judge names right."""
    words = list(vocabulary()) * samples
    return float(_named_right(words, iter(painted(words, _UNSEEN))).mean())


def pair_accuracy(pipeline: StableDiffusionPipeline, count: int) -> float:
    """The share of the words of random pairs, of two motifs, among the judge's first two."""
    random, words, pairs = np.random.default_rng(_UNSEEN), list(vocabulary()), []
    while len(pairs) < count:
        a, b = random.choice(words, 2)
        if meaning(a).motif != meaning(b).motif:
            pairs.append((str(a), str(b)))
    made = pictures(pipeline, [" ".join(pair) for pair in pairs], _UNSEEN)
    told = named(load_judge(), list(made), most=2)
    return float(
        np.mean([meaning(w).motif in t for p, t in zip(pairs, told, strict=True) for w in p])
    )


# --- layouts ----------------------------------------------------------------------------------


def diversity(pipeline: StableDiffusionPipeline, count: int = 40, samples: int = 4) -> float:
    """How far apart pictures of one word are, as a share of how far apart the painter's are."""
    words = _some_words(count)
    prompts = [word for word in words for _ in range(samples)]
    made = list(pictures(pipeline, prompts, _UNSEEN))
    return _spread(made, samples) / _spread(painted(prompts, _UNSEEN), samples)


def _spread(made: Sequence[Image.Image], samples: int) -> float:
    """The mean distance (RMSE) of the pictures of one word from each other."""
    pixels = np.stack([np.asarray(image, np.float32) for image in made]) / 255
    groups = pixels.reshape(-1, samples, *pixels.shape[1:])
    pairs = list(combinations(range(samples), 2))
    return float(np.mean([((g[a] - g[b]) ** 2).mean() ** 0.5 for g in groups for a, b in pairs]))


def _some_words(count: int) -> list[str]:
    """Words evenly spread over the table: of many motifs and palettes."""
    words = list(vocabulary())
    return words[:: len(words) // count][:count]


# --- image to image ---------------------------------------------------------------------------


def image_to_image(
    pipeline: StableDiffusionPipeline, strength: float, count: int = 48
) -> dict[str, float]:
    """What image to image does to pictures of one word, given another.

    Structural similarity with the picture it started from and with one of another word, and the
    CLIP's similarity with the new word before and after.
    """
    words = _some_words(2 * count)
    old, new = words[:count], words[count:]
    starts = list(pictures(pipeline, old, _UNSEEN))
    refine = AutoPipelineForImage2Image.from_pipe(pipeline)
    made = list(pictures(refine, new, _UNSEEN + count, image=starts, strength=strength))
    texts = embed_words(new)
    return {
        "ssim_with_start": _alike(made, starts),
        "ssim_with_another": _alike(made, starts[1:] + starts[:1]),
        "similarity_before": _matched(starts, texts),
        "similarity_after": _matched(made, texts),
    }


def _alike(a: Sequence[Image.Image], b: Sequence[Image.Image]) -> float:
    pairs = zip(map(np.asarray, a), map(np.asarray, b), strict=True)
    return float(np.mean([structural_similarity(x, y, channel_axis=2) for x, y in pairs]))


# --- the CLIP ---------------------------------------------------------------------------------


@torch.no_grad()
def embed_words(words: Sequence[str]) -> Tensor:
    """Unit vectors [n, WIDTH] of words."""
    clip, tokenizer = load_clip()
    ids = tokenizer(list(words), padding=True, return_tensors="pt").input_ids
    return functional.normalize(clip.get_text_features(input_ids=ids).pooler_output)


def embed_images(made: Sequence[Image.Image]) -> Tensor:
    """Unit vectors [n, WIDTH] of pictures."""
    clip, _ = load_clip()
    return functional.normalize(embed_pictures(clip, np.stack([np.asarray(i) for i in made])))


def _matched(made: Sequence[Image.Image], texts: Tensor) -> float:
    return float((embed_images(made) * texts).sum(1).mean())


def retrieval(made: Sequence[Image.Image], words: Sequence[str]) -> float:
    """The share of words whose own picture is the one nearest to them, top-1."""
    nearest = (embed_words(words) @ embed_images(made).T).argmax(1)
    return float((nearest == torch.arange(len(words))).float().mean())


def one_of_each_row(count: int = 100) -> list[str]:
    """Words that all look different: no two of one row of the table."""
    looks = {
        (w.motif, w.texture, w.light, w.energy, w.place): word for word, w in vocabulary().items()
    }
    words = list(looks.values())
    return sorted(np.random.default_rng(_UNSEEN).choice(words, count, replace=False).tolist())


# --- the IP-Adapter ---------------------------------------------------------------------------


def adapter_accuracy(weight: float, count: int = 96) -> float:
    """The share of painted references whose motif is named in the picture made from it alone."""
    pipeline = load_model()
    pipeline.load_ip_adapter(MODEL, subfolder=FOLDER, weight_name=NAME)
    pipeline.set_ip_adapter_scale(weight)
    words = _some_words(count)
    references = painted(words, _UNSEEN)
    made = [
        next(pictures(pipeline, [""], _UNSEEN + i, ip_adapter_image=reference))
        for i, reference in enumerate(references)
    ]
    return float(_named_right(words, iter(made)).mean())


# --- speed ------------------------------------------------------------------------------------


def milliseconds_a_frame(pipeline: StableDiffusionPipeline, batch: int = 8) -> float:
    """Milliseconds a frame takes in a batch, at the usual settings: the best of three."""
    spent = []
    for seed in range(3):
        began = time.perf_counter()
        list(pictures(pipeline, _some_words(batch), seed, batch))
        spent.append(time.perf_counter() - began)
    return 1000 * min(spent) / batch
