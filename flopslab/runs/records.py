"""What a run remembers of its verified pictures, and a proof of them for the next run.

Of every picture it is a record, a hundredth of a recipe; of the last ones the pixels too.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from stat import S_ISREG

import numpy as np
from PIL import Image

from flopslab.core.windows import FrameKey
from flopslab.digests import canonical_json
from flopslab.errors import RunError
from flopslab.runs import layout
from flopslab.runs.provenance import Recipe, Record
from flopslab.runs.reader import read_frame, read_latents
from flopslab.storage import filesystem
from flopslab.storage.cache import FrameCache

Stamp = list[int] | None  # size, mtime in ns and inode of a file; None if there is none


@dataclass(frozen=True)
class Picture:
    """A finished frame: its image, its latents if they are kept, its recipe."""

    frame: FrameKey
    image: Image.Image
    latents: np.ndarray | None
    recipe: Recipe

    @property
    def key(self) -> str:
        """What verifies it, see `Recipe`."""
        return self.record.key

    @cached_property
    def record(self) -> Record:
        """What is remembered of it."""
        return self.recipe.record


Evidence = Picture | Record  # what shows that a frame is there: a picture, or a record of it


class VerifiedPictures(Mapping[FrameKey, Record]):
    """The records of the pictures that a run has verified or made since it was opened."""

    def __init__(self, directory: Path) -> None:
        self.proof: Proof | None = None  # to be kept up to date
        self.makers: dict[bytes, Record] = {}  # a record of each, by its canonical JSON
        self._directory = directory
        self._records: dict[FrameKey, Record] = {}
        self._images: FrameCache[Image.Image] = FrameCache()
        self._latents: FrameCache[np.ndarray] = FrameCache()

    def __getitem__(self, key: FrameKey) -> Record:
        if key not in self._records:
            expected = f"a verified picture, pass {key.pass_number}, position {key.position}"
            raise RunError(expected, "none in this run", "call find_missing or verify first")
        return self._records[key]

    def __contains__(self, key: object) -> bool:
        return key in self._records

    def __iter__(self) -> Iterator[FrameKey]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def add(self, key: FrameKey, evidence: Evidence, path: Path) -> None:
        """Remember a picture that has been verified, or written, at this path."""
        self._records[key] = record = evidence.record
        self.makers.setdefault(canonical_json(record.maker), record)
        if self.proof:
            self.proof.note(key, record, path)
        if isinstance(evidence, Picture):
            self.keep(key, evidence.image, evidence.latents)

    def keep(self, key: FrameKey, image: Image.Image, latents: np.ndarray | None) -> None:
        """Keep a frame in memory, as far as there is room."""
        self._images.put(key, image)
        if latents is not None:
            self._latents.put(key, latents)

    def image(self, key: FrameKey) -> Image.Image:
        """A picture, RGB: from memory or, if there was no room for it, from the disk."""
        image = self._images.get(key)
        if image is None:
            path = layout.frame_path(self._directory, key)
            image, recipe = read_frame(path)
            if recipe.digest != self[key].digest:
                raise RunError(f"read {path}", "another picture than before", "run again")
            self._images.put(key, image)
        return image

    def latents(self, key: FrameKey) -> np.ndarray:
        """The latents of a picture, in a run that keeps them."""
        latents = self._latents.get(key)
        if latents is None:
            path = layout.frame_path(self._directory, key)
            latents = read_latents(path, self[key])
            self._latents.put(key, latents)
        return latents


class Proof:
    """Records with the stamps of their files, in a file: the fast proof of unchanged pictures.

    The file is a cache: without it, or where it is damaged, every picture is verified in full.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / layout.PROOF
        self._entries: _Entries = {}
        with suppress(OSError):
            self._entries = _decode(filesystem.read(self.path, linked_directory=True) or b"")

    def record(self, key: FrameKey, picture: Path, latents: bool) -> Record | None:
        """The record of the picture at this path, if its files have not changed since.

        `latents`: whether it must have them; a first pass of another method has none.
        """
        stamps, record = self._entries.get(key, (None, None))
        if record is None or stamps != _stamps(picture):
            return None
        return record if record.latents or not latents else None

    def note(self, key: FrameKey, record: Record, picture: Path) -> None:
        """The picture at this path has been verified, or written, just now."""
        self._entries[key] = (_stamps(picture), record)

    def save(self) -> None:
        """Write the file, if anything has changed."""
        data = _encode(self._entries)
        if filesystem.read(self.path, linked_directory=True) != data:
            filesystem.replace({self.path: data})


_Entries = dict[FrameKey, tuple[list[Stamp], Record]]
_OWN = ("key", "digest", "latents", "seed", "generation_time_s", "created")  # of one picture
_COMMON = ("device", "versions")  # what few differ in


def _encode(entries: _Entries) -> bytes:
    """JSON after its digest: the few makers, then a row for each picture."""
    makers: dict[bytes, int] = {}
    rows = []
    for frame, (stamps, record) in sorted(entries.items()):
        maker = canonical_json({name: getattr(record, name) for name in _COMMON})
        number = makers.setdefault(maker, len(makers))
        rows.append([*frame, stamps, number, *(getattr(record, name) for name in _OWN)])
    body = canonical_json([[json.loads(maker) for maker in makers], rows])
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _decode(data: bytes) -> _Entries:
    digest, _, body = data.partition(b"\n")
    if digest != hashlib.sha256(body).hexdigest().encode():
        return {}
    try:
        makers, rows = json.loads(body)
        return {
            FrameKey(*frame): (
                stamps,
                Record.of(**dict(zip(_OWN, own, strict=True)), **makers[number]),
            )
            for *frame, stamps, number, own in ((*row[:4], row[4:]) for row in rows)
        }
    except (ValueError, TypeError, LookupError, RecursionError):  # another version's columns
        return {}


def _stamps(picture: Path) -> list[Stamp]:
    return [_stamp(picture), _stamp(layout.latents_path(picture))]


def _stamp(path: Path) -> Stamp:
    with suppress(OSError):
        status = path.lstat()
        if S_ISREG(status.st_mode):
            return [status.st_size, status.st_mtime_ns, status.st_ino]
    return None
