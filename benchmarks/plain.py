"""The loop that somebody would write with diffusers alone: no resume, no recipes, no latents."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from flopslab.backends import hide_torchvision_notice

STEPS, STRENGTH, GUIDANCE = 12, 0.5, 5.0


class PlainLoop:
    """Passes of pictures by diffusers' pipelines of a model, by default the embedded one."""

    def __init__(self, model: Path | None = None) -> None:
        import torch

        hide_torchvision_notice()
        from flopslab.backends.diffusers import loading  # quietly, and the same weights
        from flopslab.backends.diffusers.loading.directory import TINY_MODEL

        pipes: Any = loading.load(model or TINY_MODEL, torch.device("cpu"), torch.float32)
        self._text, self._image = pipes

    def run(
        self, words: Sequence[str], radius: int, passes: int, batch_size: int, directory: Path
    ) -> None:
        """Write pass1/, pass2/, ... with a picture for each word, seen with `radius` neighbours.

        `batch_size`: prompts a call.
        """
        reach, pictures = 2 * radius, []
        for number in range(1, passes + 1):
            previous, pictures = pictures, []
            (directory / f"pass{number}").mkdir(parents=True)
            for start in range(0, len(words), batch_size):
                batch = range(start, min(start + batch_size, len(words)))
                prompts = [" ".join(around(words, index, radius)) for index in batch]
                sheets = [sheet(around(previous, index, reach)) for index in batch if previous]
                pictures += self._generate(prompts, sheets, [number * 10**6 + i for i in batch])
                for index in batch:
                    name = f"pass{number}/frame_{index + 1:06}.png"
                    pictures[index].save(directory / name)

    def _generate(
        self, prompts: list[str], sheets: list[Image.Image], seeds: list[int]
    ) -> list[Image.Image]:
        import torch

        noise = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        options: Any = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE}
        options |= {"prompt": prompts, "generator": noise}
        if not sheets:
            return self._text(**options).images
        return self._image(image=sheets, strength=STRENGTH, **options).images


def around(items: Sequence, index: int, radius: int) -> Sequence:
    """The items at most `radius` places from this one."""
    return items[max(0, index - radius) : index + radius + 1]


def sheet(images: Sequence[Image.Image]) -> Image.Image:
    """The images side by side, scaled to the size of one."""
    columns = next(n for n in range(1, len(images) + 1) if n * n >= len(images))
    width, height = images[0].size
    canvas = Image.new("RGB", (columns * width, -(-len(images) // columns) * height))
    for index, image in enumerate(images):
        canvas.paste(image, (index % columns * width, index // columns * height))
    return canvas.resize((width, height), Image.Resampling.LANCZOS)
