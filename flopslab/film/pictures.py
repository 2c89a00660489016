"""The pictures of a run as an encoder takes them, each one verified against the manifest."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from math import ceil, sqrt

import numpy as np
from PIL import Image

from flopslab.backends import load_generator
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.errors import ParameterError, RunError
from flopslab.film.settings import FilmSettings
from flopslab.film.timeline import Shot
from flopslab.runs.reader import RunDirectory

Decode = Callable[[np.ndarray], Image.Image]
"""Latents [channels, height, width] to their RGB picture."""

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

    def between(
        self, old: Shot, new: Shot, shares: Sequence[float], decode: Decode
    ) -> Iterator[np.ndarray]:
        """What lies between the latents of two shots, decoded: one picture for each share of new.

        As planar YUV. RunError if the run keeps no latents.
        """
        start, end = (
            self._run.latents(FrameKey(shot.passes[0], shot.position)) for shot in (old, new)
        )
        for share in shares:
            yield _to_yuv(self._fit(decode(slerp(start, end, share))))

    def _yuv(self, shot: Shot) -> np.ndarray:
        return _to_yuv(self.rgb(shot))

    def _fit(self, image: Image.Image) -> Image.Image:
        """The picture at the height that it has in the film."""
        if self._height in (0, image.height):
            return image
        width = max(1, round(image.width * self._height / image.height))
        return image.resize((width, self._height), Image.Resampling.LANCZOS)

    def _image(self, key: FrameKey) -> Image.Image:
        image, recipe = self._run.frame(key)
        self._compare(key, recipe.digest, image.size)
        return self._fit(image)

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


def load_decoder(run: RunDirectory) -> Decode:
    """What decodes the latents of a run: the model that made it. ModelError, or RunError if it is
    another model by now."""
    generator = load_generator(Study(**run.manifest["parameters"]))
    expected = run.recipe(FrameKey(1, run.positions[0])).pixels["settings"]["model_digest"]
    actual = generator.settings["model_digest"]
    if actual != expected:
        raise RunError(
            f"the model of the run in {run.directory}, {expected[:12]}",
            f"{generator.settings['model']} is {actual[:12]} now",
            "put the model back, or choose another transition than morph",
        )
    return generator.decode


def require_latents(run: RunDirectory, settings: FilmSettings) -> None:
    """ParameterError if transition morph has no latents to go between."""
    key = FrameKey(run.passes[-1], run.positions[0])
    reasons = {
        "passes side by side": settings.passes == "side",
        "a run that keeps no latents": run.recipe(key).latents is None,
    }
    if actual := ", ".join(reason for reason, applies in reasons.items() if applies):
        hint = "take a run of method latent, and one pass at a time; or another transition"
        raise ParameterError("transition morph", actual, hint)


def slerp(old: np.ndarray, new: np.ndarray, share: float) -> np.ndarray:
    """Between two arrays along the arc that joins them: lengths change evenly, none is lost.

    A straight mean of latents is shorter than both, and decodes to something grey.
    """
    lengths = np.linalg.norm(old), np.linalg.norm(new)
    cosine = np.sum(old * new, dtype=np.float64) / max(lengths[0] * lengths[1], 1e-12)
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) < 1e-6:
        return old + share * (new - old)
    weights = np.sin((1 - share) * angle), np.sin(share * angle)
    length = (1 - share) * lengths[0] + share * lengths[1]
    units = old / lengths[0], new / lengths[1]
    arc = (weights[0] * units[0] + weights[1] * units[1]) * length / np.sin(angle)
    return arc.astype(old.dtype)


def _to_yuv(image: Image.Image) -> np.ndarray:
    """uint8 [height * 3 / 2, width]: BT.709, limited range; an odd edge is repeated."""
    import av

    rgb = np.asarray(image)
    rgb = np.pad(rgb, ((0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)), "edge")
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
    return frame.reformat(
        format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
    ).to_ndarray()


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
