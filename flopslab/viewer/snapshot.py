"""A run opened for looking, complete or still being made: everything in it is read once.

Nothing is locked and nothing is written. `refresh` takes in what is new on the disk; until then
the snapshot shows what it knows.
"""

import contextlib
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.runs import layout
from flopslab.runs.frame_files import decode_frame
from flopslab.runs.provenance import Recipe
from flopslab.runs.reader import RunDirectory, check_manifest, open_run, unreadable_frame
from flopslab.storage.cache import FrameCache
from flopslab.viewer.images import shrink
from flopslab.words.sequence import Word

THUMBNAIL = 64  # pixels of a thumbnail's longer side
CAPACITY = 2**28  # bytes for decoded pictures


class Span(NamedTuple):
    """Frames of one pass from a first to a last position."""

    pass_number: int
    first: int
    last: int


class RunSnapshot:
    """The pictures, recipes, words and thumbnails of a run; safe to use from two threads.

    A directory without frames is an empty snapshot. Pictures that are damaged or not there raise
    RunError where they are asked for.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory).expanduser()
        self.keys: tuple[FrameKey, ...] = ()  # of every picture that is there, in order
        self.manifest: dict[str, Any] | None = None  # None until the run is finished
        self.is_complete = False  # whether the manifest is true of what is there
        self.problem: RunError | None = None  # what is not true of it
        self._run = RunDirectory(self.directory, (), (), ())
        self._times: dict[FrameKey, int] = {}  # when each file changed last, in ns
        self._manifest_time: int | None = None  # of the one that was read last
        self._recipes: dict[FrameKey, Recipe] = {}
        self._thumbnails: dict[FrameKey, bytes | None] = {}  # None: cannot be read
        self._images: FrameCache[Image.Image] = FrameCache(CAPACITY)
        self._lock = RLock()
        self.refresh()

    def refresh(self) -> set[FrameKey]:
        """The pictures that came, changed or went since the last time.

        A directory that may not be read is a `problem`, and changes nothing until it may be.
        """
        with self._lock:
            try:
                times = self._read_times()
            except RunError as error:
                self.problem, self._manifest_time = error, None
                return set()
            before, self._times = self._times, times
            changes = {key for key, _ in before.items() ^ self._times.items()}
            self.keys = tuple(sorted(self._times))
            for key in changes:
                self._recipes.pop(key, None)
                self._thumbnails.pop(key, None)
                self._images.drop(key)
            self._read_manifest(changes)
            return changes

    @property
    def passes(self) -> tuple[int, ...]:
        """The numbers of the passes that have a picture; (1,) if none has."""
        return tuple(sorted({key.pass_number for key in self.keys})) or (1,)

    @property
    def positions(self) -> tuple[int, ...]:
        """The positions that have a picture in any pass, in order."""
        return tuple(sorted({key.position for key in self.keys}))

    def has(self, key: FrameKey) -> bool:
        """Whether there is a file for this picture."""
        return key in self._times

    def file(self, key: FrameKey) -> bytes:
        """The PNG file of a picture, verified to be whole."""
        data = self._read(key)
        self._decode(key, data)
        return data

    def image(self, key: FrameKey) -> Image.Image:
        """A picture, RGB."""
        with self._lock:
            image = self._images.get(key)
        return image or self._decode(key, self._read(key))

    def latents(self, key: FrameKey) -> np.ndarray:
        """What a picture was decoded from: float32 [channels, height, width]."""
        return self._run.latents(key)

    def recipe(self, key: FrameKey) -> Recipe:
        """How the picture was made."""
        recipe = self._recipes.get(key)  # one look: `refresh` may drop it at any time
        if recipe is None:
            recipe = self._recipes[key] = self._run.recipe(key)
        return recipe

    def thumbnail(self, key: FrameKey) -> bytes | None:
        """A small JPEG file of the picture, made once; None if the picture cannot be read."""
        with contextlib.suppress(KeyError):
            return self._thumbnails[key]
        thumbnail = None
        with contextlib.suppress(RunError):
            thumbnail = shrink(self.image(key), THUMBNAIL)
        self._thumbnails[key] = thumbnail
        return thumbnail

    def has_thumbnail(self, key: FrameKey) -> bool:
        """Whether this thumbnail was made already."""
        return key in self._thumbnails

    def words(self, positions: range) -> dict[int, Word]:
        """The words at these positions, as far as they are known: their text, and silence.

        While a run is being made they come from the recipes, which do not hold silent words.
        """
        if self.manifest is None:
            return self._words_of_recipes(positions)
        entries = self.manifest["sequence"]
        return {
            position: Word(entry["word"], silent=entry.get("silent", False))
            for position, entry in enumerate(entries, start=1)
            if position in positions
        }

    def ancestors(self, key: FrameKey) -> list[Span]:
        """The pictures that went into this one, nearest pass first.

        Directly and through others: the window of its window, and so on down to pass 1.
        """
        spans, first, last = [], key.position, key.position
        for pass_number in range(key.pass_number, 1, -1):
            sources = self._sources(FrameKey(pass_number, first), FrameKey(pass_number, last))
            if not sources:
                break
            first, last = min(sources), max(sources)
            spans.append(Span(pass_number - 1, first, last))
        return spans

    def _sources(self, *keys: FrameKey) -> list[int]:
        """Positions of what these pictures looked at; none for a picture that cannot be read."""
        sources = []
        for key in keys:
            with contextlib.suppress(RunError):
                sources += self.recipe(key).sources
        return sources

    def _words_of_recipes(self, positions: range) -> dict[int, Word]:
        words: dict[int, Word] = {}
        for position in (p for p in self.positions if p in positions):
            with contextlib.suppress(RunError):
                recipe = self.recipe(FrameKey(self.passes[0], position))
                pairs = zip(recipe.window, recipe.words, strict=True)
                words |= {p: Word(word) for p, word in pairs if word is not None}
        return {position: words[position] for position in positions if position in words}

    def _read_times(self) -> dict[FrameKey, int]:
        """When each picture that is there changed last."""
        times = {}
        for key in layout.frame_keys(self.directory):
            with contextlib.suppress(OSError):  # quarantined since the directory was listed
                times[key] = self._run.path(key).stat().st_mtime_ns
        return times

    def _read_manifest(self, changes: set[FrameKey]) -> None:
        """The manifest, held against the frames if it or one of them has changed."""
        time = 0  # there is none
        with contextlib.suppress(OSError):
            time = (self.directory / layout.MANIFEST).stat().st_mtime_ns
        if time == self._manifest_time and not changes:
            return
        self._manifest_time, self.manifest, self.problem = time, None, None
        with contextlib.suppress(RunError):
            self.manifest = open_run(self.directory).manifest
        if self.manifest is not None:
            try:
                check_manifest(self.directory, self.manifest)
            except RunError as error:
                self.manifest, self.problem = None, error
        self.is_complete = self.manifest is not None

    def _read(self, key: FrameKey) -> bytes:
        path = self._run.path(key)
        try:
            return path.read_bytes()
        except OSError as error:
            raise unreadable_frame(path, error) from error

    def _decode(self, key: FrameKey, data: bytes) -> Image.Image:
        try:
            image, self._recipes[key] = decode_frame(data)
        except ValueError as error:
            raise unreadable_frame(self._run.path(key), error) from error
        with self._lock:
            self._images.put(key, image)
        return image
