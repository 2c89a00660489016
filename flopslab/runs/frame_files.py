"""The files of a frame: a PNG with its recipe in one iTXt chunk, and its latents as safetensors.

Latents are what the picture was decoded from, float32 [channels, height, width]. Their file has no
checksum of its own; their digest stands in the recipe.
"""

import io
import json
import os
import struct
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, Self, get_origin

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo, putchunk
from safetensors.numpy import load, save

from flopslab.digests import array_digest, json_digest, pixel_digest
from flopslab.interop import a1111
from flopslab.runs import layout
from flopslab.runs.png import encode_png
from flopslab.runs.provenance import FORMAT, Digests, Recipe
from flopslab.storage import filesystem

CHUNK = "flopslab"  # keyword of the PNG's iTXt chunk
HEAD = 2**16  # bytes of a file that hold a recipe of usual length
_END = b"\0\0\0\0IEND\xaeB`\x82"  # the last chunk of every PNG file
IHDR_END = 33  # bytes of a PNG's signature and of its first chunk, which has a fixed size
TENSOR = "latents"  # name of the latents file's only tensor


class FormatError(ValueError):
    """The recipe has a record format that this version does not read; `format` says which."""

    def __init__(self, record_format: object) -> None:
        self.format = record_format
        super().__init__(f"record format {record_format}; this version of flopslab reads {FORMAT}")


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """The files of a frame, but for its recipe: what takes time to make, wherever it is made."""

    png: bytes
    latents: bytes | None  # a safetensors file, in a run that keeps latents
    digests: Digests

    @classmethod
    def of(cls, image: Image.Image, latents: np.ndarray | None) -> Self:
        """The files of an RGB image and of what it was decoded from."""
        png, digest = encode_png(image), pixel_digest(image)
        if latents is None:
            return cls(png, None, Digests(digest, None))
        return cls(png, encode_latents(latents), Digests(digest, array_digest(latents)))

    def files(self, path: Path, recipe: Recipe) -> dict[Path, bytes]:
        """What to write for a picture at `path`, in this order: one that is visible is whole."""
        latents = {} if self.latents is None else {layout.latents_path(path): self.latents}
        return latents | {path: insert_recipe(self.png, recipe)}


def encode_frame(image: Image.Image, recipe: Recipe) -> bytes:
    """The PNG file of an RGB image, its recipe inside."""
    return insert_recipe(EncodedFrame.of(image, None).png, recipe)


def insert_recipe(png: bytes, recipe: Recipe) -> bytes:
    """The PNG file with the recipe as a text chunk; its pixels are not encoded again.

    A second text chunk has the settings as AUTOMATIC1111 writes them, for other programs. It is
    derived from the recipe and outside of its seal: to edit it changes nothing.
    """
    record = {"flopslab": FORMAT, "key": recipe.key, **vars(recipe)}
    record["seal"] = json_digest(record)  # an edit anywhere in the recipe is noticed
    info, chunks = PngInfo(), io.BytesIO()
    info.add_itxt(CHUNK, json.dumps(record, ensure_ascii=False, allow_nan=False))
    info.add_text(a1111.CHUNK, _describe_settings(recipe))
    for kind, data, *_ in info.chunks:
        putchunk(chunks, kind, data)
    return png[:IHDR_END] + chunks.getvalue() + png[IHDR_END:]


def decode_frame(data: bytes) -> tuple[Image.Image, Recipe]:
    """The RGB image and the recipe of a PNG file made by `encode_frame`.

    Raises ValueError for anything else: cut, flipped, edited, or from another program.
    """
    with _open(data) as file:
        recipe = _recipe_of(file)
        try:
            _check_chunks(data)
            image = file.convert(file.mode)
            image.info.clear()  # else every image in memory holds its recipe's text
        except Exception as error:  # Pillow raises whatever its parser stumbles over
            raise ValueError(f"not a whole picture ({error!r})") from error
    if pixel_digest(image) != recipe.digest:
        raise ValueError("its pixels are not those that its recipe records")
    return image, recipe


def decode_recipe(data: bytes) -> Recipe:
    """The recipe of a PNG file, its pixels neither read nor verified.

    Raises ValueError, which is FormatError for a recipe of another version.
    """
    with _open(data) as file:
        return _recipe_of(file)


