"""Changes: one word or one first picture, what it becomes, and which frames that can reach."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageOps

from flopslab.core import controls
from flopslab.core.study import Study
from flopslab.core.windows import image_reach, image_window, positions, word_window
from flopslab.errors import ParameterError
from flopslab.words.sequence import Word, parse_sequence

Words = tuple[Word, ...]


@dataclass(frozen=True)
class Replace:
    """Another word in the place of the one at `position` (from 1), with its size and timing."""

    position: int
    word: str

    def apply(self, words: Words) -> Words:
        return _put(words, self.position, text=self.word)


@dataclass(frozen=True)
class Remove:
    """The word falls silent: its place stays, no prompt says it."""

    position: int

    def apply(self, words: Words) -> Words:
        return _put(words, self.position, silent=True)


@dataclass(frozen=True)
class Insert:
    """A word more in the same place: its slot then says both, and all positions stay."""

    position: int
    word: str

    def apply(self, words: Words) -> Words:
        both = f"{words[self.position - 1].text} {self.word}"
        return _put(words, self.position, text=both)


@dataclass(frozen=True)
class ReplaceFrame:
    """A picture of one's own as the first pass's frame at `position`, cut to the model's size."""

    position: int
    image: Path

    def apply(self, words: Words) -> Words:
        return words


Change = Replace | Remove | Insert | ReplaceFrame
Cone = dict[int, tuple[int, ...]]  # by pass


def cone(study: Study, change: Change, length: int) -> Cone:
    """Positions of the frames that a change can reach, by pass; `length`: of the sequence.

    Without a control these are the frames in whose `windows.cone` the changed position lies.
    """
    frames = positions(length, study.frame_interval, study.limit)
    says = {p for p in frames if _says(study, change, p, length)}
    found = {1: says}
    for number in range(2, study.passes + 1):
        before = found[number - 1]
        afresh = set() if study.control == "no_text" or isinstance(change, ReplaceFrame) else says
        looked = (p for p in frames if before.intersection(shown(study, p, frames)[1]))
        found[number] = afresh.union(looked)
    return {number: tuple(sorted(reached)) for number, reached in found.items()}


def shown(study: Study, position: int, frames: range) -> tuple[Sequence[int], Sequence[int]]:
    """(places, whose frames stand there), positions both: what a refinement of a frame looks at."""
    reach = image_reach(study.context_diameter, study.image_context_multiplier)
    places = controls.inputs(study.control, image_window(position, frames, reach))
    others = controls.stand_ins(study.control, position, places, frames, study.seed)
    return places, others or places


def check(study: Study, change: Change, words: Words) -> None:
    """ParameterError if there is no such position, or the change would change nothing.

    SequenceError if its word could be in no sequence.
    """
    asked, length = f"a run with {change}", len(words)
    if not 1 <= change.position <= length:
        remedy = f"give a position from 1 to {length}"
        raise ParameterError(asked, f"a sequence of {length} words", remedy)
    if isinstance(change, ReplaceFrame):
        if change.position not in positions(length, study.frame_interval, study.limit):
            remedy = "give the position of a frame"
            raise ParameterError(asked, f"no frame at position {change.position}", remedy)
        return
    if not isinstance(change, Remove):
        parse_sequence(json.dumps([change.word]).encode(), "a change.json")
    if change.apply(words) == words:
        remedy = "give a word that is not there yet"
        raise ParameterError(asked, "nothing that would change", remedy)


def given(change: Change, size: tuple[int, int]) -> dict[int, Image.Image]:
    """The picture of a ReplaceFrame, by its position: RGB, scaled and cut to `size`."""
    if not isinstance(change, ReplaceFrame):
        return {}
    try:
        with Image.open(change.image) as file:
            picture = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, ValueError) as error:
        remedy = "give the path of a picture"
        raise ParameterError(f"a first frame from {change.image}", str(error), remedy) from None
    return {change.position: ImageOps.fit(picture, size)}


def _says(study: Study, change: Change, position: int, length: int) -> bool:
    """Whether the first pass's frame there is changed."""
    if isinstance(change, ReplaceFrame):
        return position == change.position
    return change.position in word_window(position, length, study.context_diameter, study.boundary)


def _put(words: Words, position: int, **values: object) -> Words:
    changed = replace(words[position - 1], **values)
    return (*words[: position - 1], changed, *words[position:])
