"""A run opened for looking, complete or still being made: everything in it is read once.

Nothing is locked and nothing is written. `refresh` takes in what is new on the disk; until then
the album shows what it knows.
"""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from threading import RLock

from PIL import Image

from flopslab.core.plan import place
from flopslab.core.windows import word_window
from flopslab.errors import RunError
from flopslab.runs.cache import ImageCache
from flopslab.runs.provenance import Recipe, decode, peek
from flopslab.runs.reader import RunDirectory, open_run

THUMBNAIL = 64  # pixels of a thumbnail's longer side
ROOM = 2**28  # bytes for decoded pictures

Key = tuple[int, int]  # pass and position


class Album:
    """The pictures, recipes, words and thumbnails of a run; safe to use from two threads.

    A directory without frames is an empty album. Pictures that are damaged or not there raise
    RunError where they are asked for.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.keys: tuple[Key, ...] = ()  # of every picture that is there, in order
        self.manifest: dict | None = None  # None while the run is being made
        self._run: RunDirectory | None = None
        self._stamps: dict[Key, int] = {}  # when the file changed last, in ns
        self._recipes: dict[Key, Recipe] = {}
        self._thumbnails: dict[Key, bytes | None] = {}  # None: cannot be read
        self._firsts: dict[int, int] = {}
        self._images, self._lock = ImageCache(ROOM), RLock()
        self.refresh()

    def refresh(self) -> set[Key]:
        """The pictures that came, changed or went since the last time."""
        with self._lock:
            before, self._stamps = self._stamps, self._look()
            changed = {key for key, _ in before.items() ^ self._stamps.items()}
            if changed or self.manifest is None:
                self.keys, self._firsts = tuple(sorted(self._stamps)), {}
                self.manifest = self._manifest()
            for key in changed:
                self._recipes.pop(key, None)
                self._thumbnails.pop(key, None)
                self._images.forget(key)
            return changed

    @property
    def passes(self) -> tuple[int, ...]:
        """The numbers of the passes that have a picture; (1,) if none has."""
        return tuple(sorted({number for number, _ in self.keys})) or (1,)

    @property
    def positions(self) -> tuple[int, ...]:
        """The positions that have a picture in any pass, in order."""
        return tuple(sorted({position for _, position in self.keys}))

    @property
    def complete(self) -> bool:
        """Is the manifest written, and every picture that it names there?"""
        if self.manifest is None:
            return False
        wanted = [frame["position"] for frame in self.manifest["frames"]]
        passes = range(1, self.manifest["final_pass"] + 1)
        return all((number, p) in self._stamps for number in passes for p in wanted)

    def has(self, key: Key) -> bool:
        """Is there a file for this picture?"""
        return key in self._stamps

    def file(self, key: Key) -> bytes:
        """The PNG file of a picture, proven to be whole."""
        path = self.directory / place(*key)
        data = self._read(path)
        self._decode(key, path, data)
        return data

    def image(self, number: int, position: int) -> Image.Image:
        """A picture, RGB."""
        key = number, position
        with self._lock:
            image = self._images.get(key)
        path = self.directory / place(*key)
        return image or self._decode(key, path, self._read(path))

    def recipe(self, key: Key) -> Recipe:
        """How the picture was made."""
        recipe = self._recipes.get(key)  # asked once: `refresh` may drop it at any time
        if recipe is None:
            path = self.directory / place(*key)
            try:
                recipe = self._recipes[key] = peek(self._read(path))
            except ValueError as error:
                raise _unreadable(path, error) from error
        return recipe

    def thumbnail(self, key: Key) -> bytes | None:
        """A small JPEG file of the picture, made once; None if the picture cannot be read."""
        with contextlib.suppress(KeyError):
            return self._thumbnails[key]
        thumbnail = self._thumbnails[key] = self._shrink(key)
        return thumbnail

    def has_thumbnail(self, key: Key) -> bool:
        """Was this thumbnail made already?"""
        return key in self._thumbnails

    def window(self, key: Key) -> range:
        """The positions of the words around the picture's own."""
        made, words = self.recipe(key).made_with, self.recipe(key).words
        if self.manifest is not None:
            length = len(self.manifest["sequence"])
            return word_window(key[1], length, made["context_diameter"], made["boundary"])
        first = self._first(key[1], made["context_diameter"] // 2)
        return range(first, first + len(words))

    def words(self, positions: range) -> dict[int, str]:
        """The words at these positions, as far as they are known."""
        if self.manifest is not None:
            known = self.manifest["sequence"]
            return {p: known[p - 1]["word"] for p in positions if 1 <= p <= len(known)}
        found = {}
        for position in (p for p in self.positions if p in positions):
            with contextlib.suppress(RunError):
                key = self.passes[0], position
                found |= dict(zip(self.window(key), self.recipe(key).words, strict=True))
        return {position: found[position] for position in positions if position in found}

    def ancestors(self, key: Key) -> list[tuple[int, int, int]]:
        """(pass, first, last position) of the pictures that this one has seen, nearest pass first.

        Directly and through others: the window of its window, and so on down to pass 1.
        """
        (number, first), last = key, key[1]
        spans = []
        while number > 1:
            with contextlib.suppress(RunError):
                seen = [self.recipe((number, p)).input_positions for p in (first, last)]
                first, last = min(seen[0] + seen[1]), max(seen[0] + seen[1])
                spans.append((number - 1, first, last))
            number -= 1
        return spans

    def _look(self) -> dict[Key, int]:
        """When each picture that is there changed last."""
        try:
            self._run = open_run(self.directory)
        except RunError:
            self._run = None
            return {}
        stamps = {}
        for key in self._run.frames:
            with contextlib.suppress(OSError):  # moved aside since the directory was listed
                stamps[key] = self._run.path(*key).stat().st_mtime_ns
        return stamps

    def _manifest(self) -> dict | None:
        with contextlib.suppress(RunError):
            return self._run and self._run.manifest

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise _unreadable(path, error.strerror) from error

    def _decode(self, key: Key, path: Path, data: bytes) -> Image.Image:
        try:
            image, self._recipes[key] = decode(data)
        except ValueError as error:
            raise _unreadable(path, error) from error
        with self._lock:
            self._images.put(key, image)
        return image

    def _shrink(self, key: Key) -> bytes | None:
        try:
            image = self.image(*key).copy()
        except RunError:
            return None
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        return jpeg(image)

    def _first(self, position: int, radius: int) -> int:
        """The position of the first word in the window of `position`, without a manifest."""
        before, firsts = None, self._firsts  # `refresh` may begin new ones
        of_pass_1 = [p for number, p in self.keys if number == self.passes[0] and p <= position]
        for at in of_pass_1 if position not in firsts else ():
            if at not in firsts:
                firsts[at] = self._aligned(at, before, firsts.get(before), radius)
            before = at
        return firsts.get(position, max(1, position - radius))

    def _aligned(self, position: int, before: int | None, start: int | None, radius: int) -> int:
        """While a run is made its length is not known, and the last windows of a sequence stand
        still: then this one's words lie on those of the frame `before` it, from `start`."""
        first = max(1, position - radius)
        if before is None or first == 1:
            return first
        number = self.passes[0]
        words, others = (self.recipe((number, p)).words for p in (position, before))
        places = (at for at in range(first, start - 1, -1) if _overlap(others[at - start :], words))
        return next(places, first)


def _overlap(end: Sequence[str], words: Sequence[str]) -> bool:
    return list(end[: len(words)]) == list(words[: len(end)])


def jpeg(image: Image.Image, quality: int = 85) -> bytes:
    """The RGB image as a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _unreadable(path: Path, found: object) -> RunError:
    remedy = "run the study again: damaged pictures are set aside and made again"
    return RunError(f"a picture with its recipe from {path}", str(found), remedy)
