"""The probe: pictures and texts in, points of one space out, where near means alike.

It measures what the pictures of a run show and never takes part in making them. This module is
light; torch and transformers are loaded by `load_embedder`, not by an import.
"""

import logging
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from PIL import Image

from flopslab.backends import is_news


class Embedder(Protocol):
    """A loaded CLIP. Its embeddings are rows of unit length, [n, d] in float32, in order."""

    def images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """The embeddings of pictures, of any sizes."""

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """The embeddings of texts; one longer than the model reads is cut, with a warning."""


def load_embedder(model: str = "tiny") -> Embedder:
    """The probe: the embedded one ("tiny"), or a directory with a CLIPModel of transformers.

    Such a directory holds config.json, model.safetensors, a tokenizer and
    preprocessor_config.json. Nothing is downloaded. Raises ModelError if it cannot be found,
    trusted or loaded.
    """
    logging.getLogger("transformers.utils.import_utils").addFilter(is_news)
    from flopslab.analysis.clip import ClipEmbedder  # loads torch: seconds

    return ClipEmbedder.load(model)
