"""The formats that are read, and which of them a file is in: by its suffix and its content."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flopslab.words.cues import Fault, Reader
from flopslab.words.readers import json_files, lyrics, prose, subtitles, tables, textgrid


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its reader, the suffixes of its files, and what its content looks like.

    `matches` None: the content alone does not tell.
    """

    name: str
    read: Reader
    suffixes: tuple[str, ...]
    matches: Callable[[str], bool] | None = None


def _begins(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.match(pattern, text) is not None


def _is_srt(text: str) -> bool:
    return re.search(r"^[ \t]*[\d:.,]+ *--> *[\d:.,]+", text, re.M) is not None


FORMATS = (
    Format("WebVTT", subtitles.read_vtt, (".vtt",), _begins(r"WEBVTT\b")),
    Format("SRT", subtitles.read_srt, (".srt",), _is_srt),
    Format("TextGrid", textgrid.read, (".textgrid",), _begins(r'\s*File type = "ooTextFile')),
    Format("Audacity labels", tables.read_labels, (), tables.is_labels),
    Format("LRC", lyrics.read, (".lrc",), _begins(lyrics.BEGINNING)),
    Format("JSON", json_files.read, (".json", ".jsonl", ".ndjson", ".marks")),
    Format("CSV or TSV", tables.read, (".csv", ".tsv", ".tab"), tables.is_table),
    Format("Markdown", prose.read_markdown, (".md", ".markdown")),
    Format("plain text", prose.read_lines, (".txt", ".text", "")),
)
_BY_SUFFIX = {suffix: form for form in FORMATS for suffix in form.suffixes}
_OPEN = ("", ".txt", ".text", ".md", ".markdown")  # suffixes under which anything may be found
READABLE = ", ".join(
    f"{form.name} ({' '.join(filter(None, form.suffixes)) or '.txt'})" for form in FORMATS
)


def suffix_of(name: str) -> str:
    """The suffix in lower case; a point in a name that is none, as in "1. fire and ice", is not."""
    suffix = Path(name).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z]\w{0,9}", suffix) else ""


def is_known(name: str) -> bool:
    """Whether the suffix of a file's name belongs to a format that is read."""
    return suffix_of(name) in _BY_SUFFIX


def find_format(text: str, name: str) -> Format:
    """The format of a file with this content and name. Raises Fault if it is none that is read.

    A suffix decides, but for text and Markdown: there, and under a suffix that is not known, the
    content is looked at first, so that times are never taken for words.
    """
    suffix = suffix_of(name)
    if suffix in _BY_SUFFIX and suffix not in _OPEN:
        return _BY_SUFFIX[suffix]
    for form in FORMATS:
        if form.matches and form.matches(text):
            return form
    if _is_json(text, suffix):
        return _BY_SUFFIX[".json"]
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    hint = f"give one of these: {READABLE}"
    raise Fault(f"a file of a format that is not read ({suffix})", hint)


def _is_json(text: str, suffix: str) -> bool:
    """A text may begin with a bracket; it is JSON if an object does, or if all of it is JSON."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    if not suffix or re.match(r'\s*(\[\s*)?\{\s*"', text):
        return True
    try:
        json_files.load(text)
    except Fault:
        return False
    return True
