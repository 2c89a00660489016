"""The run directory: pictures with their recipes, verified before they are kept.

The pictures are the database: final/ and the manifest can be rebuilt from them at any time. See
`flopslab.runs.layout` for what lies where.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
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
from flopslab.runs.checks.forecast import check_identity
from flopslab.runs.frame_files import EncodedFrame, decode_frame, decode_latents, is_occupied
from flopslab.runs.provenance import Digests, Recipe, RunContext
from flopslab.runs.quarantine import Quarantine, diagnose
from flopslab.runs.reader import common_parameters
from flopslab.runs.records import Evidence, Picture, Proof, VerifiedPictures
from flopslab.storage import filesystem
from flopslab.storage.lock import Lock
from flopslab.storage.workers import map_ahead
from flopslab.words.sequence import TimedSequence

COPIES = 32  # frames of another run that are written together


class Store:
    """The directory of one run, held by this process alone: use it in a `with` statement.

    Threads may commit and read pictures at once. `reuse_from`: another run's directory, from which
    frames with the right key are copied.
    Raises RunError if another process holds the directory or the disk refuses.
    """

    def __init__(self, directory: str | Path, reuse_from: str | Path | None = None) -> None:
        self.directory = Path(directory).expanduser()
        self.reuse_from = Path(reuse_from).expanduser() if reuse_from else None
        self.copied: list[FrameKey] = []  # from `reuse_from`
        self.quarantine = Quarantine(self.directory, self._announce)
        self._lock = Lock(self.directory / layout.LOCK)
        self._verified = VerifiedPictures(self.directory)
        self._bound: RunContext | None = None
        self._announced = False  # whether the manifest says that the run is at work
        self._announcing = threading.Lock()

    def __enter__(self) -> Self:
        with filesystem.explained(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self._bound = None
        try:
            if self._verified.proof:
                with suppress(OSError, RunError):  # without it the next run verifies in full
                    self._lock.require_held()
                    self._verified.proof.save()
        finally:
            self._lock.release()

    def bind(
        self,
        study: Study,
        settings: Mapping[str, Any],
        sequence: TimedSequence,
        external_frames: Mapping[int, Image.Image] | None = None,
        follows: bool = False,
    ) -> None:
        """Take on a study; `external_frames`: pictures from outside, by position in pass 1.
        `follows`: whether its strength follows from its `image_weight`.

        RunError with each difference if the pictures there are of another study.
        """
        if not self._lock.is_held:
            raise _out_of_order(self.directory, "it is not open", "use it in a with statement")
        if self.reuse_from and not common_parameters(self.reuse_from):
            hint = "give the output_dir of a run, or leave reuse_from out"
            raise RunError(f"a run to reuse in {self.reuse_from}", "no pictures", hint)
        context = RunContext(study, settings, sequence, external_frames or {}, follows)
        with filesystem.explained(self.directory):
            check_identity(self.directory, context)
        self._bound = context
        self._verified.proof = Proof(self.directory) if study.proof == "fast" else None

    def find_missing(self, frames: Sequence[Frame]) -> list[Frame]:
        """Those of the frames that must be made; all others are verified.

        What stands in their place is quarantined. What was quarantined before, or exists in
        `reuse_from`, is taken from there if it is the frame that is needed.
        """
        with filesystem.explained(self.directory):
            for directory in {layout.frame_path(self.directory, f.key).parent for f in frames}:
                if not directory.is_dir():
                    self._announce()
                filesystem.make_directory(directory)
            pairs = self._examine(frames, self.directory)
            missing = [frame for frame, evidence in pairs if not self._keep(frame, evidence)]
            for start in range(0, len(missing), COPIES):
                self._copy(missing[start : start + COPIES])
            return [frame for frame in missing if not self.is_verified(frame.key)]

    def verify(self, frames: Sequence[Frame]) -> None:
        """Verify what can be verified of the frames; nothing changes on the disk."""
        with filesystem.explained(self.directory):
            for frame, evidence in self._examine(frames, self.directory):
                self._accept(frame, evidence, layout.frame_path(self.directory, frame.key))

    def is_verified(self, key: FrameKey) -> bool:
        """Whether this picture has been verified, or made, since the run was opened."""
        return key in self._verified

    def image(self, key: FrameKey) -> Image.Image:
        """A verified picture, RGB: from memory or, if there was no room for it, from the disk."""
        return self._verified.image(key)

    def latents(self, key: FrameKey) -> np.ndarray:
        """The latents of a verified picture, in a run that keeps them."""
        return self._verified.latents(key)

    @property
    def maker_changes(self) -> str:
        """What the makers of the verified pictures differ in: `torch 2.8.0 and 2.9.1`; or empty."""
        return manifest.describe_makers(list(self._verified.makers.values()))

    def digests(self, key: FrameKey) -> Digests:
        """The digests of a verified picture and of its latents."""
        return self._verified[key].digests

    def keep(self, key: FrameKey, image: Image.Image, latents: np.ndarray | None) -> None:
        """Keep a frame in memory, as far as there is room, for those that will look at it."""
        self._verified.keep(key, image, latents)

    def commit(
        self,
        frames: Sequence[Frame],
        pictures: Sequence[EncodedFrame],
        seconds: float,
        device: str = "",
    ) -> None:
        """Make pictures part of the run for good; `seconds`: what computing them all took.

        `device`: what computed them, if it is not the generator's.
        """
        recipe = self._context.recipe
        circumstances = {
            "generation_time_s": round(seconds / len(frames), 4),
            "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        } | ({"device": device} if device else {})
        recipes = [
            recipe(frame, picture.digests, self._verified, **circumstances)
            for frame, picture in zip(frames, pictures, strict=True)
        ]
        self._write(recipes, pictures)

    def finish(self, frames: Sequence[Frame]) -> Path:
        """The manifest's path; it and final/ now show `frames`, all those of the last pass."""
        path = self.directory / layout.MANIFEST
        data = manifest.encode(manifest.build(self._context, frames, self._verified))
        with filesystem.explained(self.directory):
            pictures = [layout.frame_path(self.directory, frame.key) for frame in frames]
            linked = links.is_linked(self.directory, pictures)
            if not linked or filesystem.read(path, linked_directory=True) != data:
                self._announce()
                links.link_final(self.directory, pictures, self._quarantine_link)
                filesystem.replace({path: data})
        return path

    def _announce(self) -> None:
        """Before each change: it is still our directory, and its manifest says `running`."""
        self._lock.require_held()
        with self._announcing:
            if self._announced:
                return
            path = self.directory / layout.MANIFEST
            data = manifest.encode(manifest.announce(self._context))
            filesystem.make_directory(self.directory / layout.FINAL)
            if filesystem.read(path, linked_directory=True) != data:
                filesystem.replace({path: data})
            self._announced = True

    @property
    def _context(self) -> RunContext:
        if self._bound is None:
            raise _out_of_order(self.directory, "it is bound to no study", "call bind first")
        return self._bound

    def _examine(
        self, frames: Sequence[Frame], directory: Path
    ) -> Iterator[tuple[Frame, Evidence | None]]:
        """Each frame with what a run's directory has in its place; read in several threads."""
        paths = [layout.frame_path(directory, frame.key) for frame in frames]
        return zip(frames, map_ahead(self._read, frames, paths), strict=True)

    def _read(self, frame: Frame, path: Path) -> Evidence | None:
        """The picture at `path`, None if it is not whole, or with `proof: fast` its record alone.

        Where latents are kept they must be whole too: a picture without them is made again.
        """
        proof = self._verified.proof
        if proof and (record := proof.record(frame.key, path, self._context.keeps_latents)):
            return record
        data = filesystem.read(path)
        if data is None:
            return None
        try:
            image, recipe = decode_frame(data)
            return Picture(frame.key, image, self._read_latents(path, recipe), recipe)
        except ValueError:
            return None

    def _read_latents(self, path: Path, recipe: Recipe) -> np.ndarray | None:
        """The latents beside a picture, in a run that keeps them. ValueError if damaged."""
        if not self._context.keeps_latents:
            return None
        return decode_latents(filesystem.read(layout.latents_path(path)), recipe.latents)

    def _accept(self, frame: Frame, evidence: Evidence | None, path: Path) -> bool:
        """Whether the picture at `path` has the key that is needed; if so, remember it."""
        if evidence is None or not self._is_needed(frame, evidence):
            return False
        self._verified.add(frame.key, evidence, path)
        return True

    def _is_needed(self, frame: Frame, evidence: Evidence) -> bool:
        if not all(map(self.is_verified, frame.sources)):
            return False
        return evidence.key == json_digest(self._context.pixels(frame, self._verified))

    def _keep(self, frame: Frame, evidence: Evidence | None) -> bool:
        """Whether the frame is verified now: where it stands, or from quarantine/."""
        path = layout.frame_path(self.directory, frame.key)
        if self._accept(frame, evidence, path):
            return True
        if is_occupied(path):
            expected = self._context.pixels(frame, self._verified)
            self.quarantine.put(path, *diagnose(filesystem.read(path), expected))
        return self._take_back(frame, path)

    def _quarantine_link(self, path: Path) -> None:
        self.quarantine.put(path, "foreign", "not a link of this run")

    def _take_back(self, frame: Frame, path: Path) -> bool:
        """Whether the frame was in quarantine, where another `limit` may have put it."""
        for candidate in self.quarantine.candidates(path):
            if self._accept(frame, self._read(frame, candidate), candidate):
                self.quarantine.take_back(candidate, path)
                return True
        return False

    def _copy(self, frames: Sequence[Frame]) -> None:
        """Take those that another run has, all at once, as frames of this one."""
        if self.reuse_from is None:
            return
        pictures = [
            self._adopt(evidence)
            for frame, evidence in self._examine(frames, self.reuse_from)
            if isinstance(evidence, Picture) and self._is_needed(frame, evidence)
        ]
        for picture in pictures:
            self.keep(picture.frame, picture.image, picture.latents)
        encoded = [EncodedFrame.of(picture.image, picture.latents) for picture in pictures]
        self._write([picture.recipe for picture in pictures], encoded)
        self.copied += [picture.frame for picture in pictures]

    def _adopt(self, picture: Picture) -> Picture:
        """The picture of another run with the recipe that it has in this one."""
        parameters = self._context.parameters(picture.frame.pass_number)
        study = self._context.study_parameters
        recipe = replace(picture.recipe, parameters=parameters, study_parameters=study)
        return replace(picture, recipe=recipe)

    def _write(self, recipes: Sequence[Recipe], pictures: Sequence[EncodedFrame]) -> None:
        paths = [layout.frame_path(self.directory, recipe.frame_key) for recipe in recipes]
        files: dict[Path, bytes] = {}
        for picture, path, recipe in zip(pictures, paths, recipes, strict=True):
            files |= picture.files(path, recipe)
        with filesystem.explained(self.directory):
            self._announce()
            filesystem.replace(files)
            passes = self._context.study.passes
            pairs = list(zip(paths, recipes, strict=True))
            links.link_new(self.directory, [p for p, r in pairs if r.pass_number == passes])
        for path, recipe in pairs:
            self._verified.add(recipe.frame_key, recipe.record, path)


def _out_of_order(directory: Path, actual: str, hint: str) -> RunError:
    return RunError(f"the store of {directory}, ready for use", actual, hint)
