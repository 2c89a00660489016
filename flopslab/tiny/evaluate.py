"""Measures the embedded model and draws its sample sheet: `python -m flopslab.tiny.evaluate`.

Plain diffusers makes the pictures; a judge that has seen only the painter's names the motifs.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageDraw
from tqdm.auto import tqdm

from flopslab.tiny.judge import load_judge, named
from flopslab.tiny.painter import SIZE
from flopslab.tiny.train import MODEL
from flopslab.tiny.vocabulary import meaning, vocabulary

PHRASES = (
    "ocean fire", "forest moon", "city rain", "mountain snow sun", "heart storm", "boat dream star",
    "road garden bird evening", "silence fire memory ocean",
    "dawn bird morning garden flower home door open walk road journey",
    "time harbor boat sea island sun freedom wind storm thunder rain",
)  # fmt: skip


def load_model(directory: Path = MODEL) -> StableDiffusionPipeline:
    """The embedded model as plain diffusers loads it, in single precision."""
    pipeline = StableDiffusionPipeline.from_pretrained(
        directory, dtype=torch.float32, safety_checker=None, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def pictures(
    pipeline: StableDiffusionPipeline, prompts: Sequence[str], seed: int, batch: int = 8
) -> Iterator[Image.Image]:
    """A picture for each prompt, each with a seed of its own, at the model's usual settings."""
    usual = json.loads((MODEL / "flopslab.json").read_text())
    for start in tqdm(range(0, len(prompts), batch), "pictures", mininterval=5):
        part = list(prompts[start : start + batch])
        noise = [torch.Generator().manual_seed(seed + start + i) for i in range(len(part))]
        made = pipeline(
            part,
            num_inference_steps=usual["steps"],
            guidance_scale=usual["guidance_scale"],
            generator=noise,
        )
        yield from made.images


def motif_accuracy(pipeline: StableDiffusionPipeline, words: Sequence[str], samples: int) -> dict:
    """The share of `samples` pictures of each word whose motif the judge names first, by word."""
    prompts = [word for word in words for _ in range(samples)]
    made = list(pictures(pipeline, prompts, seed=10_000_000))
    told = [first for [first] in named(load_judge(), made)]
    right = np.array([meaning(w).motif == t for w, t in zip(prompts, told, strict=True)])
    return dict(zip(words, right.reshape(len(words), samples).mean(1).tolist(), strict=True))


def sheet(images: Sequence[Image.Image], captions: Sequence[str], columns: int) -> Image.Image:
    """The pictures in rows, each with its words below it."""
    gap, foot = 4, 14
    rows = -(-len(images) // columns)
    page = Image.new("RGB", (columns * (SIZE + gap), rows * (SIZE + foot)), "white")
    draw = ImageDraw.Draw(page)
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = i % columns * (SIZE + gap), i // columns * (SIZE + foot)
        page.paste(image, (x, y))
        text = caption if len(caption) < 23 else f"{caption[:20]}..."
        draw.text((x + 2, y + SIZE + 1), text, fill="black")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=10, help="pictures of each word")
    parser.add_argument("--out", type=Path, default=Path("build/tiny"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # batches this small gain nothing from more
    pipeline = load_model()
    words = list(vocabulary())
    shown = [*words[:: len(words) // 60][:60], *PHRASES]
    sheet(list(pictures(pipeline, shown, seed=1)), shown, 10).save(asked.out / "sheet.png")
    accuracy = motif_accuracy(pipeline, words, asked.samples)
    (asked.out / "accuracy.json").write_text(json.dumps(accuracy, indent=1) + "\n")
    print(f"motif named right: {np.mean(list(accuracy.values())):.1%} of single words")
    for word in sorted(accuracy, key=accuracy.get)[:12]:
        print(f"  {word:12} {meaning(word).motif:10} {accuracy[word]:.0%}")


if __name__ == "__main__":
    main()
