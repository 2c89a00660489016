"""Which picture is seen when: a run's manifest to shots, in whole milliseconds. Pure.

All times are absolute: nothing is added up, so that no error can grow.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, TypeVar

from flopslab.errors import ParameterError, RunError
from flopslab.film.settings import FilmSettings

LONG_MS = 10_000  # a picture that stands longer is worth a remark
CLOSE_MS = 500  # sound and words that differ by less are of equal length


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture on the screen from `start_ms` until `end_ms`; several passes: side by side."""

    start_ms: int
    end_ms: int
    position: int
    passes: tuple[int, ...]
    word: str  # spoken at its position
    transition_ms: int = 0  # at its end, towards the next shot


@dataclass(frozen=True, slots=True)
class Caption:
    """A word while it is spoken."""

    start_ms: int
    end_ms: int
    text: str


Timed = TypeVar("Timed", Shot, Caption)


@dataclass(frozen=True)
class Timeline:
    """The film before it is encoded: its shots and captions, without gaps, from 0 on."""

    shots: tuple[Shot, ...]
    captions: tuple[Caption, ...]
    repeats: int  # how many times the sound is heard: once for each pass that is shown
    remarks: tuple[str, ...]  # what works, but probably not as intended

    @property
    def end_ms(self) -> int:
        return self.shots[-1].end_ms


@dataclass(frozen=True, slots=True)
class Instant:
    """One coded frame of the film: from `pts` on, for `duration`, in units of the time base."""

    pts: int
    duration: int
    shot: int  # index of the picture
    mix: float = 0.0  # how far the next shot's picture has come, 0 to 1


@dataclass(frozen=True, slots=True)
class Lengths:
    """Where what the film is made of ends, in milliseconds."""

    pictures: int  # where a picture would come that a run with a limit does not have
    words: int
    sound: int | None


def timeline(
    manifest: Mapping[str, Any], settings: FilmSettings, sound_ms: int | None = None
) -> Timeline:
    """The timeline of a run. `sound_ms`: the length of the sound, if there is one.

    Raises RunError for times that make no sense and ParameterError for a pass that is not there.
    """
    words = spoken(manifest, settings.frame_ms)
    cuts, remark = _cuts([word.start_ms for word in words])
    positions = [frame["position"] for frame in manifest["frames"]]
    lengths = _lengths(manifest, words, cuts, sound_ms)
    end = _end(settings, lengths)
    shots = _shots(words, cuts, positions, end)
    captions = [replace(w, end_ms=min(w.end_ms, end)) for w in words if w.text and w.start_ms < end]
    sections = _sections(settings, manifest["final_pass"])
    remarks = [remark, *_remarks(shots, lengths, end), _unpainted(positions, words, lengths, end)]
    return Timeline(
        tuple(
            replace(shot, passes=passes)
            for passes, part in zip(sections, _repeated(shots, end, len(sections)), strict=True)
            for shot in part
        ),
        tuple(word for part in _repeated(captions, end, len(sections)) for word in part),
        len(sections),
        tuple(filter(None, remarks)),
    )


def spoken(manifest: Mapping[str, Any], frame_ms: int) -> list[Caption]:
    """Every word of the sequence with its times; a silent word has no text.

    Words without times last `frame_ms` each. RunError for times that fall or are incomplete.
    """
    entries = manifest["sequence"]
    texts = ["" if entry.get("silent") else entry["word"] for entry in entries]
    if not any("start_ms" in entry for entry in entries):
        return [Caption(i * frame_ms, (i + 1) * frame_ms, text) for i, text in enumerate(texts)]
    times = [(entry.get("start_ms"), entry.get("end_ms")) for entry in entries]
    return [
        Caption(start, max(end, start + 1), text)
        for (start, end), text in zip(_check(times), texts, strict=True)
    ]


def instants(shots: Sequence[Shot], settings: FilmSettings) -> Iterator[Instant]:
    """Every coded frame in order: `pts` in milliseconds (exact) or in frames (fps)."""
    if settings.timing == "exact":
        yield from _exact(shots, settings.rate)
    else:
        yield from _constant(shots, settings.rate)


def frame_at(milliseconds: int, rate: Fraction) -> int:
    """The first frame whose middle is not before this time: at most half a frame off."""
    return max(0, math.ceil(Fraction(milliseconds, 1000) * rate - Fraction(1, 2)))


def too_short(shots: Sequence[Shot], settings: FilmSettings) -> str:
    """A remark on pictures that fall between two frames of a constant rate; empty if none does."""
    if settings.timing == "exact":
        return ""
    rate = settings.rate
    count = sum(frame_at(s.start_ms, rate) == frame_at(s.end_ms, rate) for s in shots)
    fault = f"{count} pictures are shorter than a frame at {settings.fps:g} fps and are not seen"
    return f"{fault}; timing exact shows them" if count else ""


def _exact(shots: Sequence[Shot], rate: Fraction) -> Iterator[Instant]:
    for index, shot in enumerate(shots):
        fade = shot.transition_ms
        if hold := shot.end_ms - shot.start_ms - fade:
            yield Instant(shot.start_ms, hold, index)
        steps = min(fade, max(1, round(fade * rate / 1000))) if fade else 0
        edges = [shot.end_ms - fade + round(fade * step / steps) for step in range(steps)]
        for step, (start, stop) in enumerate(pairwise([*edges, shot.end_ms])):
            yield Instant(start, stop - start, index, (step + 0.5) / steps)


