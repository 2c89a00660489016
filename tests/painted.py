"""A generator without a model: its pixels are noise that depends on the whole request.

Small and exact, so that tests of the loop and the store can compare pixels thousands of times.
"""

import hashlib
import io
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from flopslab.core.generator import FrameRequest
from flopslab.core.study import Study
from flopslab.experiments.sweep import Sweep
from flopslab.passes import run
from flopslab.progress import NullProgress, OverallBar
from flopslab.runs.reader import read_frame

WORDS = [
    "silence", "fire", "memory", "ocean", "stone", "river",
    "light", "shadow", "winter", "garden", "thunder", "glass",
]  # fmt: skip


class PaintedGenerator:
    """`calls` counts the frames that were asked for; `delay`: seconds for each batch."""

    def __init__(self, batch_size: int = 2, delay: float = 0, **settings: object) -> None:
        self.size = (12, 8)
        self.calls = 0
        self._delay = delay
        self.settings = {
            "model": "painted",
            "model_digest": hashlib.sha256(b"painted").hexdigest(),
            "width": 12,
            "height": 8,
            "steps": 4,
            "guidance_scale": 3.0,
            "guidance_stop": 1.0,
            "scheduler": "none",
            "negative_prompt": "",
            "batch_size": batch_size,
            "device": "cpu",
            "dtype": "uint8",
            "versions": {"numpy": np.__version__},
        } | settings

    def tokens(self, prompt: object) -> int:
        return len(prompt.text.split())

    def nearest_colour(self, words: tuple[str, ...]) -> str:
        return "blue" if "ocean" in words else "gray"

    def generate(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> list[Image.Image]:
        return self.generate_with_latents(requests, strength)[0]

    def generate_with_latents(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> tuple[list[Image.Image], list[np.ndarray]]:
        """The latents are the picture, before it is rounded to whole levels."""
        assert 0 < len(requests) <= self.settings["batch_size"]
        self.calls += len(requests)
        time.sleep(self._delay)
        latents = [self._paint(request, strength) for request in requests]
        return [self.decode(z) for z in latents], latents

    def clone(self) -> "PaintedGenerator":
        return self

    def interrupt(self) -> None: ...

    def decode(self, latents: np.ndarray) -> Image.Image:
        pixels = (latents.transpose(1, 2, 0) * 255).clip(0, 255).astype(np.uint8)
        return Image.fromarray(pixels)

    def _paint(self, request: FrameRequest, strength: float) -> np.ndarray:
        """Noise from prompt and seed; with a start, `strength` of noise over it.

        References are looked at as their mean, at most half of the picture: [3, 8, 12] in [0, 1].
        """
        text = json.dumps([request.prompt.fragments, request.seed])
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
        picture = np.random.default_rng(seed).random((3, 8, 12), dtype=np.float32)
        context = request.context
        start = context.latents if context.init is None else _values(context.init)
        if start is not None:
            picture = strength * picture + (1 - strength) * start
        if context.references:
            seen = sum(weight * _values(image) for image, weight in context.references)
            picture = picture + context.image_weight / 2 * (seen - picture)
        return picture.astype(np.float32)


class StoppingGenerator(PaintedGenerator):
    """Is interrupted once it has painted `frames`."""

    def __init__(self, frames: int, batch_size: int = 2) -> None:
        super().__init__(batch_size)
        self._frames = frames

    def generate(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> list[Image.Image]:
        if self.calls == self._frames:
            raise KeyboardInterrupt
        return super().generate(requests, strength)


class ColourEmbedder:
    """An embedder of the mean colour; a text is a direction of its own."""

    def images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return np.array([_values(image).mean((1, 2)) for image in images])

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([np.random.default_rng(list(t.encode())).normal(size=3) for t in texts])


class Painters:
    """Makes a painted generator for each run, and counts what they paint."""

    def __init__(self) -> None:
        self.made = []

    def __call__(self, study: Study) -> PaintedGenerator:
        self.made.append(
            PaintedGenerator(study.batch_size or 2, negative_prompt=study.negative_prompt)
        )
        return self.made[-1]

    @property
    def frames(self) -> int:
        return sum(generator.calls for generator in self.made)


def silent(sweep: Sweep) -> OverallBar:
    """The progress of a sweep over twelve frames, which shows nothing."""
    costs = [[1.0] * variant.study.passes for variant in sweep.variants]
    return OverallBar(costs, [12] * len(costs), file=io.StringIO())


def _values(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float32).transpose(2, 0, 1) / 255


def write_words(path: Path, words: Sequence[str] = WORDS) -> str:
    path.write_text(json.dumps(list(words)), encoding="utf-8")
    return str(path)


def pixels(directory: Path) -> dict[str, bytes]:
    """The pixels of every frame of every pass, by relative path; each is whole."""
    found = sorted(Path(directory).glob("pass*/frame_*.png"))
    return {str(path.relative_to(directory)): read_frame(path)[0].tobytes() for path in found}


def files(directory: Path) -> dict[str, tuple]:
    """Everything in a directory: type, content and times (the lock's time apart)."""
    found = {}
    for path in sorted(Path(directory).rglob("*")):
        content = os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes()
        times = path.lstat().st_mtime_ns if path.name != ".lock" else 0
        found[str(path.relative_to(directory))] = (content, times)
    return found


if __name__ == "__main__":  # a run in a process of its own: parameters as JSON, delay
    generator = PaintedGenerator(delay=float(sys.argv[2]))
    run(Study(**json.loads(sys.argv[1]) | {"workers": 1}), generator, NullProgress())
