"""Subtitles: SRT and WebVTT, also with the time of every word in them.

Word times come as time tags inside a cue (YouTube), or as one cue per word in which that word is
highlighted (Whisper, stable-ts).
"""

import html
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import srt
import webvtt

from flopslab.words.cues import Cue, Fault, Options, Transcript, call_library

_HIGHLIGHT = re.compile(r"<(u|b|i|font)\b[^>]*>(.*?)</\1>", re.S)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}")
_TIME_TAG = re.compile(r"<((?:\d+:)?\d{1,2}:\d{2}\.\d{1,3})>")


def read_srt(text: str, options: Options) -> Transcript:
    """The cues of an SRT file; see `Reader`."""
    if re.search(r"\d{100}", text):  # srt's parser takes the cube of their number
        raise Fault("a number of a hundred digits", "remove it")
    text = re.sub(r"\n\s*\n\s*", "\n\n", text.replace("\r\n", "\n").replace("\r", "\n"))
    subtitles = call_library(lambda: list(srt.parse(text)), "SRT")
    if not subtitles:
        raise Fault("no subtitle", "give an SRT file with at least one")
    return Transcript(_join_highlights([_from_subtitle(s) for s in subtitles], _plain))


def read_vtt(text: str, options: Options) -> Transcript:
    """The cues of a WebVTT file; see `Reader`."""
    captions = call_library(lambda: webvtt.from_string(text, strict=True).captions, "WebVTT")
    raw = [
        Cue(caption.raw_text, _clock(caption.start), _clock(caption.end)) for caption in captions
    ]
    if any(_TIME_TAG.search(cue.text) for cue in raw):
        return Transcript([_split_at_times(cue) for cue in _drop_repeated_lines(raw)])
    return Transcript(_join_highlights(raw, lambda text: html.unescape(_plain(text))))


def _from_subtitle(subtitle: srt.Subtitle) -> Cue:
    start, end = (time.total_seconds() * 1000 for time in (subtitle.start, subtitle.end))
    return Cue(subtitle.content, start, end)


def _plain(text: str) -> str:
    """Text on one line, without tags."""
    return " ".join(_TAG.sub("", _TIME_TAG.sub("", text)).split())


def _clock(time: str) -> float:
    """Milliseconds of hh:mm:ss.mmm, hours optional."""
    seconds = 0.0
    for part in time.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds * 1000


def _join_highlights(cues: Sequence[Cue], clean: Callable[[str], str]) -> list[Cue]:
    """The cues with clean texts, and a highlighted word as the only one of its cue.

    A highlight counts where a line is repeated, one word after the other; there, the line without
    one is a pause between words.
    """
    joined: list[Cue] = []
    for text, group in itertools.groupby(cues, key=lambda cue: clean(cue.text)):
        repeats = list(group)
        words = [_HIGHLIGHT.findall(cue.text) for cue in repeats]
        if len(repeats) > 1 and {len(matches) for matches in words} <= {0, 1} and any(words):
            joined += [
                replace(cue, text=text, words=(replace(cue, text=clean(matches[0][1])),))
                for cue, matches in zip(repeats, words, strict=True)
                if matches
            ]
        else:
            joined += [replace(cue, text=text) for cue in repeats]
    return joined


def _drop_repeated_lines(cues: Sequence[Cue]) -> Iterator[Cue]:
    """The cues without lines that the cue before showed already: captions that roll upwards."""
    before: set[str] = set()
    for cue in cues:
        lines = [line for line in cue.text.split("\n") if _plain(line)]
        news = [line for line in lines if _TIME_TAG.search(line) or _plain(line) not in before]
        before = {_plain(line) for line in lines}
        if news:
            yield replace(cue, text="\n".join(news))


def _split_at_times(cue: Cue) -> Cue:
    """The cue with a part for each time tag; a part lasts until the next tag."""
    first, *rest = _TIME_TAG.split(cue.text)
    starts = [cue.start, *map(_clock, rest[::2])]
    texts = [html.unescape(_plain(text)) for text in [first, *rest[1::2]]]
    ends = [*starts[1:], cue.end]
    parts = [Cue(*part) for part in zip(texts, starts, ends, strict=True) if part[0]]
    return Cue(" ".join(part.text for part in parts), cue.start, cue.end, words=tuple(parts))
