"""Frames in memory, so that none is decoded, scaled or measured as often as it is looked at."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

from flopslab.storage.space import available_memory

MOST = 2 * 2**30  # bytes; 700 frames of 512 x 512 take 0.55 GB
SHARE = 1 / 8  # of the memory that is available when a cache is made, if that is less
OVERHEAD = 1024  # bytes of an entry beside its pixels

Pixels = TypeVar("Pixels", Image.Image, np.ndarray, Image.Image | np.ndarray)


class FrameCache(Generic[Pixels]):
    """The images (or arrays) used last: as many as fit into `capacity` bytes, one at least.

    By default the capacity is a share of the memory that is available. Several threads may use a
    cache at once.
    """

    def __init__(self, capacity: int | None = None) -> None:
        if capacity is None:
            capacity = min(MOST, int(SHARE * available_memory()))
        self._entries: OrderedDict[Hashable, Pixels] = OrderedDict()
        self.capacity, self._size = capacity, 0
        self._lock = Lock()

    def put(self, key: Hashable, pixels: Pixels) -> None:
        """Keep it; the least recently used ones are dropped to make room."""
        with self._lock:
            self._drop(key)
            self._entries[key] = pixels
            self._size += _bytes(pixels)
            while self._size > self.capacity and len(self._entries) > 1:
                self._drop(next(iter(self._entries)))

    def get(self, key: Hashable) -> Pixels | None:
        """The entry, or None if it is not in memory."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def get_or_make(self, key: Hashable, make: Callable[[], Pixels]) -> Pixels:
        """The entry; if it is not in memory, what `make` returns, which is kept.

        Threads that ask for it at the same time may each make it, always the same.
        """
        pixels = self.get(key)
        if pixels is None:
            pixels = make()
            self.put(key, pixels)
        return pixels

    def drop(self, key: Hashable) -> None:
        """Forget the entry, if there is one."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: Hashable) -> None:
        if key in self._entries:
            self._size -= _bytes(self._entries.pop(key))


def _bytes(pixels: Image.Image | np.ndarray) -> int:
    if isinstance(pixels, np.ndarray):
        return OVERHEAD + pixels.nbytes
    return OVERHEAD + pixels.width * pixels.height * 4  # as Pillow stores RGB
