"""Decoded frames in memory, so that a pass does not decode each one as often as it is looked at."""

from collections import OrderedDict
from collections.abc import Hashable

from PIL import Image

ROOM = 2 * 2**30  # bytes; 700 frames of 512 x 512 take 0.55 GB


class ImageCache:
    """The images used last, as many as fit into `room` bytes (the newest always)."""

    def __init__(self, room: int = ROOM) -> None:
        self._images: OrderedDict[Hashable, Image.Image] = OrderedDict()
        self._room, self._used = room, 0

    def put(self, name: Hashable, image: Image.Image) -> None:
        self._drop(self._images.pop(name, None))
        self._images[name] = image
        self._used += _bytes(image)
        while self._used > self._room and len(self._images) > 1:
            self._drop(self._images.popitem(last=False)[1])

    def forget(self, name: Hashable) -> None:
        self._drop(self._images.pop(name, None))

    def get(self, name: Hashable) -> Image.Image | None:
        if name in self._images:
            self._images.move_to_end(name)
        return self._images.get(name)

    def _drop(self, image: Image.Image | None) -> None:
        self._used -= _bytes(image) if image else 0


def _bytes(image: Image.Image) -> int:
    return image.width * image.height * len(image.getbands())
