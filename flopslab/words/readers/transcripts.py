"""Transcripts in JSON, of speech recognition and speech synthesis.

Whisper and its relatives (whisperX, faster-whisper, whisper-timestamped, stable-ts, the OpenAI
API, the pipeline of transformers) and ElevenLabs write seconds. AssemblyAI writes milliseconds, and
so does Amazon Polly, whose `start` and `end` are places in the text.
"""

from collections.abc import Iterable, Mapping, Sequence
from reprlib import repr as short
from typing import Any

from flopslab.words.cues import (
    Cue,
    Fault,
    Transcript,
    check_text,
    closest_key,
    milliseconds,
    quote_keys,
)

LISTS = {"segments", "words", "word_segments", "chunks"}
OUTER = LISTS | {
    "text", "language", "language_code", "language_probability", "duration", "task", "usage",
    "transcription_id", "ori_dict", "regroup_history", "nonspeech_sections",
}  # fmt: skip
ENTRY = {
    "text", "word", "start", "end", "timestamp", "words", "type", "probability", "score",
    "confidence", "speaker", "speaker_id", "logprob", "characters", "chars", "id", "seek",
    "offset", "tokens", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob",
    "segment_id", "left_locked", "right_locked", "language", "channel_index", "transient",
}  # fmt: skip
NEEDED = ("word", "text", "start", "end")
ASSEMBLY_AI = "audio_duration"  # seconds; the key by which its transcripts are known
WORDS = {"text", "start", "end", "timestamp", "words"}  # keys that flopslab does not write
MARKS = {"time", "type", "value"}  # keys of Polly


def is_transcript(entries: Sequence[object]) -> bool:
    """Whether a list holds words as transcripts write them, not as flopslab does."""
    objects = [entry for entry in entries if isinstance(entry, dict)]
    keys = {key for entry in objects for key in entry}
    return bool(keys & WORDS) or any(entry.keys() >= MARKS for entry in objects)


def read_object(value: Mapping[str, Any]) -> Transcript:
    """The cues of an object with segments or words; see `Reader`."""
    if ASSEMBLY_AI in value:
        return _read_assembly_ai(value)
    entries = _most_detailed(value)
    transcript = read_list(entries)
    extra = sorted(value.keys() - OUTER)
    remarks = [f"keys that are not read: {quote_keys(extra, OUTER)}"] if extra else []
    total = milliseconds(value.get("duration"), "duration")
    return Transcript(transcript.cues, total, remarks=remarks + transcript.remarks)


def _read_assembly_ai(value: Mapping[str, Any]) -> Transcript:
    """The cues of a transcript of AssemblyAI, whose words have times in milliseconds."""
    words = [_in_seconds(word) for word in _most_detailed({"words": value.get("words")})]
    return Transcript(read_list(words).cues, milliseconds(value[ASSEMBLY_AI], ASSEMBLY_AI))


def _in_seconds(word: Any) -> Any:
    if not isinstance(word, dict):
        return word
    times = {key: word[key] for key in ("start", "end") if isinstance(word.get(key), int | float)}
    return word | {key: time / 1000 for key, time in times.items()}


def _most_detailed(value: Mapping[str, Any]) -> list[Any]:
    """Segments that hold words, or a list of words, or else segments alone."""
    lists = {key: value[key] for key in LISTS if value.get(key) is not None}
    for key, entries in lists.items():
        if not isinstance(entries, list):
            raise Fault(f"{key} is {short(entries)}", "give a list")
    segments = lists.get("segments") or []
    if any(isinstance(segment, dict) and segment.get("words") for segment in segments):
        return segments
    choices = (lists.get(key) for key in ("words", "word_segments", "segments", "chunks"))
    return next((entries for entries in choices if entries), [])


def read_list(entries: Sequence[Any]) -> Transcript:
    """The cues of a list of words or segments, or of Polly's marks; see `Reader`."""
    objects = [entry for entry in entries if isinstance(entry, dict)]
    if len(objects) < len(entries):
        stranger = next(entry for entry in entries if not isinstance(entry, dict))
        raise Fault(f"{short(stranger)} in a list of words", "give an object for each word")
    if any(entry.keys() >= MARKS for entry in objects):
        return _read_marks(objects)
    cues = [cue for n, entry in enumerate(objects, 1) if (cue := _cue(entry, f"entry {n}"))]
    parts = [part for entry in objects if _is_spoken(entry) for part in entry.get("words") or []]
    return Transcript(cues, remarks=_unknown_keys([*objects, *parts]))


def _cue(entry: Mapping[str, Any], place: str) -> Cue | None:
    """The cue of a word or segment; None for what is not spoken."""
    if not _is_spoken(entry):
        return None
    _check_keys(entry, place)
    start, end = _times(entry, place)
    words = entry.get("words") or []
    if not isinstance(words, list) or not all(isinstance(word, dict) for word in words):
        raise Fault(f"{place}: words is {short(words)}", "give a list of objects")
    parts = (_cue(word, f"{place}, word {number}") for number, word in enumerate(words, 1))
    text = entry.get("word") if "word" in entry else entry.get("text")
    text = "" if text is None and words else check_text(text, place)
    return Cue(text, start, end, words=tuple(part for part in parts if part))


def _is_spoken(entry: Mapping[str, Any]) -> bool:
    """Whether it is a word or a segment, and not ElevenLabs' spacing."""
    return entry.get("type", "word") in ("word", None)


def _times(entry: Mapping[str, Any], place: str) -> tuple[float | None, float | None]:
    pair = entry.get("timestamp")
    if pair is None:
        pair = [entry.get("start"), entry.get("end")]
    if not isinstance(pair, list) or len(pair) != 2:
        raise Fault(f"{place}: timestamp is {short(pair)}", "give [start, end] in seconds")
    start, end = (milliseconds(t, f"{place}: {k}") for t, k in zip(pair, NEEDED[2:], strict=True))
    return start, end


def _check_keys(entry: Mapping[str, Any], place: str) -> None:
    """A key that was probably meant as one that is needed and missing is an error."""
    for key in entry.keys() - ENTRY:
        likely = closest_key(key, NEEDED)
        if likely and likely not in entry and "timestamp" not in entry:
            hint = f"write {likely} (times in seconds), or remove the key"
            raise Fault(f"{place}: the key {short(key)}, not {likely}", hint)


def _unknown_keys(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    extra = sorted({key for entry in entries for key in entry.keys() - ENTRY})
    return [f"keys that are not read: {quote_keys(extra, ENTRY)}"] if extra else []


def _read_marks(marks: Sequence[Mapping[str, Any]]) -> Transcript:
    """Polly's marks: a word lasts until the next, since its end is not stated."""
    cues = []
    for number, mark in enumerate(marks, start=1):
        if mark.get("type") == "word":
            time = mark.get("time")
            if time is None:
                raise Fault(f"mark {number}: no time", "give each word its time in milliseconds")
            seconds = time / 1000 if isinstance(time, int | float) else time
            start = milliseconds(seconds, f"mark {number}: time")
            cues.append(Cue(check_text(mark.get("value"), f"mark {number}"), start))
    return Transcript(cues)
