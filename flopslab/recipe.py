"""The record that every picture carries: how it was made, and the key that proves it.

The key of a picture is the SHA-256 of canonical JSON of what determines its pixels: settings of
the generator, prompt, seed and, in a refinement pass, method and the pixel digests of the input
frames in their order. What does not determine its pixels (position, device, versions, times, the
rest of the run) stands beside it, outside the key.
"""

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from flopslab.compositing import METHODS
from flopslab.params import Study
from flopslab.planning import Frame
from flopslab.sequence import Word

FORMAT = 1  # of the record
ALGORITHM = 1  # raise it when the same recipe would give other pixels
CHUNK = "flopslab"  # keyword of the PNG's iTXt chunk
REFINEMENT = (
    "method", "denoising_strength", "image_weight", "image_context_multiplier", "control",
)  # fmt: skip
NOT_PIXELS = ("model", "device", "versions")  # settings that are recorded, but outside the key


@dataclass(frozen=True)
class Conditions:
    """What all frames of a run have in common."""

    study: Study
    settings: Mapping[str, Any]  # the generator's, resolved and JSON-ready
    words: tuple[Word, ...]  # the whole sequence
    given: Mapping[int, Image.Image] = field(default_factory=dict)  # see `Frame.given`

    def made_with(self, number: int = 2) -> dict[str, Any]:
        """Every parameter that changes pixels up to pass `number`, with resolved values.

        Model and sequence stand there by their content, a digest. Pass 1 knows no refinement.
        """
        parameters = self.study.pixel_parameters() | pixel_settings(self.settings)
        for name in ("model", *REFINEMENT):  # two names may hold one model; the digest tells
            del parameters[name]
        parameters |= {"algorithm": ALGORITHM, "sequence": self._sequence_digest}
        parameters |= {"given": {str(p): pixel_digest(image) for p, image in self.given.items()}}
        return parameters if number == 1 else parameters | self._refinement()

    def pixels(self, frame: Frame, digests: Mapping[int, str]) -> dict[str, Any]:
        """What determines the frame's pixels; `digests`: of the pass before, by position."""
        part = {
            "algorithm": ALGORITHM,
            "settings": pixel_settings(self.settings),
            "prompt": [list(fragment) for fragment in frame.prompt.fragments],
            "seed": frame.seed,
        }
        if frame.given:
            part |= {"given": pixel_digest(frame.given)}
        if frame.number == 1:
            return part
        refinement = self._refinement()
        for name in ("image_context_multiplier", "control"):  # act through inputs and words alone
            del refinement[name]
        inputs = [{"offset": p - frame.position, "digest": digests[p]} for p in frame.inputs]
        return part | {"refinement": refinement, "inputs": inputs}

    @cached_property
    def _sequence_digest(self) -> str:
        """Of the words and their sizes; timings change no pixel."""
        said = [[word.text, word.size] + ["silent"] * word.silent for word in self.words]
        return json_digest(said)

    def _refinement(self) -> dict[str, Any]:
        """The parameters of refinement that have a meaning for the method."""
        values = {name: getattr(self.study, name) for name in REFINEMENT}
        if not METHODS[self.study.method].weighs_images:
            del values["image_weight"]
        return values

    def recipe(
        self, frame: Frame, image: Image.Image, digests: Mapping[int, str], **made: Any
    ) -> "Recipe":
        """The recipe of the frame's picture; `made`: generation_time_s and created."""
        return Recipe(
            pixels=self.pixels(frame, digests),
            digest=pixel_digest(image),
            number=frame.number,
            position=frame.position,
            words=[word.text for word in frame.words if not word.silent],
            prompt=frame.prompt.written,
            input_positions=list(frame.sources),
            made_with=self.made_with(frame.number),
            **{name: self.settings[name] for name in NOT_PIXELS},
            **made,
        )


@dataclass(frozen=True)
class Recipe:
    """How one picture was made."""

    pixels: dict[str, Any]  # what determines its pixels, see `Conditions.pixels`
    digest: str  # of its pixels, see `pixel_digest`
    number: int
    position: int
    words: list[str]
    prompt: str  # as written in the manifest
    input_positions: list[int]  # of pixels["inputs"], in the same order
    made_with: dict[str, Any]  # see `Conditions.made_with`
    model: str
    device: str
    versions: dict[str, str]
    generation_time_s: float
    created: str  # UTC, ISO 8601, Z

    @property
    def key(self) -> str:
        """What proves the picture: equal keys, equal pixels (on one device)."""
        return json_digest(self.pixels)


def json_digest(value: Any) -> str:
    """SHA-256 (hex) of the value as canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def canonical(value: Any) -> bytes:
    """JSON with one spelling for equal values: sorted keys, no spaces, ASCII, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def pixel_digest(image: Image.Image) -> str:
    """SHA-256 (hex) of the image's mode, size and pixels."""
    head = f"{image.mode} {image.width}x{image.height}\n".encode()
    return hashlib.sha256(head + image.tobytes()).hexdigest()


def pixel_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The generator's settings that change pixels."""
    return {name: value for name, value in settings.items() if name not in NOT_PIXELS}


def encode(image: Image.Image, recipe: Recipe) -> bytes:
    """The PNG file of an RGB image, its recipe in one iTXt chunk."""
    record = {"flopslab": FORMAT, "key": recipe.key, **asdict(recipe)}
    record["seal"] = json_digest(record)  # an edit anywhere in the recipe is found
    info = PngInfo()
    info.add_itxt(CHUNK, json.dumps(record, ensure_ascii=False, allow_nan=False))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1, pnginfo=info)
    return buffer.getvalue()


def decode(data: bytes) -> tuple[Image.Image, Recipe]:
    """The RGB image and the recipe of a PNG file made by `encode`.

    Raises ValueError for anything else: cut, flipped, edited, or from another program.
    """
    recipe = peek(data)
    try:
        check_chunks(data)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as file:
            image = file.convert(file.mode)
    except Exception as error:  # Pillow raises whatever its parser stumbles over
        raise ValueError(f"not a whole picture ({error!r})") from error
    if pixel_digest(image) != recipe.digest:
        raise ValueError("its pixels are not those that its recipe records")
    return image, recipe


def peek(data: bytes) -> Recipe:
    """The recipe of a PNG file, its pixels unread and unproven. Raises ValueError."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as file:
            return _recipe(json.loads(file.info[CHUNK]))  # its `text` would decode all pixels
    except Exception as error:
        raise ValueError(f"no recipe of flopslab ({error!r})") from error


def _recipe(record: dict[str, Any]) -> Recipe:
    if record.pop("flopslab") != FORMAT:
        raise ValueError("made by another version of flopslab")
    if record.pop("seal") != json_digest(record | {"flopslab": FORMAT}):
        raise ValueError("edited")
    del record["key"]
    return Recipe(**record)


def check_chunks(data: bytes) -> None:
    """Raise ValueError unless the PNG's chunks are whole, with right checksums, and end the file.

    Pillow checks the same, unless somebody in this process set LOAD_TRUNCATED_IMAGES.
    """
    at, kind = 8, b""
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        (checksum,) = struct.unpack_from(">I", data, end)
        if checksum != zlib.crc32(data[at + 4 : end]):
            raise ValueError(f"damaged at byte {at}")
        at = end + 4
    if kind != b"IEND":
        raise ValueError("cut off")
