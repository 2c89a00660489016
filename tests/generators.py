"""Generators on tiny random pipelines, and what tests ask of them."""

import functools
import tempfile
from pathlib import Path

import models
import numpy as np
import pytest
from PIL import Image

from flopslab.backends import load_generator
from flopslab.backends.diffusers.pipeline import DiffusersGenerator
from flopslab.core.compositing import Context
from flopslab.core.generator import FrameRequest
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study

STEPS, BATCH = 3, 3

_root = tempfile.TemporaryDirectory()  # removed when the tests end


@functools.cache
def directory(family: str) -> Path:
    """Where the family's pipeline is saved, its adapter with it; nothing there may be changed."""
    path = Path(_root.name) / family
    if family in models.FAMILIES:
        models.save_with_adapter(models.ALL[family], path)
    else:
        models.save(models.ALL[family], path)
    return path


def load(family: str = "embedded", **parameters: object) -> DiffusersGenerator:
    """A generator of one's own, of three steps and batches of three unless told otherwise."""
    defaults = {"model": str(directory(family)), "steps": STEPS, "batch_size": BATCH}
    return load_generator(Study(**defaults | parameters))


shared = functools.cache(load)  # for tests that change nothing in it


def prompt(*texts: str, weight: float = 1.0) -> Prompt:
    return Prompt(tuple((text, weight) for text in texts))


def request_of(
    text: str = "sea", seed: int = 0, init: Image.Image | None = None, **context: object
) -> FrameRequest:
    return FrameRequest(prompt(text), seed, Context(init=init, **context))


def picture(seed: int) -> Image.Image:
    """Noise of 32 x 32."""
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and one.tobytes() == other.tobytes()


def nearly_same(one: Image.Image, other: Image.Image) -> bool:
    """At most one level of 255 apart: encoding three prompts at once may round otherwise."""
    return one.size == other.size and np.abs(np.subtract(one, other, dtype=int)).max() <= 1


def refused(error: pytest.ExceptionInfo, *parts: str) -> bool:
    """The error names every one of the parts and says what to do."""
    return all(part in str(error.value) for part in parts) and bool(error.value.hint)


class Decoded(list):
    """What the VAE decodes while this listens, a tensor for each row: exact, not yet rounded."""

    def __init__(self, generator: DiffusersGenerator) -> None:
        self._decoder = generator._text_to_image.vae.decoder

    def __enter__(self) -> "Decoded":
        self._hook = self._decoder.register_forward_hook(lambda *args: self.extend(args[2].clone()))
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()
