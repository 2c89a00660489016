"""Lyrics with times: LRC, and enhanced LRC with a time for each word.

A positive [offset:] makes the words earlier, as most players read it. An empty line with a time
ends the line before.
"""

import re
from dataclasses import replace

from flopslab.words.cues import Cue, Fault, Options, Transcript

BEGINNING = r"\s*(\[[a-z]+:.*\][^\S\n]*\n\s*)*\[\d+:\d\d([.:]\d+)?\]"  # tags in lines of their own

_CLOCK = r"(\d{1,6}:[0-5]?\d(?:[.:]\d{1,3})?)"
_LINE_TIMES = re.compile(rf"\s*((?:\[{_CLOCK}\]\s*)+)(.*)")
_LINE_TIME = re.compile(rf"\[{_CLOCK}\]")
_WORD_TIME = re.compile(rf"<{_CLOCK}>")
_TAG = re.compile(r"\s*\[([a-zA-Z#]+)\s*:(.*)\]\s*$")


def read(text: str, options: Options) -> Transcript:
    """The cues of an LRC file, by time; see `Reader`."""
    lines: list[tuple[float, Cue]] = []
    tags: dict[str, str] = {}
    for line in text.splitlines():
        if match := _LINE_TIMES.match(line):
            times = [_clock(time) for time in _LINE_TIME.findall(match[1])]
            lines += [(time, _line(time, times[0], match[3])) for time in times]
        elif tag := _TAG.match(line):
            tags[tag[1].lower()] = tag[2].strip()
        elif line.strip():  # a line without a time stays behind the one before
            lines.append((lines[-1][0] if lines else 0.0, Cue(line)))
    if not any(cue.start is not None for _, cue in lines):
        raise Fault("no line with a time like [00:12.30]", "save lyrics without times as .txt")
    earlier = _offset(tags.get("offset", "0"))
    cues = [_shift(cue, -earlier) for _, cue in sorted(lines, key=lambda pair: pair[0])]
    length = re.fullmatch(_CLOCK, tags.get("length", ""))
    return Transcript(cues, total_ms=_clock(length[0]) if length else None)


def _clock(time: str) -> float:
    """Milliseconds of mm:ss.xx; a colon before the fraction is read as a point."""
    minutes, seconds = time.split(":", 1)
    return (int(minutes) * 60 + float(seconds.replace(":", "."))) * 1000


def _line(time: float, first: float, text: str) -> Cue:
    """A line that begins at `time`, with its words if they have times.

    Those are of the first of a line's times: in a repeat they move with it.
    """
    before, *rest = _WORD_TIME.split(text)
    if not rest:
        return Cue(text.strip(), time)
    starts = [time, *(_clock(stamp) + time - first for stamp in rest[::2])]
    texts = [before, *rest[1::2]]
    parts = [
        Cue(part.strip(), start, end)
        for part, start, end in zip(texts, starts, [*starts[1:], None], strict=True)
        if part.strip()
    ]
    return Cue(" ".join(part.text for part in parts), time, words=tuple(parts))


def _offset(value: str) -> float:
    if not re.fullmatch(r"[+-]?\d{1,9}", value):
        raise Fault(f"[offset:{value}]", "give whole milliseconds, as in [offset:+500]")
    return float(value)


def _shift(cue: Cue, by: float) -> Cue:
    start, end = (None if time is None else time + by for time in (cue.start, cue.end))
    return replace(cue, start=start, end=end, words=tuple(_shift(w, by) for w in cue.words))