def _constant(shots: Sequence[Shot], rate: Fraction) -> Iterator[Instant]:
    if not frame_at(shots[-1].end_ms, rate):  # shorter than a frame, but a film has one
        yield Instant(0, 1, 0)
    for index, shot in enumerate(shots):
        for number in range(frame_at(shot.start_ms, rate), frame_at(shot.end_ms, rate)):
            middle = float((number + Fraction(1, 2)) / rate * 1000)
            fade = shot.transition_ms
            mix = (middle - shot.end_ms + fade) / fade if fade else 0.0
            yield Instant(number, 1, index, min(max(mix, 0.0), 1.0))


def _repeated(entries: Sequence[Timed], length: int, times: int) -> Iterator[list[Timed]]:
    """The entries again and again, each time `length` later."""
    for delay in range(0, times * length, length):
        yield [replace(e, start_ms=e.start_ms + delay, end_ms=e.end_ms + delay) for e in entries]


def _cuts(starts: Sequence[int]) -> tuple[list[int], str]:
    """Strictly rising starts, and a remark if some were moved: a picture lasts 1 ms or more."""
    cuts = [max(0, starts[0])]
    for start in starts[1:]:
        cuts.append(max(start, cuts[-1] + 1))
    moved = [cut - start for cut, start in zip(cuts, starts, strict=True) if cut != start]
    if not moved:
        return cuts, ""
    count = f"{len(moved)} words begin together with the word before"
    return cuts, f"{count}: their pictures come later, by at most {max(moved)} ms"


def _check(times: Sequence[tuple[int | None, int | None]]) -> list[tuple[int, int]]:
    """The times as they are; RunError if one is missing, they fall, or all words begin at once."""
    expected = "the times of the words in the manifest"
    hint = "align the words with the sound again, and run the study again with them"
    checked = [(start, end) for start, end in times if start is not None and end is not None]
    if len(checked) < len(times):
        raise RunError(expected, f"{len(times) - len(checked)} words without", hint)
    for number, ((before, _), (start, _)) in enumerate(pairwise(checked), 2):
        if start < before:
            actual = f"word {number} begins {before - start} ms before word {number - 1}"
            raise RunError(expected, actual, hint)
    if len(checked) > 1 and checked[0][0] == checked[-1][0]:
        raise RunError(expected, f"all {len(checked)} words begin at {checked[0][0]} ms", hint)
    return checked


def _lengths(
    manifest: Mapping[str, Any],
    words: Sequence[Caption],
    cuts: Sequence[int],
    sound_ms: int | None,
) -> Lengths:
    words_end = max(manifest.get("total_duration_ms") or 0, words[-1].end_ms, cuts[-1] + 1)
    following = manifest["frames"][-1]["position"] + manifest["frame_interval"]
    pictures_end = cuts[following - 1] if following <= len(words) else words_end
    return Lengths(pictures_end, words_end, sound_ms)


def _end(settings: FilmSettings, lengths: Lengths) -> int:
    """When the film ends, at least 1 ms after it begins."""
    if settings.end == "sound" and lengths.sound is None:
        hint = "give a sound, or set end to longest or words"
        raise ParameterError("the sound that the film ends with", "no sound", hint)
    sound = lengths.sound or 0
    longest = max(lengths.pictures, sound)
    return max(1, {"longest": longest, "sound": sound, "words": lengths.words}[settings.end])


def _shots(
    words: Sequence[Caption], cuts: Sequence[int], positions: Sequence[int], end: int
) -> list[Shot]:
    """A shot for each picture that begins before the end; the first one begins at once."""
    starts = [0, *(cuts[position - 1] for position in positions[1:])]
    pairs = zip(positions, pairwise([*starts, max(end, starts[-1])]), strict=True)
    shots = [
        Shot(start, min(stop, end), position, (), words[position - 1].text)
        for position, (start, stop) in pairs
        if start < end
    ]
    return [*shots[:-1], replace(shots[-1], end_ms=end)]


def _sections(settings: FilmSettings, last: int) -> list[tuple[int, ...]]:
    """The passes of each section of the film."""
    every = tuple(range(1, last + 1))
    sections = {"final": [(last,)], "all": [(number,) for number in every], "side": [every]}
    if isinstance(settings.passes, str):
        return sections[settings.passes]
    if settings.passes not in every:
        actual = f"a run of {last}"
        hint = f"give a number from 1 to {last}, or final, all, side"
        raise ParameterError(f"pass {settings.passes} of the run", actual, hint)
    return [(settings.passes,)]


def _remarks(shots: Sequence[Shot], lengths: Lengths, end: int) -> Iterator[str]:
    sound, words = lengths.sound, lengths.words
    if sound is not None and min(abs(sound - words), abs(sound - lengths.pictures)) > CLOSE_MS:
        yield f"the sound lasts {_seconds(sound)}, the words {_seconds(words)}"
    standing = [min(shot.end_ms, lengths.pictures) - shot.start_ms for shot in shots]
    if long := [time for time in standing if time > LONG_MS]:
        yield f"{len(long)} pictures stand longer than 10 s, the longest {_seconds(max(long))}"
    if end + CLOSE_MS < min(words, lengths.pictures):
        yield f"the film ends at {_seconds(end)}, before the last word"


def _unpainted(
    positions: Sequence[int], words: Sequence[Caption], lengths: Lengths, end: int
) -> str:
    """A remark if words without pictures are in the film."""
    if lengths.pictures == lengths.words or end <= lengths.pictures + CLOSE_MS:
        return ""
    count = f"{len(positions)} pictures for {len(words)} words"
    return f"{count}: the last picture is held from {_seconds(lengths.pictures)} on"


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.1f} s"
