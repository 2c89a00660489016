"""Praat's TextGrid, in its long and its short text form.

Praat reads only numbers and quoted texts that stand by themselves and skips everything else, so
both forms are one. The rule: https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
(praatio reads a TextGrid that was cut off without a remark, and refuses 4.5e-05.)
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flopslab.words.cues import LONGEST_MS, Cue, Fault, Options, Transcript

SILENCES = {"<eps>", "<sil>", "<p:>", "sil", "sp"}  # how aligners write a pause
_TOKEN = re.compile(
    r'"((?:[^"]|"")*)"'  # a text; a quotation mark in it is written twice
    r"|(?<!\S)([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?!\S)"  # a number
)


@dataclass(frozen=True, slots=True)
class Tier:
    """A named tier of a TextGrid; the cues of a tier of points have no end."""

    name: str
    cues: list[Cue]


def read(text: str, options: Options) -> Transcript:
    """The cues of the tier with the words; see `Reader`."""
    tokens = _tokens(text)
    kind = [next(tokens, None), next(tokens, None)]
    if kind[0] not in ("ooTextFile", "ooTextFile short") or kind[1] != "TextGrid":
        raise Fault("no TextGrid in Praat's text form", "save it in Praat as a text file")
    _number(tokens, "xmin")
    total = _number(tokens, "xmax")
    tiers = [_tier(tokens) for _ in range(_count(tokens, "tiers"))]
    cues = [cue for cue in _choose(tiers, options.tier).cues if cue.text not in SILENCES]
    return Transcript(cues, total_ms=total * 1000)


def _tokens(text: str) -> Iterator[str | float]:
    """The quoted texts and free-standing numbers of the file, in order."""
    for match in _TOKEN.finditer(text):
        if match[2] is not None:
            yield float(match[2])
        else:
            yield match[1].replace('""', '"')


def _tier(tokens: Iterator[str | float]) -> Tier:
    kind, name = _text(tokens, "the class of a tier"), _text(tokens, "the name of a tier")
    if kind not in ("IntervalTier", "TextTier"):
        raise Fault(f"a tier of the class {kind}", "keep tiers of intervals and points only")
    place = f"tier {name!r}"
    for _ in range(2):  # its start and end
        _number(tokens, place)
    count = _count(tokens, place)
    is_point = kind == "TextTier"
    return Tier(
        name, [_cue(tokens, is_point, f"{place}, {i + 1} of {count}") for i in range(count)]
    )


def _cue(tokens: Iterator[str | float], is_point: bool, place: str) -> Cue:
    start = _number(tokens, place) * 1000
    end = None if is_point else _number(tokens, place) * 1000
    return Cue(_text(tokens, place).strip(), start, end)


def _number(tokens: Iterator[str | float], place: str) -> float:
    token = next(tokens, None)
    if not isinstance(token, float) or abs(token) * 1000 > LONGEST_MS:
        raise _end(token, place)
    return token


def _count(tokens: Iterator[str | float], place: str) -> int:
    count = _number(tokens, place)
    if count < 0 or count != int(count):
        raise _end(count, place)
    return int(count)


def _text(tokens: Iterator[str | float], place: str) -> str:
    token = next(tokens, None)
    if not isinstance(token, str):
        raise _end(token, place)
    return token


def _end(token: str | float | None, place: str) -> Fault:
    actual = "the end of the file" if token is None else repr(token)
    return Fault(f"{place}: {actual}", "complete the file, or save it in Praat again")


def _choose(tiers: list[Tier], name: str) -> Tier:
    """The tier called `name`; without one, the only one called words, or ending in it."""
    target = name or "words"
    exact = [tier for tier in tiers if tier.name == target]
    alike = [tier for tier in tiers if re.fullmatch(r"(.*\W)?words?", tier.name, re.I)]
    matches = exact or ([] if name else alike)
    if len(matches) == 1:
        return matches[0]
    names = ", ".join(tier.name for tier in tiers) or "none"
    count = f"{len(matches)} tiers" if matches else "no tier"
    raise Fault(f"{count} called {target}; the tiers: {names}", "name one as `tier`")
