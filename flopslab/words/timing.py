"""The normaliser: cues of any format become words whose times never fall.

Missing times are filled between neighbours, a word ends where the next begins at the latest, and
what had to be moved is counted. More than a second backwards is an error.
"""

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from flopslab.words.cues import LONGEST_MS, Cue, Fault, Options, Transcript
from flopslab.words.word import Word

UNKNOWN_MS = 400  # a word whose end is times by nothing
BACKWARDS_MS = 1000  # how far times may run backwards before the file is refused
SLOW_MS = 60_000  # a median word longer than this was probably not timed in seconds


def normalise(transcript: Transcript, options: Options) -> tuple[tuple[Word, ...], list[str]]:
    """(the words, remarks on what was filled or moved); at least one word. Raises Fault."""
    if transcript.exact:
        return _exact(transcript.cues, options.offset_ms), []
    cues, is_line = _flatten(transcript.cues, options)
    remarks = []
    if any(cue.start is not None or cue.end is not None for cue in cues):
        remarks = _count_untimed(transcript.cues)
        cues = [_shift(cue, options.offset_ms) for cue in fill(cues)]
    if options.unit == "word" or not all(is_line):
        cues = [
            word
            for cue, line in zip(cues, is_line, strict=True)
            for word in _split(cue, line, options)
        ]
    cues = [replace(cue, text=cue.text.strip()) for cue in cues if cue.text.strip()]
    if not cues:
        raise Fault("no words", "give a file with at least one word")
    words, moved = settle(cues)
    return _count_instances(words), remarks + moved


def fill(cues: Sequence[Cue]) -> list[Cue]:
    """The same cues, all with start and end, in milliseconds.

    A missing time is that of the neighbour at the same border; several in a row share the time
    between their neighbours evenly; at the ends of the file each cue lasts UNKNOWN_MS.
    """
    starts, ends = [cue.start for cue in cues], [cue.end for cue in cues]
    for index in range(1, len(cues)):
        ends[index - 1] = starts[index] if ends[index - 1] is None else ends[index - 1]
        starts[index] = ends[index - 1] if starts[index] is None else starts[index]
    full, first = [], 0
    for index, end in enumerate(ends):
        if end is not None or index == len(ends) - 1:
            full += _share(cues[first : index + 1], starts[first], end)
            first = index + 1
    return full


def _share(cues: Sequence[Cue], low: float | None, high: float | None) -> list[Cue]:
    """The cues, one after the other, in equal parts of the time from `low` to `high`."""
    length = UNKNOWN_MS * len(cues)
    low = max(0.0, (high or 0.0) - length) if low is None else low
    high = low + length if high is None else high
    borders = [low + (high - low) * index / len(cues) for index in range(len(cues))] + [high]
    pairs = itertools.pairwise(borders)
    return [replace(cue, start=a, end=b) for cue, (a, b) in zip(cues, pairs, strict=True)]


def settle(cues: Sequence[Cue]) -> tuple[list[Word], list[str]]:
    """(words in whole milliseconds, a remark if any was moved): starts never fall, no overlap.

    Raises Fault if a time runs backwards by more than BACKWARDS_MS.
    """
    if cues[0].start is None:
        return [_word(cue, None, None) for cue in cues], []
    times = [_round(number, cue) for number, cue in enumerate(cues, start=1)]
    starts = list(itertools.accumulate((start for start, _ in times), max, initial=0))[1:]
    ends = [max(start, end) for start, (_, end) in zip(starts, times, strict=True)]
    _check_backwards(cues, times, starts, ends)
    ends = [min(end, after) for end, after in zip(ends, [*starts[1:], ends[-1]], strict=True)]
    words = [_word(*row) for row in zip(cues, starts, ends, strict=True)]
    distances = [_distance(*row) for row in zip(times, starts, ends, strict=True)]
    return words, _describe_moves([d for d in distances if d]) + _doubt_the_unit(words)


def _round(number: int, cue: Cue) -> tuple[int, int]:
    assert cue.start is not None and cue.end is not None
    if not all(abs(time) <= LONGEST_MS for time in (cue.start, cue.end)):  # nor NaN
        actual = f"word {number} ({cue.text}) at {max(cue.start, cue.end) / 1000:.0f} seconds"
        raise Fault(actual, "give times of less than a thousand hours")
    return round(cue.start), round(cue.end)


def _check_backwards(
    cues: Sequence[Cue],
    times: Sequence[tuple[int, int]],
    starts: Sequence[int],
    ends: Sequence[int],
) -> None:
    distances = [_distance(*row) for row in zip(times, starts, ends, strict=True)]
    for number, (cue, distance) in enumerate(zip(cues, distances, strict=True), start=1):
        if distance > BACKWARDS_MS:
            actual = f"times run backwards by {distance:,} ms at word {number} ({cue.text})"
            raise Fault(actual, "align the words again, or correct the times by hand")


def _distance(times: tuple[int, int], start: int, end: int) -> int:
    """By how many milliseconds a word was moved, the farther of start and end."""
    return max(abs(start - times[0]), abs(end - times[1]))


