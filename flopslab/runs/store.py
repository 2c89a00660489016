"""The run directory: pictures with their recipes, proven before they are kept.

    <run>/pass1/frame_000001.png ...       each with its recipe inside
    <run>/pass1/frame_000001.safetensors   its latents, with the method that reads them
    <run>/final/frame_000001.png ...       links to the last pass
    <run>/visual-manifest.json             derived from the pictures
    <run>/aside/pass2.frame_000025.1.png   what could not be kept: damaged, foreign, outdated

The pictures are the database: final/ and the manifest can be rebuilt from them at any time.
"""

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from flopslab.core.plan import Frame, place
from flopslab.core.study import Study
from flopslab.errors import RunError
from flopslab.runs import filesystem as disk
from flopslab.runs import latents, manifest
from flopslab.runs import links as final
from flopslab.runs.cache import ImageCache
from flopslab.runs.provenance import Conditions, Recipe, canonical, decode, encode, json_digest
from flopslab.runs.reader import open_run, read_frame, read_latents, recipes_in
from flopslab.words.sequence import Word

__all__ = ["Store", "open_run", "read_frame"]

SHARED = 32  # frames of another run that are written together


@dataclass(frozen=True)
class Picture:
    """A frame that is made: its image, what that was decoded from if it is kept, its recipe."""

    frame: Frame
    image: Image.Image
    latents: np.ndarray | None
    recipe: Recipe