def read_recipe(path: Path) -> Recipe:
    """The recipe of the picture at `path`; ValueError if there is none, or the file is cut off.

    Most of the pixels are not even read, none is verified.
    """
    try:
        head, tail = filesystem.read_ends(path, HEAD, len(_END))
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    if tail != _END:
        raise ValueError("cut off" if head else "empty")
    try:
        return decode_recipe(head)
    except FormatError:
        raise
    except ValueError:  # a recipe of thousands of words is longer
        return decode_recipe(filesystem.read(path) or b"")  # it may have been moved since


def is_foreign(data: bytes) -> bool:
    """Whether it is a picture of another program: whole at its head, and without a recipe."""
    try:
        with Image.open(io.BytesIO(data)) as file:
            return CHUNK not in file.info
    except Exception:  # Pillow raises whatever its parser stumbles over
        return False


def encode_latents(latents: np.ndarray) -> bytes:
    """The safetensors file of the latents."""
    return save({TENSOR: np.ascontiguousarray(latents)})


def decode_latents(data: bytes | None, digest: str | None) -> np.ndarray:
    """The latents of a file whose digest is the recipe's; ValueError for anything else."""
    try:
        latents = load(data or b"")[TENSOR]
    except Exception as error:  # safetensors has errors of its own
        raise ValueError(f"no latents ({error!r})") from error
    if array_digest(latents) != digest:
        raise ValueError("its latents are not those that the recipe records")
    return latents


def is_occupied(path: Path) -> bool:
    """Whether anything stands there, or latents beside it."""
    return os.path.lexists(path) or os.path.lexists(layout.latents_path(path))


def move_frame(path: Path, target: Path) -> list[Path]:
    """Move what stands at `path`, and the latents beside it; the new paths."""
    pairs = [(layout.latents_path(path), layout.latents_path(target)), (path, target)]
    pairs = [(source, goal) for source, goal in pairs if os.path.lexists(source)]
    for source, goal in pairs:
        filesystem.move(source, goal)
    return [goal for _, goal in pairs]


def _describe_settings(recipe: Recipe) -> str:
    pixels = recipe.pixels
    strength = pixels.get("refinement", {}).get("denoising_strength")
    return a1111.write_parameters(
        pixels["prompt"], pixels["settings"], pixels["seed"], recipe.model, strength
    )


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=["PNG"])
    except Exception as error:
        raise ValueError(f"no picture ({error!r})") from error


def _recipe_of(file: Image.Image) -> Recipe:
    try:
        return _read_record(json.loads(file.info[CHUNK]))  # its `text` would decode all pixels
    except FormatError:
        raise
    except Exception as error:
        raise ValueError(f"no recipe of flopslab ({error!r})") from error


def _read_record(record: dict[str, Any]) -> Recipe:
    if record["flopslab"] != FORMAT:
        raise FormatError(record["flopslab"])
    seal = record.pop("seal")
    if seal != json_digest(record):
        raise ValueError("edited")
    del record["flopslab"], record["key"]
    recipe = Recipe(**record)
    _check_types(recipe)
    return recipe


def _type(kind: Any) -> Any:
    """What `isinstance` takes for an annotation."""
    return kind if isinstance(kind, UnionType) else get_origin(kind) or kind


_TYPES = {field.name: _type(field.type) for field in fields(Recipe)}
_TYPES["generation_time_s"] = (int, float)


def _check_types(recipe: Recipe) -> None:
    """Raise for values that no run writes: the seal is a checksum, which anybody can forge."""
    for name, kind in _TYPES.items():
        if not isinstance(getattr(recipe, name), kind):
            raise ValueError(f"{name} = {getattr(recipe, name)!r}")
    positions = [source.position for source, _ in recipe.needs]
    positions += [entry.source for entry in recipe.inputs] + recipe.word_window
    if not all(isinstance(position, int) for position in positions):
        raise ValueError("positions that are no numbers")
    seed, prompt = recipe.pixels["seed"], recipe.pixels["prompt"]
    if not (isinstance(seed, int) and isinstance(prompt, list)):
        raise ValueError("no seed or no prompt")
    dict(prompt)  # fragments with their weights; without words there are none


def _check_chunks(data: bytes) -> None:
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
