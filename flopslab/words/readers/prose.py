"""Text without times: plain text and Markdown, a word or phrase a line."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

from flopslab.words.cues import Cue, Options, Transcript

_FRONT_MATTER = re.compile(r"---\s*\n.*?\n(---|\.\.\.)\s*(\n|\Z)", re.S)


def read_lines(text: str, options: Options) -> Transcript:
    """The lines of a plain text, as they are; see `Reader`."""
    lines = re.split("\r\n|\r|\n", text)  # not splitlines(): a word may hold other separators
    cues = [Cue(line) for line in lines if line.strip()]
    return Transcript(cues, exact=options.unit == "line")


def read_markdown(text: str, options: Options) -> Transcript:
    """The lines of Markdown without its marks, code, pictures and front matter; see `Reader`."""
    text = _FRONT_MATTER.sub("", text.lstrip("\ufeff"), count=1) if text.startswith("---") else text
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return Transcript([Cue(line) for token in tokens for line in _lines(token) if line.strip()])


def _lines(token: Token) -> Iterator[str]:
    """The lines of a paragraph, heading, list entry or cell."""
    line = ""
    for part in token.children or ():
        if part.type in ("softbreak", "hardbreak"):
            yield line
            line = ""
        elif part.type in ("text", "code_inline"):
            line += part.content
    yield line