class Store:
    """The directory of one run, held by this process alone: use it in a `with` statement.

    `share_from`: another run's directory, from which frames with the right key are copied.
    Raises RunError if another process holds the directory or the disk refuses.
    """

    def __init__(self, directory: str | Path, share_from: str | Path | None = None) -> None:
        self.directory = Path(directory)
        self.share_from = Path(share_from) if share_from else None
        self.shared: list[Frame] = []  # copied from another run
        self.set_aside: list[Path] = []  # where files went that could not be kept
        self._lock = disk.Lock(self.directory / ".lock")
        self._proven: dict[tuple[int, int], Recipe] = {}  # by pass and position
        self._images, self._latents = ImageCache(), ImageCache()

    def __enter__(self) -> Self:
        with disk.explained(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    @cached_property
    def made_with(self) -> dict[str, Any]:
        """The parameters that most of the pictures there were made with; empty in a new run."""
        with disk.explained(self.directory):
            made = Counter(canonical(recipe.made_with) for recipe in recipes_in(self.directory))
        votes: dict[str, Counter[bytes]] = {}
        for parameters, count in made.items():
            for name, value in json.loads(parameters).items():
                votes.setdefault(name, Counter())[canonical(value)] += count
        return {name: json.loads(tally.most_common(1)[0][0]) for name, tally in votes.items()}

    def accept(
        self,
        study: Study,
        settings: Mapping[str, Any],
        words: Sequence[Word],
        given: Mapping[int, Image.Image] | None = None,
    ) -> None:
        """Take on a study; `given`: pictures from outside, by position in pass 1.

        RunError with each difference if the pictures are of another study.
        """
        self._conditions = Conditions(study, settings, tuple(words), given or {})
        asked, found = self._conditions.made_with(), self.made_with
        differ = [name for name in found if found[name] != asked.get(name)]
        if differ:
            raise RunError(
                f"the run directory {self.directory} with {_listed(asked, differ)}",
                f"frames made with {_listed(found, differ)}; they stay as they are",
                "ask for what was found (the same words, model and kind of device among it), "
                "or choose another output_dir",
            )

    def missing(self, frames: Sequence[Frame]) -> list[Frame]:
        """Those of the frames that must be made; all others are proven.

        What stands in their place is set aside. What was set aside before, or exists in
        `share_from`, is taken from there if it is the frame asked for.
        """
        with disk.explained(self.directory):
            lacking = [frame for frame in frames if not self._keep(frame)]
            for start in range(0, len(lacking), SHARED):
                self._share(lacking[start : start + SHARED])
            return [frame for frame in lacking if not self.proves(frame.number, frame.position)]

    def inspect(self, frames: Sequence[Frame]) -> None:
        """Prove what can be proven of the frames; nothing changes on the disk."""
        with disk.explained(self.directory):
            for frame in frames:
                self._prove(frame, self.directory / frame.place)

    def proves(self, number: int, position: int) -> bool:
        """Whether this picture has been proven, or made, since the run was opened."""
        return (number, position) in self._proven

    def image(self, number: int, position: int) -> Image.Image:
        """A proven picture, RGB: from memory or, if there was no room for it, from the disk."""
        image = self._images.get((number, position))
        if image is None:
            path = self.directory / place(number, position)
            image, recipe = read_frame(path)
            if recipe.digest != self._proven[number, position].digest:
                raise RunError(f"read {path}", "another picture than before", "run again")
            self._images.put((number, position), image)
        return image

    def latents(self, number: int, position: int) -> np.ndarray:
        """What a proven picture was decoded from, in a run that keeps latents."""
        found = self._latents.get((number, position))
        if found is None:
            path, recipe = self.directory / place(number, position), self._proven[number, position]
            found = read_latents(path, recipe)
            self._latents.put((number, position), found)
        return found

    @property
    def keeps_latents(self) -> bool:
        """Whether `commit` needs latents."""
        return self._conditions.keeps_latents

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
        describe = self._conditions.recipe
        self._write(
            Picture(frame, image, z, describe(frame, image, z, self._proven, **times))
            for frame, image, z in zip(frames, images, latents, strict=True)
        )

    def finish(self, frames: Sequence[Frame]) -> Path:
        """The manifest's path; it and final/ now show `frames`, all those of the last pass."""
        path = self.directory / manifest.NAME
        data = manifest.encode(manifest.build(self._conditions, frames, self._proven))
        with disk.explained(self.directory):
            sources = [self.directory / frame.place for frame in frames]
            final.link(self.directory / "final", sources, self._set_aside)
            if disk.read(path) != data:
                disk.replace({path: data})
        return path

    def _keep(self, frame: Frame) -> bool:
        """Whether the frame is proven now: where it stands, or from aside/."""
        path = self.directory / frame.place
        disk.make_directory(path.parent)
        if self._prove(frame, path):
            return True
        if _occupied(path):
            self._set_aside(path)
        return self._take_back(frame)

    def _prove(self, frame: Frame, path: Path) -> bool:
        """Whether a whole picture stands there with the key asked for; if so, remember it.

        Where latents are kept they must be whole too: a picture without them is made again.
        """
        data = disk.read(path)
        if data is None or not all(
            self.proves(frame.number - 1, p) for p in frame.sources.values()
        ):
            return False
        try:
            image, recipe = decode(data)
            beside = disk.read(latents.beside(path)) if self.keeps_latents else None
            found = latents.decode(beside, recipe.latents) if self.keeps_latents else None
        except ValueError:
            return False
        proven = recipe.key == json_digest(self._conditions.pixels(frame, self._proven))
        if proven:
            self._remember(Picture(frame, image, found, recipe))
        return proven

    def _set_aside(self, path: Path) -> None:
        target = next(name for name in self._aside(path) if not _occupied(name))
        disk.make_directory(target.parent)
        self.set_aside += _move(path, target)

    def _aside(self, path: Path) -> Iterator[Path]:
        """Names in aside/ for what stands at `path`, without end."""
        for number in itertools.count(1):
            name = f"{path.parent.name}.{path.stem}.{number}{path.suffix}"
            yield self.directory / "aside" / name

    def _take_back(self, frame: Frame) -> bool:
        """A frame that another `limit` had outdated is asked for again."""
        path = self.directory / frame.place
        for old in itertools.takewhile(_occupied, self._aside(path)):
            if self._prove(frame, old):
                _move(old, path)
                return True
        return False

    def _share(self, frames: Sequence[Frame]) -> None:
        """Those that another run has, written down as frames of this one; all at once."""
        if self.share_from is None:
            return
        there = (frame for frame in frames if self._prove(frame, self.share_from / frame.place))
        pictures = [self._as_own(frame) for frame in there]  # each while it is in memory
        self._write(pictures)
        self.shared += [picture.frame for picture in pictures]

    def _as_own(self, frame: Frame) -> Picture:
        """The picture of another run with the recipe that it has in this one."""
        number, position = frame.number, frame.position
        made_with = self._conditions.made_with(number)
        recipe = replace(self._proven[number, position], made_with=made_with)
        found = self.latents(number, position) if self.keeps_latents else None
        return Picture(frame, self.image(number, position), found, recipe)

    def _write(self, pictures: Iterable[Picture]) -> None:
        pictures, files = list(pictures), {}
        for picture in pictures:
            path = self.directory / picture.frame.place
            if picture.latents is not None:  # first: a picture that is visible has its latents
                files[latents.beside(path)] = latents.encode(picture.latents)
            files[path] = encode(picture.image, picture.recipe)
        with disk.explained(self.directory):
            disk.replace(files)
        for picture in pictures:
            self._remember(picture)

    def _remember(self, picture: Picture) -> None:
        name = picture.frame.number, picture.frame.position
        self._proven[name] = picture.recipe
        self._images.put(name, picture.image)
        if picture.latents is not None:
            self._latents.put(name, picture.latents)


def _occupied(path: Path) -> bool:
    """Whether anything stands there, or latents beside it."""
    return os.path.lexists(path) or os.path.lexists(latents.beside(path))


def _move(path: Path, target: Path) -> list[Path]:
    """Move what stands at `path`, and the latents beside it; the new paths."""
    pairs = [(latents.beside(path), latents.beside(target)), (path, target)]
    moved = [pair for pair in pairs if os.path.lexists(pair[0])]
    for source, new in moved:
        disk.move(source, new)
    return [new for _, new in moved]


def _listed(values: Mapping[str, Any], names: Iterable[str]) -> str:
    """`name = value` for each name; digests cut to what tells them apart."""
    shown = ((name, values.get(name)) for name in names)
    return ", ".join(
        f"{name} = {value[:12] if isinstance(value, str) and len(value) == 64 else value!r}"
        for name, value in shown
    )
