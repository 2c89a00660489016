"""The word sequence: an ordered list of words with sizes and, if it is spoken, timings."""

import codecs
import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as short

import flopslab
from flopslab.errors import SequenceError

SHIPPED = ("demo", "full")
_BYTE_ORDER_MARKS = (  # the longer first: that of UTF-32 begins like that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


@dataclass(frozen=True, slots=True)
class Word:
    """One word or phrase, exactly as given.

    `size` is its importance (1 to 7), `instance` which occurrence of the word this is (from 1),
    `start_ms` and `end_ms` are when it is spoken, in whole milliseconds. A `silent` word keeps its
    place but has no part in any prompt.
    """

    text: str
    size: int = 1
    instance: int = 1
    start_ms: int | None = None
    end_ms: int | None = None
    silent: bool = False

    @property
    def entry(self) -> dict[str, str | int | bool]:
        """The word as an object of the JSON that `read_sequence` reads."""
        entry = {"word": self.text, "instance": self.instance, "font_size": self.size}
        if self.start_ms is not None:
            entry |= {"start_ms": self.start_ms, "end_ms": self.end_ms}
        return entry | ({"silent": True} if self.silent else {})


def read_sequence(source: str | Path) -> tuple[Word, ...]:
    """The words of a shipped sequence ("demo", "full") or of a file; at least one.

    A file is a JSON object with a "sequence", a JSON list of strings, or plain text with a word or
    phrase a line. Raises SequenceError.
    """
    path = _shipped(source) if isinstance(source, str) and source in SHIPPED else Path(source)
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        remedy = f"give the path of a JSON or text file, or one of {', '.join(SHIPPED)}"
        raise SequenceError(f"a word sequence from {source}", f"{path}: {reason}", remedy) from None
    return parse_sequence(data, str(path))


def parse_sequence(data: bytes, name: str) -> tuple[Word, ...]:
    """The words in the bytes of a file called `name`; at least one. Raises SequenceError.

    A name that ends in .json is JSON and one that ends in .txt plain text; any other is JSON if it
    begins with a bracket or brace. UTF-8, or UTF-16 or UTF-32 with a byte order mark.
    """
    try:
        text = _decode(data)
        words = _from_json(text) if _is_json(text, name) else _from_lines(text)
        _check_timings(words)
    except _Fault as fault:
        raise SequenceError(f"a word sequence from {name}", *fault.args) from None
    return words


def check_word(text: str) -> None:
    """SequenceError if this could be no word of a sequence: empty, or not readable text."""
    try:
        _text(text, "the word")
    except _Fault as fault:
        raise SequenceError(f"a word, {text!r}", *fault.args) from None


class _Fault(Exception):  # noqa: N818 - never leaves this module
    """What was found and what to do, before the file's name is added."""


def _shipped(name: str) -> Path:
    package = Path(flopslab.__file__).parent
    inside, beside = (folder / "params" / f"{name}.json" for folder in (package, package.parent))
    return inside if inside.exists() else beside


def _decode(data: bytes) -> str:
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Fault(f"bytes in line {line} that are not {encoding}", "save it as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _Fault(f"a NUL character in line {line}", "remove it, or save the file as UTF-8")
    return text


def _is_json(text: str, name: str) -> bool:
    suffix = Path(name).suffix.lower()
    return suffix == ".json" or (suffix != ".txt" and text.lstrip()[:1] in ("{", "["))


def _from_lines(text: str) -> tuple[Word, ...]:
    lines = re.split("\r\n|\r|\n", text)  # not splitlines(): a word may hold other separators
    words = tuple(Word(line) for line in lines if line.strip())
    if not words:
        raise _Fault("no words", "write a word or phrase a line")
    return words


def _from_json(text: str) -> tuple[Word, ...]:
    entries = _load(text)
    if isinstance(entries, _Object):
        entries.check("the file's outer object")
        entries = entries.get("sequence")
    if not isinstance(entries, list):
        remedy = 'write {"sequence": [{"word": "silence"}, ...]} or a list of strings'
        raise _Fault("no list of words", remedy)
    if not entries:
        raise _Fault("an empty list", "give at least one word")
    return tuple(_word(entry, f"entry {number}") for number, entry in enumerate(entries, start=1))


def _load(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_Object)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _Fault(f"not JSON at {place}: {error.msg}", "correct or complete the file") from None
    except (RecursionError, ValueError) as error:
        raise _Fault(f"JSON that cannot be read: {error}", "write plain entries") from None


class _Object(dict):
    """A JSON object that remembers what was wrong with it: json keeps the last of two keys."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        counts = Counter(key for key, _ in pairs)
        self.faults = [f"{key!r} twice" for key, count in counts.items() if count > 1]
        self.faults += [f"{key!r} is {value}" for key, value in pairs if not _finite(value)]

    def check(self, place: str) -> None:
        if self.faults:
            raise _Fault(f"{place}: {self.faults[0]}", "give each key once, with a finite value")


def _finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _word(entry: object, place: str) -> Word:
    """The word of a JSON entry: a string, or an object with at least a "word"."""
    if not isinstance(entry, _Object):
        return Word(_text(entry, place))
    entry.check(place)
    size = _whole(entry.get("font_size", 1), f"{place}: font_size", 1, 7)
    instance = _whole(entry.get("instance", 1), f"{place}: instance", 1)
    start, end = (_time(entry.get(key), f"{place}: {key}") for key in ("start_ms", "end_ms"))
    silent = entry.get("silent", False)
    if not isinstance(silent, bool):
        raise _Fault(f"{place}: silent is {short(silent)}", "give true or false")
    return Word(_text(entry.get("word"), place), size, instance, start, end, silent)


def _time(value: object, what: str) -> int | None:
    return None if value is None else _whole(value, what, least=0)


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        found = "no word" if value is None else f"the word is {short(value)}"
        raise _Fault(f"{place}: {found}", "give each entry a word, as a string")
    if not value.strip():
        raise _Fault(f"{place}: an empty word", "remove the entry or give it a word")
    if "\0" in value or re.search("[\ud800-\udfff]", value):
        remedy = "remove NUL characters and lone surrogates: no text encoder reads them"
        raise _Fault(f"{place}: the word {short(value)}", remedy)
    return value


def _whole(value: object, what: str, least: int, most: float = math.inf) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or value != int(value) or not least <= value <= most:
        limits = f"from {least} to {most}" if most < math.inf else f"of at least {least}"
        raise _Fault(f"{what} is {short(value)}", f"give a whole number {limits}")
    return int(value)


def _check_timings(words: tuple[Word, ...]) -> None:
    """All words are timed or none is, and time never runs backwards."""
    if all(word.start_ms is None and word.end_ms is None for word in words):
        return
    before = Word("", start_ms=0, end_ms=0)
    for number, word in enumerate(words, start=1):
        if word.start_ms is None or word.end_ms is None:
            remedy = "give every entry start_ms and end_ms, or none"
            raise _Fault(f"entry {number}: without start_ms or end_ms, unlike others", remedy)
        if word.end_ms < word.start_ms:
            raise _Fault(f"entry {number}: ends before it starts", "correct start_ms or end_ms")
        if word.start_ms < before.start_ms or word.end_ms < before.end_ms:
            remedy = "order the entries by time"
            raise _Fault(f"entry {number}: earlier than entry {number - 1}", remedy)
        before = word
