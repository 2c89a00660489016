"""JSON: a sequence of flopslab's own, or a transcript; which of the two, its keys tell."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from reprlib import repr as short
from typing import Any

from flopslab.words.cues import Cue, Fault, Options, Transcript, check_text, closest_key, quote_keys
from flopslab.words.readers import transcripts

ENTRY = ("word", "instance", "font_size", "start_ms", "end_ms", "silent")
PASSIVE = ("embedding", "embedding_idx")  # of a pool: they order the words, and are of no use here
OUTER = ("sequence", "total_duration_ms", "inter_word_silence_ms")
COUNTS = ("word_count", "unique_words", "created")
MOST_DIGITS = 300  # of a whole number; a longer one is more than a float can be


def read(text: str, options: Options) -> Transcript:
    """The cues of a JSON file; see `Reader`."""
    value = load(text)
    if isinstance(value, Object):
        if "sequence" in value:
            return _read_sequence(value)
        if transcripts.LISTS & value.keys():
            return transcripts.read_object(value)
        raise _no_list(value)
    if not isinstance(value, list):
        raise _no_list({})
    if not value:
        raise Fault("an empty list", "give at least one word")
    if transcripts.is_transcript(value):
        return transcripts.read_list(value)
    return _read_entries(value, {})


def load(text: str) -> object:
    """The value of a JSON file, or the list of those of a file with one object a line.

    Objects are `Object`s. Raises Fault.
    """
    try:
        return _parse(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data" or not text.lstrip().startswith("{"):
            raise _not_json(error, error.lineno) from None
    values = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            values += [_parse(line)] if line.strip() else []
        except json.JSONDecodeError as error:
            raise _not_json(error, number) from None
    return values


def _parse(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=Object, parse_int=_parse_whole)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        raise Fault(f"JSON that cannot be read: {error}", "write plain entries") from None


def _parse_whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _not_json(error: json.JSONDecodeError, line: int) -> Fault:
    actual = f"not JSON at line {line}, column {error.colno}: {error.msg}"
    return Fault(actual, "correct or complete the file")


class Object(dict[str, Any]):
    """A JSON object that remembers what was wrong with it: json keeps the last of two keys."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        counts = Counter(key for key, _ in pairs)
        self.faults = [f"{key!r} twice" for key, count in counts.items() if count > 1]
        self.faults += [f"{key!r} is {value}" for key, value in pairs if not _is_finite(value)]

    def check(self, place: str) -> None:
        if self.faults:
            raise Fault(f"{place}: {self.faults[0]}", "give each key once, with a finite value")


def _is_finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _no_list(value: dict[str, Any]) -> Fault:
    if "pool" in value:
        return Fault("a pool, not a sequence", "order it first: flopslab words POOL -o FILE")
    keys = quote_keys(list(value)[:5], [*OUTER, *transcripts.LISTS])
    actual = f"no list of words, but {keys}" if keys else "no list of words"
    return Fault(actual, 'write {"sequence": [{"word": "silence"}, ...]} or a list of strings')


def _read_sequence(value: Object) -> Transcript:
    value.check("the file's outer object")
    entries = value["sequence"]
    if not isinstance(entries, list):
        raise _no_list({})
    if not entries:
        raise Fault("an empty list", "give at least one word")
    transcript = _read_entries(entries, value)
    total, gap = (_whole_or_none(value.get(key), key) for key in OUTER[1:])
    if {"frames", "flopslab"} & value.keys():  # a run's manifest: its other keys are its own
        return Transcript(transcript.cues, total, gap, exact=True)
    remarks = _check_keys([value], [*OUTER, *COUNTS], "") + transcript.remarks
    count = value.get("word_count")
    if isinstance(count, int) and count != len(entries):
        remarks.append(f"{len(entries)} words, but word_count is {count}")
    return Transcript(transcript.cues, total, gap, exact=True, remarks=remarks)


def _read_entries(entries: list[object], outer: dict[str, Any]) -> Transcript:
    cues = [_cue(entry, f"entry {number}") for number, entry in enumerate(entries, start=1)]
    objects = [entry for entry in entries if isinstance(entry, Object)]
    return Transcript(cues, exact=True, remarks=_check_keys(objects, [*ENTRY, *PASSIVE], "entry"))


def _check_keys(objects: Iterable[Object], valid: list[str], place: str) -> list[str]:
    """A remark on keys that are not read. Raises Fault if one was probably meant as another."""
    extra: set[str] = set()
    for number, value in enumerate(objects, start=1):
        for key in value.keys() - valid:
            if likely := closest_key(key, valid):
                where = f"{place} {number}: " if place else ""
                hint = f"write {likely}, which is read, or remove the key"
                raise Fault(f"{where}the key {short(key)}, not {likely}", hint)
            extra.add(key)
    return [f"keys that are not read: {quote_keys(sorted(extra), [])}"] if extra else []


def _cue(entry: object, place: str) -> Cue:
    """The word of a JSON entry: a string, or an object with at least a "word"."""
    if not isinstance(entry, Object):
        return Cue(_check_word(entry, place))
    entry.check(place)
    size = whole(entry.get("font_size", 1), f"{place}: font_size", 1, 7)
    instance = "instance" in entry and whole(entry["instance"], f"{place}: instance", 1)
    start, end = (_whole_or_none(entry.get(k), f"{place}: {k}") for k in ("start_ms", "end_ms"))
    silent = entry.get("silent", False)
    if not isinstance(silent, bool):
        raise Fault(f"{place}: silent is {short(silent)}", "give true or false")
    text = _check_word(entry.get("word"), place)
    return Cue(text, start, end, size=size, instance=instance or None, silent=silent)


def _check_word(value: object, place: str) -> str:
    if isinstance(value, str) and not value.strip():
        raise Fault(f"{place}: an empty word", "remove the entry or give it a word")
    return check_text(value, place)


def _whole_or_none(value: Any, place: str) -> int | None:
    return None if value is None else whole(value, place, least=0)


def whole(value: Any, place: str, least: int, most: float = math.inf) -> int:
    """A whole number in its limits, which JSON may write with a point. Raises Fault."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or value != int(value) or not least <= value <= most:
        limits = f"from {least} to {most}" if most < math.inf else f"of at least {least}"
        raise Fault(f"{place} is {short(value)}", f"give a whole number {limits}")
    return int(value)
