"""What every reader returns: cues, that is, texts with the times that the file states."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from reprlib import repr as short
from typing import Any, Literal, TypeVar

from flopslab.errors import ParameterError

Unit = Literal["line", "word"]
Result = TypeVar("Result")

LONGEST_MS = 1000 * 3600 * 1000  # a thousand hours: beyond it a time is a mistake


class Fault(Exception):  # noqa: N818 - never leaves flopslab.words
    """What was in the file and what to do, before the name of the file is added."""

    def __init__(self, actual: str, hint: str) -> None:
        super().__init__(actual, hint)


@dataclass(frozen=True, slots=True)
class Cue:
    """A text with the times that its file states, in milliseconds; None where it states none.

    `words`: the parts of the text that have times of their own. `instance` None: to be counted.
    """

    text: str
    start: float | None = None
    end: float | None = None
    words: tuple["Cue", ...] = ()
    size: int = 1
    instance: int | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Transcript:
    """The cues of a file in its order, with what it says about all of them.

    `exact`: flopslab's own format, whose words and times are checked and never moved. `remarks`
    are for the user, without the name of the file.
    """

    cues: list[Cue]
    total_ms: float | None = None
    gap_ms: float | None = None
    exact: bool = False
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Options:
    """How a file is read.

    `unit`: "line" keeps what the file writes or times as one, "word" splits it at spaces, without
    punctuation at the edges. `tier`: that of a TextGrid; empty: the one called "words".
    `offset_ms` is added to every time. Raises ParameterError.
    """

    unit: Unit = "line"
    tier: str = ""
    offset_ms: int = 0

    def __post_init__(self) -> None:
        if self.unit not in ("line", "word"):
            raise ParameterError("unit: line or word", short(self.unit), "give one of the two")
        if abs(self.offset_ms) > LONGEST_MS:
            limit = f"offset_ms between -{LONGEST_MS} and {LONGEST_MS}"
            raise ParameterError(limit, str(self.offset_ms), "give the offset in milliseconds")


Reader = Callable[[str, Options], Transcript]


def call_library(parse: Callable[[], Result], kind: str) -> Result:
    """What a library's parser returns; whatever it raises becomes a Fault."""
    try:
        return parse()
    except Exception as error:  # they have no common one, and some raise IndexError
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        hint = "correct or complete the file, or export it again"
        raise Fault(f"{kind} that cannot be read: {short(reason)}", hint) from None


def milliseconds(seconds: Any, place: str) -> float | None:
    """A time of a file, in milliseconds; None for none. Raises Fault."""
    if seconds is None:
        return None
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not math.isfinite(seconds) or abs(seconds) * 1000 > LONGEST_MS:
        raise Fault(f"{place} is {short(seconds)}", "give a time in seconds, as a number")
    return float(seconds) * 1000


def quote_keys(keys: Iterable[str], valid: Iterable[str]) -> str:
    """Unknown keys, each with the valid one that it resembles: "'fontsize' (font_size?)"."""
    pairs = [(short(key), closest_key(key, valid)) for key in keys]
    return ", ".join(f"{key} ({likely}?)" if likely else key for key, likely in pairs)


def closest_key(key: str, valid: Iterable[str]) -> str | None:
    """The valid key that is spelled most like `key`, if one is."""
    matches = get_close_matches(key.lower(), sorted(valid), n=1, cutoff=0.65)
    return matches[0] if matches else None


def check_text(value: Any, place: str) -> str:
    """The text of a JSON entry. Raises Fault if it is none that a text encoder reads."""
    if not isinstance(value, str):
        actual = "no word" if value is None else f"the word is {short(value)}"
        raise Fault(f"{place}: {actual}", "give each entry a word, as a string")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        hint = "remove NUL characters and lone surrogates: no text encoder reads them"
        raise Fault(f"{place}: the word {short(value)}", hint)
    return value
