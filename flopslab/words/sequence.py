"""The word sequence: an ordered list of words with sizes and, if it is spoken, timings."""

import json
import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from flopslab.errors import FlopslabWarning, SequenceError
from flopslab.words.cues import Cue, Fault, Options, Transcript, Unit, check_text
from flopslab.words.files import decode, read_bytes
from flopslab.words.formats import READABLE, find_format, is_known, suffix_of
from flopslab.words.timing import normalise
from flopslab.words.word import TimedSequence, Word

SHIPPED = ("demo", "full", "tide", "storm", "year")
SHIPPED_POOLS = ("full-pool",)
MOST_WORDS = 100_000  # ten times the longest sequence that is usual
LONGEST_WORD = 10_000  # characters; a text encoder reads a few hundred at once

__all__ = [
    "SHIPPED",
    "TimedSequence",
    "Word",
    "check_word",
    "parse_sequence",
    "parse_timed_sequence",
    "read_sequence",
    "read_timed_sequence",
    "write_sequence",
]


def read_sequence(
    source: str | Path, *, unit: Unit = "line", tier: str = "", offset_ms: int = 0
) -> tuple[Word, ...]:
    """The words of a shipped sequence (SHIPPED) or of a file; at least one.

    See `read_timed_sequence`, which also returns the times that belong to no single word.
    """
    return read_timed_sequence(source, unit=unit, tier=tier, offset_ms=offset_ms).words


def read_timed_sequence(
    source: str | Path, *, unit: Unit = "line", tier: str = "", offset_ms: int = 0
) -> TimedSequence:
    """The words of a shipped sequence or of a file, with the length of the sound if it is stated.

    docs/words.md lists the formats; `unit`, `tier`, `offset_ms` as in `Options`. What had to be
    moved or was not read is said in one warning. Raises SequenceError.
    """
    path = find_shipped(source) if source in SHIPPED else Path(source).expanduser()
    try:
        data = read_bytes(path)
    except Fault as fault:
        hint = f"give the path of a file with words, or one of {', '.join(SHIPPED)}"
        raise SequenceError(f"a word sequence from {source}", fault.args[0], hint) from None
    return parse_timed_sequence(data, str(path), unit=unit, tier=tier, offset_ms=offset_ms)


def parse_sequence(
    data: bytes, name: str, *, unit: Unit = "line", tier: str = "", offset_ms: int = 0
) -> tuple[Word, ...]:
    """The words in the bytes of a file called `name`; at least one. Raises SequenceError."""
    return parse_timed_sequence(data, name, unit=unit, tier=tier, offset_ms=offset_ms).words


def parse_timed_sequence(
    data: bytes, name: str, *, unit: Unit = "line", tier: str = "", offset_ms: int = 0
) -> TimedSequence:
    """The sequence in the bytes of a file called `name`; see `read_timed_sequence`."""
    options = Options(unit, tier, offset_ms)
    try:
        text = _decode(data, name)
        transcript = find_format(text, name).read(text, options)
        _check_count(transcript.cues)
        words, remarks = normalise(transcript, options)
        _check_count(words)
        sequence, doubts = _with_totals(words, transcript)
    except Fault as fault:
        raise SequenceError(f"a word sequence from {name}", *fault.args) from None
    if remarks := [*transcript.remarks, *remarks, *doubts]:
        warnings.warn(f"{name}: {'; '.join(remarks)}", FlopslabWarning, stacklevel=2)
    return sequence


def write_sequence(path: str | Path, sequence: TimedSequence) -> None:
    """Write the JSON file that `read_timed_sequence` reads, whole or not at all.

    An entry a line; a folder that is missing is made. Raises SequenceError.
    """
    path = Path(path).expanduser()
    content = sequence.content
    entries = ",\n    ".join(json.dumps(e, ensure_ascii=False) for e in content.pop("sequence"))
    rest = json.dumps(content, ensure_ascii=False, indent=2).removeprefix("{\n")
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(f'{{\n  "sequence": [\n    {entries}\n  ],\n{rest}\n', encoding="utf-8")
        partial.replace(path)
    except (OSError, ValueError) as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or error
        hint = "give a path in a folder that can be written to"
        raise SequenceError(f"a place for the sequence: {path}", str(reason), hint) from None


def check_word(text: str) -> None:
    """Raise SequenceError if this could be no word of a sequence: empty, or not readable text."""
    try:
        if not check_text(text, "the word").strip():
            raise Fault("an empty word", "give a word")
    except Fault as fault:
        raise SequenceError(f"a word, {text!r}", *fault.args) from None


def find_shipped(name: str | Path) -> Path:
    """The file of a shipped sequence, inside the package or beside it."""
    package = Path(__file__).parents[1]
    inside, beside = (folder / "params" / f"{name}.json" for folder in (package, package.parent))
    return inside if inside.exists() else beside


def _decode(data: bytes, name: str) -> str:
    try:
        return decode(data)
    except Fault:
        if is_known(name):
            raise
        actual = f"a file of a format that is not read ({suffix_of(name)})"
        raise Fault(actual, f"give one of these: {READABLE}") from None


def _check_count(entries: Sequence[Cue] | Sequence[Word]) -> None:
    """Raise Fault for more words, or longer ones, than a run can be made of."""
    if len(entries) > MOST_WORDS:
        actual = f"{len(entries):,} words; the limit is {MOST_WORDS:,}"
        raise Fault(actual, "split the file, and make a run of each part")
    for number, entry in enumerate(entries, start=1):
        if len(entry.text) > LONGEST_WORD:
            actual = (
                f"word {number} of {len(entry.text):,} characters; the limit is {LONGEST_WORD:,}"
            )
            raise Fault(actual, "write a word or phrase a line, or use unit word")


def _with_totals(
    words: tuple[Word, ...], transcript: Transcript
) -> tuple[TimedSequence, list[str]]:
    """(the sequence, a remark if the words end later than the sound is said to)."""
    total, gap = (
        None if value is None else round(value)
        for value in (transcript.total_ms, transcript.gap_ms)
    )
    end = words[-1].end_ms
    if total is None or end is None or total >= end:
        return TimedSequence(words, total, gap), []
    remark = f"the last word ends at {end:,} ms, later than the whole ({total:,} ms)"
    return TimedSequence(words, end, gap), [remark]