def _word(cue: Cue, start: int | None, end: int | None) -> Word:
    return Word(cue.text, cue.size, cue.instance or 0, start, end, cue.silent)


def _describe_moves(moves: Sequence[int]) -> list[str]:
    return [f"moved {_plural(len(moves))} by at most {max(moves):,} ms"] if moves else []


def _doubt_the_unit(words: Sequence[Word]) -> list[str]:
    lengths = [word.end_ms - word.start_ms for word in words if word.end_ms and word.start_ms]
    if lengths and median(lengths) > SLOW_MS:
        seconds = round(median(lengths) / 1000)
        return [f"half of the words last {seconds:,} s or more: are the times in milliseconds?"]
    return []


def _count_untimed(cues: Sequence[Cue]) -> list[str]:
    words = (word for cue in cues for word in cue.words or [cue] if word.text.strip())
    count = sum(word.start is None and word.end is None for word in words)
    return [f"placed {_plural(count)} without times between their neighbours"] if count else []


def _plural(count: int) -> str:
    return f"{count} word" if count == 1 else f"{count} words"


def _shift(cue: Cue, offset_ms: int) -> Cue:
    assert cue.start is not None and cue.end is not None
    return replace(cue, start=cue.start + offset_ms, end=cue.end + offset_ms)


def _flatten(cues: Sequence[Cue], options: Options) -> tuple[list[Cue], list[bool]]:
    """(cues without parts, whether each is a whole line); a line times its first and last word."""
    flat: list[tuple[Cue, bool]] = []
    for cue in cues:
        if cue.words:
            flat += [(word, False) for word in _bound(cue)]
        elif cue.text.strip() or cue.start is not None:  # an empty one ends the one before
            flat.append((cue, True))
    return [cue for cue, _ in flat], [line for _, line in flat]


def _bound(cue: Cue) -> list[Cue]:
    """A line's words; the first begins and the last ends with the line if they state nothing."""
    words = list(cue.words)
    if words[0].start is None:
        words[0] = replace(words[0], start=cue.start)
    if words[-1].end is None:
        words[-1] = replace(words[-1], end=cue.end)
    return words


def _split(cue: Cue, is_line: bool, options: Options) -> Iterator[Cue]:
    """The cue's words, which share its time by their length."""
    if options.unit != "word" and not is_line:
        yield cue
        return
    texts = split_words(cue.text) if options.unit == "word" else cue.text.split()
    lengths = list(itertools.accumulate(map(len, texts), initial=0))
    for text, (before, after) in zip(texts, itertools.pairwise(lengths), strict=True):
        low, high = (_part(cue, length / lengths[-1]) for length in (before, after))
        yield replace(cue, text=text, start=low, end=high)


def _part(cue: Cue, share: float) -> float | None:
    if cue.start is None or cue.end is None:
        return None
    return cue.start + (cue.end - cue.start) * share


def split_words(line: str) -> list[str]:
    """The words of a line, without punctuation at their edges; apostrophes are kept."""
    return [word for part in re.split(r"\s+|—|--+", line) if (word := _bare(part))]


def _bare(text: str) -> str:
    first = next((i for i, letter in enumerate(text) if not _is_edge(letter)), len(text))
    last = next((i for i, letter in enumerate(reversed(text)) if not _is_edge(letter)), 0)
    text = text[first : len(text) - last]
    has_quotes = len(text) > 1 and text[0] in "'‘" and text[-1] in "'’"
    text = text[1:-1] if has_quotes else text
    return text if text.strip("'’‘") else ""


def _is_edge(letter: str) -> bool:
    return unicodedata.category(letter).startswith("P") and letter not in "'’‘"


def _count_instances(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words, with the number of the occurrence where the file states none (0)."""
    counts: Counter[str] = Counter()
    numbers = []
    for word in words:
        counts[word.text] += 1
        numbers.append(word.instance or counts[word.text])
    return tuple(replace(word, instance=n) for word, n in zip(words, numbers, strict=True))


def _exact(cues: Sequence[Cue], offset_ms: int) -> tuple[Word, ...]:
    """All words are timed or none is, and time never runs backwards."""
    if not cues:
        raise Fault("no words", "write a word or phrase a line")
    words = _count_instances([_exact_word(cue, offset_ms) for cue in cues])
    if all(word.start_ms is None and word.end_ms is None for word in words):
        return words
    last_start = last_end = 0
    for number, word in enumerate(words, start=1):
        if word.start_ms is None or word.end_ms is None:
            hint = "give every entry start_ms and end_ms, or none"
            raise Fault(f"entry {number}: without start_ms or end_ms, unlike others", hint)
        if word.end_ms < word.start_ms:
            raise Fault(f"entry {number}: ends before it starts", "correct start_ms or end_ms")
        if word.start_ms < last_start or word.end_ms < last_end:
            before = f"entry {number - 1}" if number > 1 else "the sound"
            raise Fault(f"entry {number}: earlier than {before}", "order the entries by time")
        last_start, last_end = word.start_ms, word.end_ms
    return words


def _exact_word(cue: Cue, offset_ms: int) -> Word:
    start, end = (None if t is None else int(t) + offset_ms for t in (cue.start, cue.end))
    return _word(cue, start, end)
