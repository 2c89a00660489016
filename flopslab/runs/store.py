"""The run directory: pictures with their recipes, verified before they are kept.

The pictures are the database: final/ and the manifest can be rebuilt from them at any time. See
`flopslab.runs.layout` for what lies where.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from flopslab.core.plan import Frame
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.digests import json_digest
from flopslab.errors import RunError
from flopslab.runs import layout, links, manifest
from flopslab.runs.forecast import check_identity
from flopslab.runs.frame_files import (
    decode_frame,
    decode_latents,
    encode_frame,
    encode_latents,
    is_occupied,
)
from flopslab.runs.provenance import Recipe, RunContext
from flopslab.runs.quarantine import Quarantine, diagnose
from flopslab.runs.reader import common_parameters, read_frame, read_latents
from flopslab.storage import filesystem
from flopslab.storage.cache import FrameCache
from flopslab.words.sequence import TimedSequence

COPIES = 32  # frames of another run that are written together


@dataclass(frozen=True)
class Picture:
    """A finished frame: its image, its latents if they are kept, its recipe."""

    key: FrameKey
    image: Image.Image
    latents: np.ndarray | None
    recipe: Recipe


class Store:
    """The directory of one run, held by this process alone: use it in a `with` statement.

    `reuse_from`: another run's directory, from which frames with the right key are copied.
    Raises RunError if another process holds the directory or the disk refuses.
    """

    def __init__(self, directory: str | Path, reuse_from: str | Path | None = None) -> None:
        self.directory = Path(directory)
        self.reuse_from = Path(reuse_from) if reuse_from else None
        self.copied: list[FrameKey] = []  # from `reuse_from`
        self.quarantine = Quarantine(self.directory, self._announce)
        self._lock = filesystem.Lock(self.directory / layout.LOCK)
        self._recipes: dict[FrameKey, Recipe] = {}  # of the verified pictures
        self._images: FrameCache[Image.Image] = FrameCache()
        self._latents: FrameCache[np.ndarray] = FrameCache()
        self._bound: RunContext | None = None
        self._announced = False  # whether the manifest says that the run is at work

    def __enter__(self) -> Self:
        with filesystem.explained(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self._bound = None
        self._lock.release()

    def bind(
        self,
        study: Study,
        settings: Mapping[str, Any],
        sequence: TimedSequence,
        external_frames: Mapping[int, Image.Image] | None = None,
    ) -> None:
        """Take on a study; `external_frames`: pictures from outside, by position in pass 1.

        RunError with each difference if the pictures there are of another study.
        """
        if not self._lock.is_held:
            raise _out_of_order(self.directory, "it is not open", "use it in a with statement")
        if self.reuse_from and not common_parameters(self.reuse_from):
            hint = "give the output_dir of a run, or leave reuse_from out"
            raise RunError(f"a run to reuse in {self.reuse_from}", "no pictures", hint)
        context = RunContext(study, settings, sequence, external_frames or {})
        with filesystem.explained(self.directory):
            check_identity(self.directory, context)
        self._bound = context

    def find_missing(self, frames: Sequence[Frame]) -> list[Frame]:
        """Those of the frames that must be made; all others are verified.

        What stands in their place is quarantined. What was quarantined before, or exists in
        `reuse_from`, is taken from there if it is the frame that is needed.
        """
        with filesystem.explained(self.directory):
            missing = [frame for frame in frames if not self._keep(frame)]
            for start in range(0, len(missing), COPIES):
                self._copy(missing[start : start + COPIES])
            return [frame for frame in missing if not self.is_verified(frame.key)]

    def verify(self, frames: Sequence[Frame]) -> None:
        """Verify what can be verified of the frames; nothing changes on the disk."""
        with filesystem.explained(self.directory):
            for frame in frames:
                self._verify(frame, layout.frame_path(self.directory, frame.key))

    def is_verified(self, key: FrameKey) -> bool:
        """Whether this picture has been verified, or made, since the run was opened."""
        return key in self._recipes

    def image(self, key: FrameKey) -> Image.Image:
        """A verified picture, RGB: from memory or, if there was no room for it, from the disk."""
        image = self._images.get(key)
        if image is None:
            path = layout.frame_path(self.directory, key)
            image, recipe = read_frame(path)
            if recipe.digest != self._recipe(key).digest:
                raise RunError(f"read {path}", "another picture than before", "run again")
            self._images.put(key, image)
        return image

    def latents(self, key: FrameKey) -> np.ndarray:
        """The latents of a verified picture, in a run that keeps them."""
        latents = self._latents.get(key)
        if latents is None:
            path = layout.frame_path(self.directory, key)
            latents = read_latents(path, self._recipe(key))
            self._latents.put(key, latents)
        return latents

    @property
    def keeps_latents(self) -> bool:
        """Whether `commit` needs latents."""
        return self._context.keeps_latents

    def commit(
        self,
        frames: Sequence[Frame],
        images: Sequence[Image.Image],
        latents: Sequence[np.ndarray | None],
        seconds: float,
    ) -> None:
        """Make pictures part of the run for good; `seconds`: what computing them all took."""
        times = {
            "generation_time_s": round(seconds / len(frames), 4),
            "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        recipe = self._context.recipe
        self._write(
            Picture(frame.key, image, z, recipe(frame, image, z, self._recipes, **times))
            for frame, image, z in zip(frames, images, latents, strict=True)
        )

    def finish(self, frames: Sequence[Frame]) -> Path:
        """The manifest's path; it and final/ now show `frames`, all those of the last pass."""
        path = self.directory / layout.MANIFEST
        data = manifest.encode(manifest.build(self._context, frames, self._recipes))
        with filesystem.explained(self.directory):
            pictures = [layout.frame_path(self.directory, frame.key) for frame in frames]
            linked = links.is_linked(self.directory, pictures)
            if not linked or filesystem.read(path) != data:
                self._announce()
                links.link_final(self.directory, pictures, self._quarantine_link)
                filesystem.replace({path: data})
        return path

    def _announce(self) -> None:
        """Before the first change the manifest says that the run is at work."""
        if not self._announced:
            path = self.directory / layout.MANIFEST
            data = manifest.encode(manifest.announce(self._context))
            filesystem.make_directory(self.directory / layout.FINAL)
            if filesystem.read(path) != data:
                filesystem.replace({path: data})
            self._announced = True

    @property
    def _context(self) -> RunContext:
        if self._bound is None:
            raise _out_of_order(self.directory, "it is bound to no study", "call bind first")
        return self._bound

    def _recipe(self, key: FrameKey) -> Recipe:
        """The recipe of a verified picture; RunError for any other."""
        if key not in self._recipes:
            expected = f"a verified picture, pass {key.pass_number}, position {key.position}"
            raise RunError(expected, "none in this run", "call find_missing or verify first")
        return self._recipes[key]

    def _keep(self, frame: Frame) -> bool:
        """Whether the frame is verified now: where it stands, or from quarantine/."""
        path = layout.frame_path(self.directory, frame.key)
        if not path.parent.is_dir():
            self._announce()
        filesystem.make_directory(path.parent)
        if self._verify(frame, path):
            return True
        if is_occupied(path):
            expected = self._context.pixels(frame, self._recipes)
            self.quarantine.put(path, *diagnose(filesystem.read(path), expected))
        return self._take_back(frame, path)

    def _verify(self, frame: Frame, path: Path) -> bool:
        """Whether a whole picture stands there with the key that is needed; if so, remember it.

        Where latents are kept they must be whole too: a picture without them is made again.
        """
        data = filesystem.read(path)
        if data is None or not all(map(self.is_verified, frame.sources)):
            return False
        try:
            image, recipe = decode_frame(data)
            latents = self._read_latents(path, recipe)
        except ValueError:
            return False
        verified = recipe.key == json_digest(self._context.pixels(frame, self._recipes))
        if verified:
            self._remember(Picture(frame.key, image, latents, recipe))
        return verified

    def _read_latents(self, path: Path, recipe: Recipe) -> np.ndarray | None:
        """The latents beside a picture, in a run that keeps them. ValueError if damaged."""
        if not self.keeps_latents:
            return None
        return decode_latents(filesystem.read(layout.latents_path(path)), recipe.latents)

    def _quarantine_link(self, path: Path) -> None:
        self.quarantine.put(path, "foreign", "not a link of this run")

    def _take_back(self, frame: Frame, path: Path) -> bool:
        """Whether the frame was in quarantine, where another `limit` may have put it."""
        for candidate in self.quarantine.candidates(path):
            if self._verify(frame, candidate):
                self.quarantine.take_back(candidate, path)
                return True
        return False

    def _copy(self, frames: Sequence[Frame]) -> None:
        """Take those that another run has, all at once, as frames of this one."""
        if self.reuse_from is None:
            return
        source = self.reuse_from
        verified = (f.key for f in frames if self._verify(f, layout.frame_path(source, f.key)))
        pictures = [self._adopt(key) for key in verified]  # each while it is in memory
        self._write(pictures)
        self.copied += [picture.key for picture in pictures]

    def _adopt(self, key: FrameKey) -> Picture:
        """The picture of another run with the recipe that it has in this one."""
        parameters = self._context.parameters(key.pass_number)
        recipe = replace(self._recipes[key], parameters=parameters)
        latents = self.latents(key) if self.keeps_latents else None
        return Picture(key, self.image(key), latents, recipe)

    def _write(self, pictures: Iterable[Picture]) -> None:
        pictures, files = list(pictures), {}
        for picture in pictures:
            path = layout.frame_path(self.directory, picture.key)
            if picture.latents is not None:  # first: a picture that is visible has its latents
                files[layout.latents_path(path)] = encode_latents(picture.latents)
            files[path] = encode_frame(picture.image, picture.recipe)
        with filesystem.explained(self.directory):
            self._announce()
            filesystem.replace(files)
        for picture in pictures:
            self._remember(picture)

    def _remember(self, picture: Picture) -> None:
        self._recipes[picture.key] = picture.recipe
        self._images.put(picture.key, picture.image)
        if picture.latents is not None:
            self._latents.put(picture.key, picture.latents)


def _out_of_order(directory: Path, actual: str, hint: str) -> RunError:
    return RunError(f"the store of {directory}, ready for use", actual, hint)
