"""Directions of texts in a diffusion model's own text encoder."""

from collections.abc import Sequence

import numpy as np
import torch

from flopslab.backends.diffusers.conditioning import embed_text
from flopslab.backends.diffusers.loading import find, load
from flopslab.backends.diffusers.settings import DTYPES, best_device


def embed_texts(texts: Sequence[str], model: str) -> np.ndarray:
    """The texts' unit vectors [texts, width], float32, by the model's (first) text encoder.

    `model`: as in a study. Raises ModelError.
    """
    device = best_device()
    pipe, _ = load(find(model), device, DTYPES[device.type])
    with torch.inference_mode():
        return torch.stack([embed_text(pipe, text) for text in texts]).cpu().numpy()
