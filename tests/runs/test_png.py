"""PNG files are what every reader of PNG takes for the image."""

import io

import numpy as np
import pytest
from PIL import Image

from flopslab.runs.png import encode_png


def noise(width: int, height: int) -> Image.Image:
    levels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(levels)


def slope(width: int, height: int) -> Image.Image:
    across = np.linspace(0, 255, width).astype(np.uint8)
    return Image.fromarray(np.repeat(np.tile(across, (height, 1))[:, :, None], 3, axis=2))


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 3), (64, 48)])
@pytest.mark.parametrize("paint", [noise, slope])
def test_a_png_has_the_pixels_of_its_image(paint, size):
    image = paint(*size)
    with Image.open(io.BytesIO(encode_png(image)), formats=["PNG"]) as file:
        file.verify()
    with Image.open(io.BytesIO(encode_png(image))) as file:
        assert (file.mode, file.size, file.info) == ("RGB", size, {})
        assert file.tobytes() == image.tobytes()


def test_an_even_picture_is_packed_into_a_tenth_of_its_pixels():
    image = slope(256, 256)
    assert len(encode_png(image)) < len(image.tobytes()) / 10
