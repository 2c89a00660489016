"""The embedder: images and texts become vectors of one space, where similar ones are close.

It measures the finished frames of a run and has no part in making them. This module is light:
`load_embedder` imports torch and transformers, not the module itself.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from PIL import Image

from flopslab.backends import hide_torchvision_notice


class Embedder(Protocol):
    """A loaded CLIP. Its embeddings are rows of unit length, [n, d] in float32, in order."""

    def images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """The embeddings of images of any size."""
        ...

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """The embeddings of texts. A text longer than the model reads is cut, with a warning."""
        ...


def load_embedder(model: str = "tiny") -> Embedder:
    """The embedder of a model: the embedded one ("tiny"), or a directory with a CLIPModel.

    Such a directory, as transformers saves it, holds config.json, model.safetensors, a tokenizer
    and preprocessor_config.json. Nothing is downloaded. Raises ModelError if it cannot be found,
    trusted or loaded.
    """
    hide_torchvision_notice()
    from flopslab.analysis.clip import ClipEmbedder  # imports torch: seconds

    return ClipEmbedder.load(model)
