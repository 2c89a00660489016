"""Directions of texts in a diffusion model's own text encoder."""

from collections.abc import Sequence

import numpy as np
import torch

from flopslab.backends.diffusers.hardware.devices import find_device, find_dtype
from flopslab.backends.diffusers.hardware.memory import explain_memory_errors
from flopslab.backends.diffusers.loading import find, load
from flopslab.backends.diffusers.text.conditioning import embed_text


def embed_texts(texts: Sequence[str], model: str) -> np.ndarray:
    """The texts' unit vectors [texts, width], float32, by the model's (first) text encoder.

    `model`: as in a study. Raises ModelError.
    """
    device = find_device()
    with explain_memory_errors("the model"):
        pipe, _ = load(find(model), device, find_dtype("auto", device))
        return torch.stack([embed_text(pipe, text) for text in texts]).cpu().numpy()
