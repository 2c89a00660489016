"""A word of a sequence, and the sequence with what a film needs to know beside its words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flopslab.digests import json_digest


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
    def entry(self) -> dict[str, str | int | bool | None]:
        """The word as an object of the JSON that `read_sequence` reads."""
        entry: dict[str, str | int | bool | None]
        entry = {"word": self.text, "instance": self.instance, "font_size": self.size}
        if self.start_ms is not None:
            entry |= {"start_ms": self.start_ms, "end_ms": self.end_ms}
        return entry | ({"silent": True} if self.silent else {})


@dataclass(frozen=True, slots=True)
class TimedSequence:
    """The words of a file and the times that belong to no single word, None where not stated.

    `total_duration_ms`: from 0 to the end of the sound; `inter_word_silence_ms`: the gap between
    two words, if it is always the same.
    """

    words: tuple[Word, ...]
    total_duration_ms: int | None = None
    inter_word_silence_ms: int | None = None

    @property
    def content(self) -> dict[str, Any]:
        """The JSON object that `read_timed_sequence` reads, with a count of the words."""
        times = {
            "total_duration_ms": self.total_duration_ms,
            "inter_word_silence_ms": self.inter_word_silence_ms,
        }
        return {
            "sequence": [word.entry for word in self.words],
            **{name: value for name, value in times.items() if value is not None},
            "word_count": len(self.words),
            "unique_words": len({word.text for word in self.words}),
        }


def words_digest(entries: Iterable[Mapping[str, Any]]) -> str:
    """Of the words of a sequence, each as its `entry`, and their sizes; times change no picture."""
    silent = ["silent"]
    return json_digest([[e["word"], e["font_size"]] + silent * ("silent" in e) for e in entries])
