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

from training import evaluate
from training.adapter_evaluation import adapter_accuracy, mixed_accuracy
from training.samples import load_model
from training.save import CLIP, MODEL
from training.sheets import draw_sheets
from training.train import describe_stages
from training.vocabulary import meaning

DOCS = Path("docs")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=2, help="pictures of each word")
    parser.add_argument("--only", nargs="*", help="measure these alone, keep the other numbers")
    asked = parser.parse_args()
    torch.set_num_threads(1)  # batches this small gain nothing from more
    pipeline = load_model()
    everything = measures(pipeline, asked.samples)
    if unknown := set(asked.only or ()) - set(everything):
        parser.error(f"no measure {', '.join(sorted(unknown))}: there are {', '.join(everything)}")
    draw_sheets(pipeline, DOCS)
    path = MODEL / "card.json"
    numbers = json.loads(path.read_text()) if asked.only else {}
    for name, measured in everything.items():
        if name in (asked.only or (name,)):
            numbers[name] = measured()
            print(name, numbers[name] if name != "words" else "", flush=True)
            path.write_text(json.dumps(numbers, indent=1) + "\n")
    (MODEL / "README.md").write_text(card(numbers))


# --- numbers ----------------------------------------------------------------------------------


def measures(pipeline: StableDiffusionPipeline, samples: int) -> dict[str, Callable[[], Any]]:
    """Everything that the card tells, by name: call it to have it measured, JSON-ready."""
    words = evaluate.taught_words()
    return {
        "words": lambda: evaluate.motif_accuracy(pipeline, words, samples),
        "gradients": lambda: evaluate.motif_accuracy(pipeline, words, samples, "gradients"),
        "judges": lambda: {judge: evaluate.judge_accuracy(1, judge) for judge in evaluate.JUDGES},
        "groups": lambda: {
            str(length): [evaluate.group_accuracy(p, length, 120) for p in (pipeline, None)]
            for length in (2, 3, 5)
        },
        "observed": lambda: {
            str(length): evaluate.observed(pipeline, length) for length in (1, 3, 5, 11)
        },
        "crispness": lambda: {
            str(length): evaluate.crispness(pipeline, length) for length in (1, 2, 3, 5, 11)
        },
        "diversity": lambda: evaluate.diversity(pipeline),
        "image_to_image": lambda: {
            str(strength): evaluate.image_to_image(pipeline, strength) for strength in (0.25, 0.5)
        },
        "rows": lambda: _retrieved(pipeline, evaluate.one_of_each_row()),
        "anyhow": lambda: _retrieved(pipeline, _anyhow(100)),
        "adapter": lambda: {str(weight): adapter_accuracy(weight) for weight in (0.5, 0.75, 1.0)},
        "beside_a_word": lambda: {str(weight): mixed_accuracy(weight) for weight in (0.5, 1.0)},
        "milliseconds": lambda: evaluate.milliseconds_a_frame(pipeline),
    }


def _retrieved(pipeline: StableDiffusionPipeline, words: Sequence[str]) -> list[float]:
    """The share of words found among painted pictures, and among the model's own."""
    made = list(evaluate.pictures(pipeline, words, 77))
    return [evaluate.retrieval(some, words) for some in (evaluate.painted(words, 77), made)]


def _anyhow(count: int) -> list[str]:
    chosen = np.random.default_rng(0).choice(evaluate.taught_words(), count, replace=False)
    return [str(word) for word in chosen]


# --- words ------------------------------------------------------------------------------------


def card(numbers: dict[str, Any], work: Path = Path("build/tiny2")) -> str:
    """The model card, in Markdown; `work` tells the stages of the training and their times."""
    meanings = [meaning(word) for word in evaluate.taught_words()]
    looks = {(m.motif, m.texture, m.light, m.energy, m.place) for m in meanings}
    return _TEXT.format(
        names=len(meanings),
        motifs=len({m.motif for m in meanings}),
        looks=len(looks),
        megabytes=sum(_size(folder) for folder in (MODEL, CLIP)) / 1e6,
        table="\n".join(f"| {what} | {value} |" for what, value in _rows(numbers)),
        weakest=_weakest(numbers["gradients"]),
        steps=json.loads((MODEL / "flopslab.json").read_text())["steps"],
        stages=describe_stages(work),
        digests="\n".join(f"{digest}  {name}" for name, digest in digests().items()),
    )


