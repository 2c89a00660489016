"""The picture in a server's answer, and what the server says that it made."""

import base64
import io
import json
from typing import Any

from PIL import Image

from flopslab.errors import ModelError

_METADATA = ", SDCPP: "  # stable-diffusion.cpp's own, in the picture's text


def answer_limit(size: tuple[int, int]) -> int:
    """The most bytes that an answer with a picture of this size needs."""
    return 2**24 + 16 * size[0] * size[1]


def read_answer(answer: Any, size: tuple[int, int]) -> tuple[Image.Image, dict[str, Any]]:
    """The RGB picture and the facts about it: seed, model and so on. Raises ModelError.

    `size`: (width, height) that the picture must have.
    """
    try:
        facts = json.loads(answer["info"]) if answer["info"] else {}
        data = base64.b64decode(answer["images"][facts.get("index_of_first_image", 0)])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        hint = "check what runs at this address"
        raise ModelError("a picture from the server", "no picture in its answer", hint) from None
    image = _open(data, size)
    return image.convert("RGB"), facts or _metadata(image.info.get("parameters", ""))


def _open(data: bytes, size: tuple[int, int]) -> Image.Image:
    expected = f"a PNG of {size[0]} x {size[1]} pixels from the server"
    try:
        image = Image.open(io.BytesIO(data), formats=["PNG"])
        if image.size == size and image.mode in ("RGB", "RGBA"):  # before it is decoded
            image.load()
            return image
        actual = f"{image.mode}, {image.width} x {image.height}"
        hint = "set a width and height that the model can make"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        actual, hint = "no PNG", "set the server's option samples_format to png"
    raise ModelError(expected, actual, hint)


def _metadata(text: str) -> dict[str, Any]:
    """What stable-diffusion.cpp writes into a picture; words of the prompt stand there too."""
    parts = text.split(_METADATA)
    for start in range(1, len(parts)):
        try:
            record = json.loads(_METADATA.join(parts[start:]))
            names = {"seed": record["seed"], "width": record["width"], "height": record["height"]}
            return names | {"sd_model_name": record["models"].get("model")}
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return {}
