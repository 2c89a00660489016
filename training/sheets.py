"""Sheets of pictures with their words, for the card and for looking."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageDraw

from training.adapter import FOLDER, NAME
from training.observer import sample_trials
from training.painter import SIZE, paint
from training.samples import UNSEEN, load_model, painted, pictures, some_words, taught_words
from training.save import MODEL

PHRASES = (
    "ocean fire", "forest moon", "city rain", "mountain snow sun", "heart storm", "boat dream star",
    "road garden bird evening", "silence fire memory ocean",
    "dawn bird morning garden flower home door open walk road journey",
    "time harbor boat sea island sun freedom wind storm thunder rain",
)  # fmt: skip
SWEPT = ("ocean", "forest moon", "city rain", "silence fire memory ocean")


def draw_sheets(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """tiny.jpg (words, phrases), and tiny-painter, tiny-guidance, tiny-steps, tiny-adapter.jpg."""
    folder.mkdir(exist_ok=True)
    shown = [*some_words(100), *PHRASES]
    images = list(pictures(pipeline, shown, seed=1))
    sheet(images, shown, 10).save(folder / "tiny.jpg", quality=88)
    scales, steps = (1, 2, 3, 4, 5, 7, 9), (4, 6, 8, 12, 20, 30)
    _sweep(pipeline, "guidance_scale", scales).save(folder / "tiny-guidance.jpg", quality=88)
    _sweep(pipeline, "num_inference_steps", steps).save(folder / "tiny-steps.jpg", quality=88)
    compare(pipeline).save(folder / "tiny-painter.jpg", quality=88)
    _mixed().save(folder / "tiny-adapter.jpg", quality=88)


def compare(pipeline: StableDiffusionPipeline, columns: int = 8) -> Image.Image:
    """The painter's pictures above, the model's below, of 1, 2, 3, 5 and 11 words."""
    images, captions = [], []
    for length in (1, 2, 3, 5, 11):
        trials = sample_trials(taught_words(), length, columns, seed=2)
        prompts = [" ".join(trial.words) for trial in trials]
        pairs = [[(word, 1.0) for word in trial.words] for trial in trials]
        images += [paint(pair, np.random.default_rng(i)) for i, pair in enumerate(pairs)]
        images += pictures(pipeline, prompts, UNSEEN)
        captions += [f"painter: {prompt}" for prompt in prompts] + prompts
    return sheet(images, captions, columns)


def _sweep(pipeline: StableDiffusionPipeline, name: str, values: Sequence[float]) -> Image.Image:
    """A row for each prompt, a column for each value, all from one seed."""
    settings: list[dict[str, Any]] = [{name: value} for value in values]
    rows = [list(pictures(pipeline, SWEPT, 5, **setting)) for setting in settings]
    images = [row[i] for i in range(len(SWEPT)) for row in rows]
    captions = [f"{prompt}: {value}" for prompt in SWEPT for value in values]
    return sheet(images, captions, len(values))


def _mixed() -> Image.Image:
    """Two painted references; what the adapter makes of each, of both, and of one with a word."""
    pipeline = load_model()
    pipeline.load_ip_adapter(str(MODEL), subfolder=FOLDER, weight_name=NAME)
    images, captions = [], []
    for one, other in (("sun", "forest"), ("fire", "moon"), ("flower", "city"), ("heart", "ocean")):
        a, b = painted([one, other], 3)
        images += [a, b]
        captions += [f"painted: {one}", f"painted: {other}"]
        for caption, references, prompt, weight in (
            (f"of {one}", a, "", 1.0),
            (f"of {other}", b, "", 1.0),
            (f"of {one} + {other}", [[a, b]], "", 1.0),
            (f'"{one}", of {other}', b, one, 0.5),
        ):
            pipeline.set_ip_adapter_scale(weight)
            images += pictures(pipeline, [prompt], 3, ip_adapter_image=references)
            captions.append(caption)
    return sheet(images, captions, 6)


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
