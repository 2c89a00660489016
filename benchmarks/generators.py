"""Generators for the benchmarks: one that only sleeps, and one that times another."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.report import photograph
from flopslab.core.generator import FrameRequest, Generator
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study

POOL = 16  # different pictures of the free generator


class FreeGenerator:
    """Networks that cost no processor: `seconds` of sleep a batch, then pictures from a pool."""

    def __init__(
        self, size: int = 512, batch_size: int = 8, seconds: float = 0.2, device: str = "cpu"
    ) -> None:
        self.size = size, size
        self.settings: dict[str, Any] = {
            "model": "free",
            "model_digest": "0" * 64,
            "width": size,
            "height": size,
            "steps": 20,
            "guidance_scale": 7.5,
            "guidance_stop": 1.0,
            "scheduler": "none",
            "negative_prompt": "",
            "batch_size": batch_size,
            "device": device,
            "dtype": "uint8",
            "versions": {"numpy": np.__version__},
        }
        self._seconds = seconds
        self._images = [photograph(seed, size) for seed in range(POOL)]
        shape = (POOL, 4, size // 8, size // 8)
        self._latents = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)

    def tokens(self, prompt: Prompt) -> int:
        return len(prompt.fragments)

    def nearest_colour(self, words: tuple[str, ...]) -> str:
        return "gray"

    def clone(self) -> "FreeGenerator":
        return self

    def interrupt(self) -> None: ...

    def generate(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> list[Image.Image]:
        return self.generate_with_latents(requests, strength)[0]

    def generate_with_latents(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> tuple[list[Image.Image], list[np.ndarray]]:
        time.sleep(self._seconds)
        places = [request.seed % POOL for request in requests]
        return [self._images[p].copy() for p in places], [self._latents[p] for p in places]

    def decode(self, latents: np.ndarray) -> Image.Image:
        return self._images[0]


@dataclass(frozen=True)
class FreeLoader:
    """Makes a free generator on a worker; like a card, it computes one batch at a time."""

    size: int
    seconds: float

    def __call__(self, study: Study, batch_size: int) -> FreeGenerator:
        return FreeGenerator(self.size, batch_size, self.seconds, device="free card")


class NetworkTime:
    """Seconds that all threads spent inside networks, on the clock and of processors."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self._lock = Lock()

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Add the time that this thread spends inside."""
        wall, cpu = time.perf_counter(), time.thread_time()
        yield
        with self._lock:
            self.wall += time.perf_counter() - wall
            self.cpu += time.thread_time() - cpu


class TimedGenerator:
    """Another generator, and the time that its networks and those of its clones took."""

    def __init__(self, generator: Generator, stopwatch: NetworkTime | None = None) -> None:
        self._generator, self.stopwatch = generator, stopwatch or NetworkTime()
        self.size, self.settings = generator.size, generator.settings
        self.tokens, self.nearest_colour = generator.tokens, generator.nearest_colour
        self.decode, self.interrupt = generator.decode, generator.interrupt

    def clone(self) -> "TimedGenerator":
        return TimedGenerator(self._generator.clone(), self.stopwatch)

    def generate(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> list[Image.Image]:
        with self.stopwatch.counting():
            return self._generator.generate(requests, strength)

    def generate_with_latents(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> tuple[list[Image.Image], list[np.ndarray]]:
        with self.stopwatch.counting():
            return self._generator.generate_with_latents(requests, strength)
