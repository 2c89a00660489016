"""Generators on tiny random pipelines, requests for them and comparisons of their images."""

import functools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from flopslab.backends import load_generator
from flopslab.core.compositing import Context
from flopslab.core.generator import FrameRequest
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study

if TYPE_CHECKING:  # torch is loaded with the first model
    from flopslab.backends.diffusers.pipeline import DiffusersGenerator

STEPS, BATCH = 3, 3

_root = tempfile.TemporaryDirectory()  # removed when the tests end


@functools.cache
def directory(family: str) -> Path:
    """The directory of the family's pipeline, with its adapter if any. Do not change it."""
    import models

    path = Path(_root.name) / family
    if family in models.FAMILIES:
        models.save_with_adapter(models.ALL[family], path)
    else:
        models.save(models.ALL[family], path)
    return path


def load(family: str = "embedded", **parameters: Any) -> "DiffusersGenerator":
    """A new generator; by default with three steps, batches of three and the method grid."""
    from flopslab.backends.diffusers.pipeline import DiffusersGenerator

    defaults = {"model": str(directory(family)), "steps": STEPS, "batch_size": BATCH}
    defaults |= {"method": "grid"}  # which most families have
    generator = load_generator(Study(**defaults | parameters))
    assert isinstance(generator, DiffusersGenerator)
    return generator


load_once = functools.cache(load)  # for tests that do not change the generator


def prompt(*texts: str, weight: float = 1.0) -> Prompt:
    return Prompt(tuple((text, weight) for text in texts))


def request_of(
    text: str = "sea", seed: int = 0, init: Image.Image | None = None, **context: Any
) -> FrameRequest:
    return FrameRequest(prompt(text), seed, Context(init=init, **context))


def picture(seed: int) -> Image.Image:
    """Random pixels, 32 x 32."""
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def same(a: Image.Image, b: Image.Image) -> bool:
    return a.size == b.size and a.tobytes() == b.tobytes()


def nearly_same(a: Image.Image, b: Image.Image) -> bool:
    """At most one level of 255 apart: a batch of three prompts may round differently."""
    return a.size == b.size and np.abs(np.asarray(a, int) - np.asarray(b, int)).max() <= 1


def explains(error: pytest.ExceptionInfo, *parts: str) -> bool:
    """The error's message holds all of the parts, and the error says what to do."""
    return all(part in str(error.value) for part in parts) and bool(error.value.hint)


class DecoderOutputs(list):
    """The outputs of the VAE's decoder in a `with` block, a tensor for each row, not rounded."""

    def __init__(self, generator: "DiffusersGenerator") -> None:
        self._decoder = generator._text_to_image.vae.decoder

    def __enter__(self) -> "DecoderOutputs":
        self._hook = self._decoder.register_forward_hook(lambda *args: self.extend(args[2].clone()))
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()
