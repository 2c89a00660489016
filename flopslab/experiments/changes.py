"""Changes: one word or one first picture, what it becomes, and which frames that can reach."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from flopslab.core.compositing import METHODS
from flopslab.core.plan import inputs_of
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing
from flopslab.digests import file_digest
from flopslab.errors import ParameterError
from flopslab.words.sequence import Word, check_word

Words = tuple[Word, ...]


@dataclass(frozen=True)
class Replace:
    """Another word in the place of the one at `position` (from 1), with its size and timing.

    A silent word is heard again.
    """

    position: int
    word: str

    def apply(self, words: Words) -> Words:
        """The words after the change."""
        return _replace_word(words, self.position, text=self.word, silent=False)


@dataclass(frozen=True)
class Remove:
    """The word falls silent: its place stays, no prompt contains it."""

    position: int

    def apply(self, words: Words) -> Words:
        """The words after the change."""
        return _replace_word(words, self.position, silent=True)


@dataclass(frozen=True)
class Insert:
    """A word more in the same place: its slot then holds both, and all positions stay."""

    position: int
    word: str

    def apply(self, words: Words) -> Words:
        """The words after the change."""
        word = words[self.position - 1]
        both = self.word if word.silent else f"{word.text} {self.word}"
        return _replace_word(words, self.position, text=both, silent=False)


@dataclass(frozen=True)
class ReplaceFrame:
    """A picture of one's own as the first pass's frame at `position`, cut to the model's size."""

    position: int
    image: Path

    def apply(self, words: Words) -> Words:
        """The same words."""
        return words


Change = Replace | Remove | Insert | ReplaceFrame
Cone = dict[int, tuple[int, ...]]  # positions of frames, by pass


def affected_frames(study: Study, change: Change, length: int) -> Cone:
    """The frames that a change can reach: their positions, by pass; `length`: of the sequence.

    Without a control these are the frames in whose `Windowing.cone` the changed position lies.
    """
    windowing = Windowing(study, length)
    direct = {p for p in windowing.positions if _acts_directly(windowing, change, p)}
    renewed = set() if study.control == "no_text" or isinstance(change, ReplaceFrame) else direct
    by_pass = {1: direct}
    for number in range(2, study.passes + 1):
        before = {FrameKey(number - 1, position) for position in by_pass[number - 1]}
        keys = (FrameKey(number, position) for position in windowing.positions)
        reached = (key.position for key in keys if before.intersection(_sources(windowing, key)))
        by_pass[number] = renewed.union(reached)
    return {number: tuple(sorted(positions)) for number, positions in by_pass.items()}


def check_change(study: Study, change: Change, words: Words) -> None:
    """ParameterError if there is no such position, or the change would change nothing.

    SequenceError if its word could be in no sequence.
    """
    expected, length = f"a run with {change}", len(words)
    if not 1 <= change.position <= length:
        hint = f"give a position from 1 to {length}"
        raise ParameterError(expected, f"a sequence of {length} words", hint)
    if isinstance(change, ReplaceFrame):
        if change.position not in Windowing(study, length).positions:
            hint = "give the position of a frame"
            raise ParameterError(expected, f"no frame at position {change.position}", hint)
        if METHODS[study.method].takes_latents:
            hint = "use a method that reads pictures: blend, grid or ip_adapter"
            raise ParameterError(expected, f"method {study.method}, which reads latents", hint)
        describe_change(change)  # the picture must be there
        return
    if not isinstance(change, Remove):
        check_word(change.word)
    if change.apply(words) == words:
        hint = "give a word that is not there yet"
        raise ParameterError(expected, "nothing that would change", hint)


def external_frames(change: Change, size: tuple[int, int]) -> dict[int, Image.Image]:
    """The picture of a ReplaceFrame, by its position: RGB, scaled and cut to `size`."""
    if not isinstance(change, ReplaceFrame):
        return {}
    try:
        with Image.open(change.image) as file:
            picture = ImageOps.exif_transpose(file).convert("RGB")
    except Exception as error:  # Pillow raises whatever its parser stumbles over
        hint = "give the path of a picture"
        raise ParameterError(f"a first frame from {change.image}", str(error), hint) from None
    return {change.position: ImageOps.fit(picture, size)}


def describe_change(change: Change) -> dict[str, Any]:
    """What tells one change from another, JSON-ready: a picture by its content, not its path."""
    record = {"change": type(change).__name__} | asdict(change)
    if isinstance(change, ReplaceFrame):
        try:
            record["image"] = file_digest(change.image)
        except OSError as error:
            hint = "give the path of a picture"
            raise ParameterError(f"a picture, {change.image}", str(error.strerror), hint) from None
    return record


def _acts_directly(windowing: Windowing, change: Change, position: int) -> bool:
    """Whether the change is part of what the first pass's frame there is made from."""
    if isinstance(change, ReplaceFrame):
        return position == change.position
    return change.position in windowing.words(position)


def _sources(windowing: Windowing, key: FrameKey) -> Sequence[FrameKey]:
    before = key.pass_number - 1
    return [FrameKey(before, entry.source) for entry in inputs_of(windowing, key)]


def _replace_word(words: Words, position: int, **values: Any) -> Words:
    changed = replace(words[position - 1], **values)
    return (*words[: position - 1], changed, *words[position:])
