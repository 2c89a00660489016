"""Writes the embedded model's card: `python -m training.card`.

Measures the model as it lies there (`evaluate`), draws its sheets into docs/, and puts both with
the weights' digests and the training's parameters into README.md beside the weights. No number in
the card is written by hand.
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageDraw

from training import evaluate
from training.adapter import FOLDER, NAME
from training.painter import SIZE
from training.save import CLIP, MODEL
from training.train import parse_options
from training.vocabulary import meaning, vocabulary

DOCS = Path("docs")
PHRASES = (
    "ocean fire", "forest moon", "city rain", "mountain snow sun", "heart storm", "boat dream star",
    "road garden bird evening", "silence fire memory ocean",
    "dawn bird morning garden flower home door open walk road journey",
    "time harbor boat sea island sun freedom wind storm thunder rain",
)  # fmt: skip
SWEPT = ("ocean", "forest moon", "city rain", "silence fire memory ocean")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2, help="pictures of each word")
    parser.add_argument("--only", nargs="*", help="measure these alone, keep the other numbers")
    asked = parser.parse_args()
    torch.set_num_threads(1)  # batches this small gain nothing from more
    pipeline = evaluate.load_model()
    draw_sheets(pipeline, DOCS)
    path = MODEL / "card.json"
    numbers = json.loads(path.read_text()) if asked.only else {}
    for name, measured in measures(pipeline, asked.samples).items():
        if name in (asked.only or (name,)):
            numbers[name] = measured()
            print(name, numbers[name] if name != "words" else "", flush=True)
            path.write_text(json.dumps(numbers, indent=1) + "\n")
    (MODEL / "README.md").write_text(card(numbers))


# --- numbers ----------------------------------------------------------------------------------


def measures(pipeline: StableDiffusionPipeline, samples: int) -> dict[str, Callable[[], Any]]:
    """Everything that the card tells, by name: call it to have it measured, JSON-ready."""
    words = list(vocabulary())
    return {
        "words": lambda: evaluate.motif_accuracy(pipeline, words, samples),
        "judge": lambda: evaluate.judge_accuracy(1),
        "pairs": lambda: evaluate.pair_accuracy(pipeline, 200),
        "diversity": lambda: evaluate.diversity(pipeline),
        "image_to_image": lambda: {
            str(strength): evaluate.image_to_image(pipeline, strength) for strength in (0.25, 0.5)
        },
        "rows": lambda: _retrieved(pipeline, evaluate.one_of_each_row()),
        "anyhow": lambda: _retrieved(pipeline, _anyhow(100)),
        "adapter": lambda: {
            str(weight): evaluate.adapter_accuracy(weight) for weight in (0.5, 0.75, 1.0)
        },
        "milliseconds": lambda: evaluate.milliseconds_a_frame(pipeline),
    }


def _retrieved(pipeline: StableDiffusionPipeline, words: Sequence[str]) -> list[float]:
    """The share of words found among painted pictures, and among the model's own."""
    made = list(evaluate.pictures(pipeline, words, 77))
    return [evaluate.retrieval(some, words) for some in (evaluate.painted(words, 77), made)]


def _anyhow(count: int) -> list[str]:
    chosen = np.random.default_rng(0).choice(list(vocabulary()), count, replace=False)
    return [str(word) for word in chosen]


# --- sheets -----------------------------------------------------------------------------------


