"""Images for the browser: their files, the colours of values, the difference of two."""

import io
from base64 import b64encode
from typing import Any, Literal

import matplotlib
import numpy as np
from PIL import Image

from flopslab.analysis import metrics

PALETTE = "viridis"  # from dark to light; readable without colour vision

FileFormat = Literal["JPEG", "PNG", "WEBP"]
_OPTIONS: dict[FileFormat, dict[str, Any]] = {
    "JPEG": {"quality": 85},  # small
    "PNG": {"compress_level": 1},  # exact
    "WEBP": {"quality": 80, "method": 0},  # small, and keeps transparency
}


def encode(image: Image.Image, file_format: FileFormat) -> bytes:
    """The image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **_OPTIONS[file_format])
    return buffer.getvalue()


def data_uri(data: bytes, file_format: FileFormat = "JPEG") -> str:
    """An address that holds the whole file."""
    return f"data:image/{file_format.lower()};base64,{b64encode(data).decode()}"


def shrink(image: Image.Image, side: int) -> bytes:
    """The image as a JPEG file whose longer side has at most `side` pixels."""
    image = image.copy()
    image.thumbnail((side, side))
    return encode(image, "JPEG")


def colours(shares: np.ndarray | float) -> np.ndarray:
    """[..., 4]: the RGBA colours (0 to 255) of numbers in [0, 1], from dark to light."""
    return np.asarray(matplotlib.colormaps[PALETTE](shares, bytes=True))


def gradient(steps: int = 5) -> list[str]:
    """The palette as CSS colours, from dark to light."""
    return ["#{:02x}{:02x}{:02x}".format(*rgba[:3]) for rgba in colours(np.linspace(0, 1, steps))]


def difference(a: Image.Image, b: Image.Image) -> Image.Image:
    """Where two RGB images of one size differ: the mean of the channels' distances as colour.

    From dark (equal) to light (the greatest distance in this pair).
    """
    distances = np.abs(metrics.pixel_difference(a, b)).mean(axis=2)
    shares = distances / max(distances.max(), 1 / 255)
    return Image.fromarray(np.ascontiguousarray(colours(shares)[..., :3]))


EMPTY = encode(Image.new("RGBA", (1, 1), (128, 128, 128, 40)), "PNG")  # where there is no image
