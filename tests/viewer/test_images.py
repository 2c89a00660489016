"""Image files, the palette, and where two pictures differ."""

import io

import numpy as np
import pytest
from PIL import Image

from flopslab.errors import ParameterError
from flopslab.viewer import images


def flat(level: int, size: tuple[int, int] = (4, 2)) -> Image.Image:
    return Image.new("RGB", size, (level, level, level))


def read(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_a_file_has_its_format_and_an_address_says_so(file_format):
    data = images.encode(flat(9), file_format)
    assert read(data).format == file_format
    assert images.data_uri(data, file_format).startswith(f"data:image/{file_format.lower()};base64")


def test_png_is_exact_and_webp_keeps_what_is_transparent():
    assert read(images.encode(flat(9), "PNG")).convert("RGB").tobytes() == flat(9).tobytes()
    assert read(images.encode(Image.new("RGBA", (4, 4)), "WEBP")).getpixel((0, 0))[3] == 0


def test_a_picture_shrinks_and_never_grows():
    image = flat(9, (400, 200))
    assert [read(images.shrink(image, side)).size for side in (40, 900)] == [(40, 20), (400, 200)]
    assert image.size == (400, 200)


def test_the_palette_goes_from_dark_to_light_as_the_legend_does():
    light = images.colours(np.linspace(0, 1, 5))[:, :3].astype(int).sum(axis=1)
    assert (np.diff(light) > 0).all()
    assert images.gradient(2) == ["#440154", "#fde724"]


def test_a_difference_is_dark_where_pictures_agree_and_light_where_they_differ_most():
    a, b = flat(9), flat(9)
    b.putpixel((1, 1), (9, 60, 9))
    pixels = np.asarray(images.difference(a, b)).astype(int).sum(axis=2)
    assert pixels.argmax() == 5
    assert len(np.unique(pixels)) == 2
    assert np.unique(np.asarray(images.difference(a, a)).reshape(-1, 3), axis=0).tolist() == [
        images.colours(0.0)[:3].tolist()
    ]


def test_pictures_of_two_sizes_have_no_difference():
    with pytest.raises(ParameterError, match="one size"):
        images.difference(flat(9), flat(9, (2, 2)))