def draw_sheets(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """tiny.jpg (words, phrases), tiny-guidance.jpg, tiny-steps.jpg, tiny-adapter.jpg."""
    folder.mkdir(exist_ok=True)
    words = list(vocabulary())
    shown = [*words[:: len(words) // 100][:100], *PHRASES]
    made = list(evaluate.pictures(pipeline, shown, seed=1))
    sheet(made, shown, 10).save(folder / "tiny.jpg", quality=88)
    scales, steps = (1, 2, 3, 4, 5, 7, 9), (4, 6, 8, 12, 20, 30)
    _sweep(pipeline, "guidance_scale", scales).save(folder / "tiny-guidance.jpg", quality=88)
    _sweep(pipeline, "num_inference_steps", steps).save(folder / "tiny-steps.jpg", quality=88)
    _mixed().save(folder / "tiny-adapter.jpg", quality=88)


def _sweep(pipeline: StableDiffusionPipeline, name: str, values: Sequence[float]) -> Image.Image:
    """A row for each prompt, a column for each value, all from one seed."""
    rows = {value: list(evaluate.pictures(pipeline, SWEPT, 5, **{name: value})) for value in values}
    made = [rows[value][i] for i in range(len(SWEPT)) for value in values]
    captions = [f"{prompt}: {value}" for prompt in SWEPT for value in values]
    return sheet(made, captions, len(values))


def _mixed() -> Image.Image:
    """Two painted references and what the adapter makes of each, and of both, without words."""
    pipeline = evaluate.load_model()
    pipeline.load_ip_adapter(MODEL, subfolder=FOLDER, weight_name=NAME)
    made, captions = [], []
    for pair in (("sun", "forest"), ("fire", "moon"), ("flower", "city"), ("heart", "ocean")):
        a, b = evaluate.painted(pair, 3)
        made += [a, b]
        captions += [f"painted: {word}" for word in pair]
        for names, references in ((pair[0], a), (pair[1], b), (" + ".join(pair), [[a, b]])):
            made += evaluate.pictures(pipeline, [""], 3, ip_adapter_image=references)
            captions.append(f"of {names}")
    return sheet(made, captions, 5)


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


# --- words ------------------------------------------------------------------------------------


def card(numbers: dict[str, Any]) -> str:
    """The model card, in Markdown."""
    trained = vars(parse_options([]))
    steps = ", ".join(f"{part} {trained[f'{part}_steps']}" for part in _PARTS)
    return _TEXT.format(
        known=len(vocabulary()),
        megabytes=sum(_size(folder) for folder in (MODEL, CLIP)) / 1e6,
        table="\n".join(f"| {what} | {value} |" for what, value in _rows(numbers)),
        weakest=_weakest(numbers["words"]),
        pictures=trained["pictures"],
        batch=trained["batch"],
        steps=steps,
        digests="\n".join(f"{digest}  {name}" for name, digest in digests().items()),
    )


_PARTS = ("text", "vae", "unet", "clip", "adapter", "judge")


def _rows(numbers: dict[str, Any]) -> list[tuple[str, str]]:
    words, mixed = list(numbers["words"].values()), numbers["image_to_image"]
    rows, anyhow = numbers["rows"], numbers["anyhow"]
    adapter = ", ".join(f"{share:.0%} at {weight}" for weight, share in numbers["adapter"].items())
    return [
        (f"Motif named right, all {len(words)} single words", f"{np.mean(words):.1%}"),
        ("the same, of the painter's own pictures", f"{numbers['judge']:.1%}"),
        ("Each of two words named, 200 random pairs", f"{numbers['pairs']:.1%}"),
        ("Distance between seeds, the painter's being 1", f"{numbers['diversity']:.2f}"),
        *(row for strength in mixed for row in _mixed_rows(strength, mixed[strength])),
        ("IP-Adapter, no words: motif of the reference", adapter),
        ("CLIP, word to picture among 100 words that look different: painted", f"{rows[0]:.0%}"),
        ("the same: the model's own pictures", f"{rows[1]:.0%}"),
        ("among 100 words taken anyhow, near synonyms too: painted", f"{anyhow[0]:.0%}"),
        ("the same: the model's own pictures", f"{anyhow[1]:.0%}"),
        ("A frame, 12 steps with guidance, batch 8, one core", f"{numbers['milliseconds']:.0f} ms"),
    ]


def _mixed_rows(strength: str, found: dict[str, float]) -> list[tuple[str, str]]:
    return [
        (
            f"Image to image at {strength}: structural similarity with its start (another picture)",
            f"{found['ssim_with_start']:.2f} ({found['ssim_with_another']:.2f})",
        ),
        (
            "and similarity with the new word, after (before)",
            f"{found['similarity_after']:.2f} ({found['similarity_before']:.2f})",
        ),
    ]


def _weakest(words: dict[str, float]) -> str:
    """The motifs that are named worst, with their share."""
    shares: dict[str, list[float]] = {}
    for word, share in words.items():
        shares.setdefault(meaning(word).motif, []).append(share)
    worst = sorted(shares, key=lambda motif: np.mean(shares[motif]))[:6]
    return ", ".join(f"{motif} {np.mean(shares[motif]):.0%}" for motif in worst)


def digests() -> dict[str, str]:
    """SHA-256 of every file of weights, by its path."""
    files = [path for folder in (MODEL, CLIP) for path in sorted(folder.rglob("*.safetensors"))]
    return {
        path.relative_to(MODEL.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


_TEXT = """# The embedded model

A Stable Diffusion for pictures of 128 x 128 pixels that knows {known} English words, in the layout
of Stable Diffusion 1.5: text encoder, UNet, autoencoder, DDIM scheduler, image encoder and
IP-Adapter here, a CLIP in `../clip`; {megabytes:.1f} MB together.

```python
from diffusers import StableDiffusionPipeline

pipeline = StableDiffusionPipeline.from_pretrained("flopslab/tiny/model")
pipeline("ocean", num_inference_steps=12, guidance_scale=3).images[0]
pipeline.load_ip_adapter(
    "flopslab/tiny/model", subfolder="ip_adapter", weight_name="ip-adapter_tiny.safetensors"
)
```

![A hundred words, and phrases](../../../docs/tiny.jpg)

## What it was taught

A procedural painter (`../painter.py`) draws a scene for any words, from the table in
`../vocabulary.txt`: motif, palette, texture, light, energy and place of each word. A word that is
not in the table means what the word spelled most like it means. The model saw {pictures:,} such
scenes of one to eleven words and nothing else: no photograph, no work of an artist, no person.

`make tiny` trains it again. Steps: {steps}. UNet and
adapter see {batch} pictures a step in each of two processes. The shipped weights differ in two
ways: the autoencoder learned from 12,000 scenes of an earlier stage of the painter; and its
schedule and the UNet's were first set for more steps (6,000 and 5,500), the adapter's for fewer
(800), and changed on the way. A training begun anew gives a model of the same kind, not the same
digits.

## What it can do

Measured by `python -m training.card` on seeds that no training saw. The judge that names
motifs has seen only painted pictures, in false colours, so it goes by shape.

| measure | value |
|---|---|
{table}

Motifs named worst: {weakest}.

![Guidance from 1 to 9](../../../docs/tiny-guidance.jpg)
![4 to 30 steps](../../../docs/tiny-steps.jpg)
![Pictures as prompts, alone and mixed](../../../docs/tiny-adapter.jpg)

## Weights

```
{digests}
```
"""


if __name__ == "__main__":
    main()
