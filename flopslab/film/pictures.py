"""The pictures of a run as an encoder takes them, each one verified against the manifest."""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil, sqrt

import numpy as np
from PIL import Image

from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.film.timeline import Shot
from flopslab.runs.reader import RunDirectory

ROW = 3  # so many passes stand in one row; more make a square

_HINT = "run the study again: what is damaged or missing is made again"


class Pictures:
    """The pictures of a finished run, as RGB and as planar YUV 4:2:0.

    `height`: of a picture in the film, in pixels; 0: its own. The files of all `shots` are checked
    at once: RunError if one is missing, cut off, not that of the manifest, or of another size. Its
    pixels are verified when it is decoded.
    """

    def __init__(self, run: RunDirectory, shots: Sequence[Shot], height: int = 0) -> None:
        self._run, self._height = run, height
        self._digests = {
            FrameKey(pass_number, frame["position"]): digest
            for frame in run.manifest["frames"]
            for pass_number, digest in enumerate(frame["pixel_digests"], 1)
        }
        keys = dict.fromkeys(FrameKey(n, shot.position) for shot in shots for n in shot.passes)
        self._size = _file_size(run, next(iter(keys)))
        for key in keys:
            self._check(key)
        self.yuv = lru_cache(maxsize=2)(self._yuv)  # the picture on the screen and the next one

    def rgb(self, shot: Shot) -> Image.Image:
        """The picture of a shot; those of several passes stand row by row, in their order."""
        images = [self._image(FrameKey(number, shot.position)) for number in shot.passes]
        columns = len(images) if len(images) <= ROW else ceil(sqrt(len(images)))
        width, height = images[0].size
        sheet = Image.new("RGB", (columns * width, ceil(len(images) / columns) * height))
        for index, image in enumerate(images):
            sheet.paste(image, (index % columns * width, index // columns * height))
        return sheet

    def _yuv(self, shot: Shot) -> np.ndarray:
        """uint8 [height * 3 / 2, width]: BT.709, limited range; an odd edge is repeated."""
        import av

        rgb = np.asarray(self.rgb(shot))
        rgb = np.pad(rgb, ((0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)), "edge")
        frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
        return frame.reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        ).to_ndarray()

    def _image(self, key: FrameKey) -> Image.Image:
        image, recipe = self._run.frame(key)
        self._compare(key, recipe.digest, image.size)
        if self._height in (0, image.height):
            return image
        width = max(1, round(image.width * self._height / image.height))
        return image.resize((width, self._height), Image.Resampling.LANCZOS)

    def _check(self, key: FrameKey) -> None:
        """RunError unless the file is whole and its recipe is that of the manifest's picture."""
        digest = self._run.recipe(key).digest
        self._compare(key, digest, _file_size(self._run, key))

    def _compare(self, key: FrameKey, digest: str, size: tuple[int, int]) -> None:
        path = self._run.path(key)
        if digest != self._digests[key]:
            actual = f"pixels {digest[:12]}, where the manifest has {self._digests[key][:12]}"
            raise RunError(f"the picture of the manifest in {path}", actual, _HINT)
        if size != self._size:
            expected = f"a picture of {self._size[0]} x {self._size[1]} pixels in {path}"
            raise RunError(expected, f"{size[0]} x {size[1]}", _HINT)


def _file_size(run: RunDirectory, key: FrameKey) -> tuple[int, int]:
    """Width and height of a picture whose file is whole: every checksum in it is right."""
    path = run.path(key)
    try:
        with Image.open(path, formats=["PNG"]) as file:
            file.verify()
            return file.size
    except Exception as error:  # Pillow raises whatever its parser stumbles over
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError(f"a whole picture in {path}", reason, _HINT) from error