def _rows(numbers: dict[str, Any]) -> list[tuple[str, str]]:
    words, mixed, judges = numbers["words"], numbers["image_to_image"], numbers["judges"]
    rows, anyhow = numbers["rows"], numbers["anyhow"]
    adapter = ", ".join(f"{share:.0%} at {weight}" for weight, share in numbers["adapter"].items())
    mixed_shares = numbers["beside_a_word"].items()
    beside = ", ".join(f"{one:.0%} ({other:.0%}) at {w}" for w, (one, other) in mixed_shares)
    painted = ", ".join(f"{judges[judge]:.1%}" for judge in evaluate.JUDGES)
    return [
        (f"Motif named right, all {len(words)} single words", f"{_mean(words):.1%}"),
        ("the same, by the judge of gradients", f"{_mean(numbers['gradients']):.1%}"),
        ("the same, of the painter's own pictures, by both judges", painted),
        *_window_rows(numbers),
        ("Distance between seeds, the painter's being 1", f"{numbers['diversity']:.2f}"),
        *(row for strength in mixed for row in _mixed_rows(strength, mixed[strength])),
        ("IP-Adapter, no words: motif of the reference", adapter),
        ("beside a word, among two motifs: the reference's (the word's)", beside),
        ("CLIP, word to picture among 100 words that look different: painted", f"{rows[0]:.0%}"),
        ("the same: the model's own pictures", f"{rows[1]:.0%}"),
        ("among 100 words taken anyhow, near synonyms too: painted", f"{anyhow[0]:.0%}"),
        ("the same: the model's own pictures", f"{anyhow[1]:.0%}"),
        ("A frame with guidance, batch 8, one core", f"{numbers['milliseconds']:.0f} ms"),
    ]


def _mean(shares: dict[str, float]) -> float:
    return float(np.mean(list(shares.values())))


def _window_rows(numbers: dict[str, Any]) -> list[tuple[str, str]]:
    """What is left of words where there are several."""
    named = [
        (f"Each of {length} words named (in the painter's pictures)", f"{own:.0%} ({best:.0%})")
        for length, (own, best) in numbers["groups"].items()
    ]
    observed = [
        (
            f"Ideal observer, one of {length} words replaced: by shape, by colour (chance 0.50)",
            f"{shares['shape']:.2f}, {shares['colour']:.2f}",
        )
        for length, shares in numbers["observed"].items()
    ]
    crisp = [
        (
            f"Sharpness at {length} words, the painter's being 1; of its autoencoder alone (PSNR)",
            f"{shares['model']:.2f}; {shares['autoencoder']:.2f} ({shares['psnr']:.1f} dB)",
        )
        for length, shares in numbers["crispness"].items()
    ]
    return named + observed + crisp


def _mixed_rows(strength: str, shares: dict[str, float]) -> list[tuple[str, str]]:
    return [
        (
            f"Image to image at {strength}: structural similarity with its start (another picture)",
            f"{shares['ssim_with_start']:.2f} ({shares['ssim_with_another']:.2f})",
        ),
        (
            "and similarity with the new word, after (before)",
            f"{shares['similarity_after']:.2f} ({shares['similarity_before']:.2f})",
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

A Stable Diffusion for pictures of 128 x 128 pixels that knows {motifs} motifs in {looks} looks
under {names} English names, in the layout of Stable Diffusion 1.5: text encoder, UNet,
autoencoder, DDIM scheduler, image encoder and IP-Adapter here, a CLIP in `../clip`;
{megabytes:.1f} MB together.

```python
from diffusers import StableDiffusionPipeline

pipeline = StableDiffusionPipeline.from_pretrained("flopslab/tiny/model")
image = pipeline("ocean", num_inference_steps={steps}, guidance_scale=3).images[0]
pipeline.load_ip_adapter(
    "flopslab/tiny/model", subfolder="ip_adapter", weight_name="ip-adapter_tiny.safetensors"
)
```

![A hundred words, and phrases](../../../docs/tiny.jpg)

## What it was taught

A procedural painter (`training/painter.py`) draws a scene for any words, from the table in
`training/vocabulary.txt`: motif, palette, texture, light, energy and place of each word. A word
that is not in the table means the word spelled most like it, or a question mark if none is. Of
more than six words five stand in the scene, the others in a strip of icons below. The model saw
such scenes and nothing else: no photograph, no work of an artist, no person.

`make tiny` trains one on a CPU; `training/README.md` tells how these weights were trained, in part
on a card and the adapter in three stretches. The stages, of the adapter the last stretch:

```
{stages}
```

## What it can do

Measured by `python -m training.card` on seeds that no training saw. Two judges name motifs, and
both have seen only painted pictures of their own: a small network, in false colours, so that it
goes by shape, and a linear one on histograms of gradients. Neither was shown blurred pictures as
examples of a motif. The CLIP, the adapter's image encoder and the model share no weights.

| measure | value |
|---|---|
{table}

Motifs named worst by the judge of gradients: {weakest}.

![Painter above, model below: 1, 2, 3, 5 and 11 words](../../../docs/tiny-painter.jpg)

Up to three words, shapes stand where they are painted, somewhat softer. With five, thin and small
ones break or run together; with eleven, so do many of the figures and some of the icons.

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
