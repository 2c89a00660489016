"""Decoded frames in memory, so that a pass does not decode each one as often as it is looked at."""

from collections import OrderedDict
from collections.abc import Hashable

import numpy as np
from PIL import Image

Picture = Image.Image | np.ndarray  # or its latents

ROOM = 2 * 2**30  # bytes; 700 frames of 512 x 512 take 0.55 GB


class ImageCache:
    """The images (or latents) used last, as many as fit into `room` bytes (the newest always)."""

    def __init__(self, room: int = ROOM) -> None:
        self._images: OrderedDict[Hashable, Picture] = OrderedDict()
        self._room, self._used = room, 0

    def put(self, name: Hashable, image: Picture) -> None:
        self._drop(self._images.pop(name, None))
        self._images[name] = image
        self._used += _bytes(image)
        while self._used > self._room and len(self._images) > 1:
            self._drop(self._images.popitem(last=False)[1])

    def forget(self, name: Hashable) -> None:
        self._drop(self._images.pop(name, None))

    def get(self, name: Hashable) -> Picture | None:
        if name in self._images:
            self._images.move_to_end(name)
        return self._images.get(name)

    def _drop(self, image: Picture | None) -> None:
        self._used -= 0 if image is None else _bytes(image)


def _bytes(image: Picture) -> int:
    if isinstance(image, np.ndarray):
        return image.nbytes
    return image.width * image.height * len(image.getbands())
