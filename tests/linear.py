"""A generator whose frames are mixtures, so that what survives of a start is exact."""

import numpy as np
from painted import PaintedGenerator

from flopslab.core.generator import Capabilities, FrameRequest

SIZE = 48  # pixels of a side: enough for frames of other words to be unlike


class LinearGenerator(PaintedGenerator):
    """Of a start `keeps(strength)` survives, under the mean of the pictures of the words."""

    def __init__(self, keeps=lambda strength: (1 - strength) ** 2, latents=True, **settings):
        super().__init__(batch_size=8, width=SIZE, height=SIZE, **settings)
        self.size = (SIZE, SIZE)
        self._keeps = keeps
        self.capabilities = Capabilities(latents=latents)

    def _paint(self, request: FrameRequest, strength: float) -> np.ndarray:
        texts = [text for text, _ in request.prompt.fragments]
        noise = np.random.default_rng(request.seed).random((3, SIZE, SIZE))
        words = [np.random.default_rng(list(text.encode())).random(noise.shape) for text in texts]
        picture = np.mean([noise, *words, *words], axis=0)
        start = request.context.latents
        if request.context.init is not None:
            start = np.asarray(request.context.init, float).transpose(2, 0, 1) / 255
        if start is not None:
            kept = self._keeps(strength)
            picture = kept * start + (1 - kept) * picture
        return picture.astype(np.float32)
