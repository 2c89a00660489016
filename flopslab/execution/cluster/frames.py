"""The frames that a worker looks at: from memory, from the run directory, or sent by the client."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from flopslab.core.windows import FrameKey
from flopslab.execution.cluster.messages import Files
from flopslab.runs import layout
from flopslab.runs.frame_files import decode_frame, decode_latents
from flopslab.runs.provenance import Digests
from flopslab.storage import filesystem
from flopslab.storage.cache import FrameCache


class AbsentError(Exception):
    """This frame is nowhere to be found."""

    def __init__(self, key: FrameKey) -> None:
        super().__init__(key)
        self.key = key


class WorkerFrames:
    """The committed frames of a run, as far as this worker can get at them.

    A frame is what its digest says, wherever it comes from: what another run left under the same
    path, or what this worker made and the client did not commit, is not taken for it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._digests: dict[FrameKey, Digests] = {}
        self._files: dict[FrameKey, Files] = {}
        self._images: FrameCache[Image.Image] = FrameCache()
        self._latents: FrameCache[np.ndarray] = FrameCache()

    def expect(self, digests: Mapping[FrameKey, Digests], files: Mapping[FrameKey, Files]) -> None:
        """A batch will look at frames with these digests, of which these files were sent."""
        self._digests.update(digests)
        self._files.update(files)

    def absent(self, keys: Iterable[FrameKey]) -> list[FrameKey]:
        """Those of the frames that are nowhere to be found; all others are in memory now."""
        return [key for key in keys if not self._is_there(key)]

    def forget_files(self, keys: Iterable[FrameKey]) -> None:
        """The batch is made: drop what was sent for it."""
        for key in keys:
            self._files.pop(key, None)

    def image(self, key: FrameKey) -> Image.Image:
        """The picture, RGB. AbsentError if it is nowhere to be found."""
        return self._frame(key)[0]

    def latents(self, key: FrameKey) -> np.ndarray:
        """What the picture was decoded from. AbsentError if it is nowhere to be found."""
        latents = self._frame(key)[1]
        if latents is None:
            raise AbsentError(key)
        return latents

    def keep(self, digests: Digests, image: Image.Image, latents: np.ndarray | None) -> None:
        """Keep a frame with these digests in memory, as far as there is room."""
        self._images.put(digests.digest, image)
        if digests.latents and latents is not None:
            self._latents.put(digests.latents, latents)

    def _is_there(self, key: FrameKey) -> bool:
        with suppress(AbsentError):
            self._frame(key)
            return True
        return False

    def _frame(self, key: FrameKey) -> tuple[Image.Image, np.ndarray | None]:
        digests = self._digests[key]
        image = self._images.get(digests.digest)
        latents = self._latents.get(digests.latents) if digests.latents else None
        if image is None or (latents is None and digests.latents):
            try:
                image, latents = _decode(self._files.get(key) or self._read(key), digests)
            except (OSError, ValueError) as error:
                raise AbsentError(key) from error
            self.keep(digests, image, latents)
        return image, latents

    def _read(self, key: FrameKey) -> Files:
        path = layout.frame_path(self._directory, key)
        return filesystem.read(path) or b"", filesystem.read(layout.latents_path(path))


def _decode(files: Files, digests: Digests) -> tuple[Image.Image, np.ndarray | None]:
    """The frame of these files; ValueError if it is not the one with these digests."""
    image, recipe = decode_frame(files[0])
    if recipe.digest != digests.digest:
        raise ValueError("another frame")
    return image, decode_latents(files[1], digests.latents) if digests.latents else None
