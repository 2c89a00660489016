"""The record that every picture carries: how it was made, and the key that proves it.

The key of a picture is the SHA-256 of canonical JSON of what determines its pixels: settings of
the generator, prompt, seed and, in a refinement pass, how it refines and the digests of the input
frames with their weights, in order. What does not determine its pixels (position, device, versions,
times, the rest of the run) stands beside it, outside the key.
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

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from flopslab.core.compositing import METHODS
from flopslab.core.plan import Frame
from flopslab.core.study import Study
from flopslab.runs import latents as latent_files
from flopslab.words.sequence import Word

FORMAT = 2  # of the record
ALGORITHM = 1  # raise it when the same recipe would give other pixels
CHUNK = "flopslab"  # keyword of the PNG's iTXt chunk
NOT_PIXELS = ("model", "device", "versions")  # settings that are recorded, but outside the key
ADAPTER = "ip_adapter_digest"  # a setting that only a method which looks at images has
REFINEMENT = (
    "method", "kernel", "image_context_multiplier", "image_weight", "denoising_strength",
    "colour_anchor", "colour_match", "detail", "seed_policy", "control",
)  # fmt: skip
ELSEWHERE = (  # act through inputs, words and seed
    "kernel", "image_context_multiplier", "seed_policy", "control",
)  # fmt: skip


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
        for name in ("model", "ip_adapter", *REFINEMENT):  # names: the digests tell
            del parameters[name]
        parameters |= {"algorithm": ALGORITHM, "sequence": self._sequence_digest}
        parameters |= {"given": {str(p): pixel_digest(image) for p, image in self.given.items()}}
        return parameters if number == 1 else parameters | self._refinement()

    def pixels(self, frame: Frame, made: "Recipes") -> dict[str, Any]:
        """What determines the frame's pixels; `made`: the frames that it may look at."""
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
        refinement["denoising_strength"] = self.study.strength(frame.number)
        refinement = {name: refinement[name] for name in refinement if name not in ELSEWHERE}
        inputs = [
            {"offset": p - frame.position, "weight": weight}
            | self._digests(made[frame.number - 1, frame.sources[p]])
            for p, weight in frame.weighted_inputs.items()
        ]
        part |= {"refinement": refinement, "inputs": inputs}
        anchored = self.study.colour_anchor > 0 and inputs
        return part | ({"anchor": self._digests(made[1, frame.position])} if anchored else {})

    def _digests(self, recipe: "Recipe") -> dict[str, Any]:
        """The digests of a frame that another looks at: its pixels', its latents' if they count."""
        latents = {"latents": recipe.latents} if self.keeps_latents else {}
        return {"digest": recipe.digest} | latents

    @property
    def keeps_latents(self) -> bool:
        """Whether each picture has its latents beside it, for the next pass to read."""
        return METHODS[self.study.method].takes_latents

    @cached_property
    def _sequence_digest(self) -> str:
        """Of the words and their sizes; timings change no pixel."""
        said = [[word.text, word.size] + ["silent"] * word.silent for word in self.words]
        return json_digest(said)

    def _refinement(self) -> dict[str, Any]:
        """The parameters of refinement that have a meaning for the method."""
        study, method = self.study, METHODS[self.study.method]
        values = {name: getattr(study, name) for name in REFINEMENT}
        meaningless = {
            "kernel": not method.weighs_neighbours,
            "image_weight": not method.weighs_images,
            "colour_match": not study.colour_anchor,
        }
        values = {name: values[name] for name in values if not meaningless.get(name)}
        adapter = {ADAPTER: self.settings.get(ADAPTER)} if method.weighs_images else {}
        return values | adapter

    def recipe(
        self,
        frame: Frame,
        image: Image.Image,
        latents: np.ndarray | None,
        made: "Recipes",
        **times: Any,
    ) -> "Recipe":
        """The recipe of the frame's picture; `times`: generation_time_s and created."""
        return Recipe(
            pixels=self.pixels(frame, made),
            digest=pixel_digest(image),
            latents=None if latents is None else latent_files.digest(latents),
            number=frame.number,
            position=frame.position,
            words=[word.text for word in frame.words if not word.silent],
            prompt=frame.prompt.written,
            tokens=frame.tokens,
            input_positions=list(frame.sources.values()),
            made_with=self.made_with(frame.number),
            **{name: self.settings[name] for name in NOT_PIXELS},
            **times,
        )


@dataclass(frozen=True)
class Recipe:
    """How one picture was made."""

    pixels: dict[str, Any]  # what determines its pixels, see `Conditions.pixels`
    digest: str  # of its pixels, see `pixel_digest`
    latents: str | None  # digest of the latents beside it, if the run keeps them
    number: int
    position: int
    words: list[str]
    prompt: str  # as written in the manifest
    tokens: int  # of the prompt, as the text encoder counts them
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


Recipes = Mapping[tuple[int, int], Recipe]  # by pass and position


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
    """The generator's settings that change the pixels of every pass."""
    return {name: v for name, v in settings.items() if name not in (*NOT_PIXELS, ADAPTER)}


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
