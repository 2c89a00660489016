"""A pool: words with sizes, each to be said as often as its size, in an order yet to be found."""

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flopslab.errors import FlopslabWarning, SequenceError
from flopslab.words.cues import Fault, Unit, check_text, closest_key, quote_keys
from flopslab.words.embeddings import check_vectors, to_vector
from flopslab.words.files import decode, read_bytes
from flopslab.words.formats import suffix_of
from flopslab.words.readers import json_files, tables
from flopslab.words.sequence import SHIPPED, SHIPPED_POOLS, find_shipped, parse_sequence

ENTRY = ("word", "size", "font_size", "instance", "embedding", "embedding_idx")
LARGEST_SIZE = 7


@dataclass(frozen=True, slots=True)
class Pool:
    """Different words in the order of their file, and how often each is to be said (1 to 7).

    `vectors` [words, d]: their embeddings, if they are there.
    """

    texts: tuple[str, ...]
    sizes: tuple[int, ...]
    vectors: np.ndarray | None = None

    def embed(self, vectors: np.ndarray) -> "Pool":
        """The pool with an embedding for each word: [words, d]. Raises SequenceError."""
        return self.select(dict(zip(self.texts, vectors, strict=True)))

    def select(self, vectors: Mapping[str, np.ndarray]) -> "Pool":
        """The words that have an embedding, with it; a warning lists those that have none."""
        missing = [text for text in self.texts if text not in vectors]
        if len(missing) == len(self.texts):
            hint = "give embeddings of these words, or leave them to the study's own model"
            raise SequenceError("embeddings of the words of the pool", "those of none", hint)
        if missing:
            count = f"{len(missing)} of {len(self.texts)} words without embedding"
            warnings.warn(f"{count}, left out: {_list(missing)}", FlopslabWarning, stacklevel=2)
        pairs = [(t, s) for t, s in zip(self.texts, self.sizes, strict=True) if t in vectors]
        texts, sizes = zip(*pairs, strict=True)
        try:
            check_vectors({text: vectors[text] for text in texts})
        except Fault as fault:
            raise SequenceError("embeddings of the words of the pool", *fault.args) from None
        return Pool(texts, sizes, np.stack([vectors[text] for text in texts]).astype(np.float64))


def read_pool(source: str | Path, unit: Unit = "line") -> Pool:
    """The pool in a file: JSON, CSV or TSV with sizes, or any file that `read_sequence` reads.

    JSON: {"pool": [{"word": "sea", "font_size": 3}, ...]}, such a list, or {"sea": 3, ...}.
    Where a file states no sizes, a word's size is how often it occurs, 7 at most. A word of size 0
    is left out, with a warning. Raises SequenceError.
    """
    path = _find(source)
    try:
        data = read_bytes(path)
        rows = _read_sized(data, path.name)
    except Fault as fault:
        raise SequenceError(f"a pool of words from {source}", *fault.args) from None
    if rows is None:
        return _count(parse_sequence(data, str(path), unit=unit))
    try:
        return _collect(rows, str(source))
    except Fault as fault:
        raise SequenceError(f"a pool of words from {source}", *fault.args) from None


def is_pool(source: str | Path) -> bool:
    """Whether a file holds words with sizes, without order and times. Raises SequenceError."""
    path = _find(source)
    try:
        return _read_sized(read_bytes(path), path.name) is not None
    except Fault as fault:
        raise SequenceError(f"words from {source}", *fault.args) from None


def _find(source: str | Path) -> Path:
    is_shipped = source in (*SHIPPED, *SHIPPED_POOLS)
    return find_shipped(source) if is_shipped else Path(source).expanduser()


@dataclass(frozen=True, slots=True)
class _Row:
    text: str
    size: int
    vector: np.ndarray | None = None


def _read_sized(data: bytes, name: str) -> list[_Row] | None:
    """The rows of a pool with sizes; None for any other file."""
    suffix = suffix_of(name)
    if suffix in (".csv", ".tsv", ".tab"):
        return _rows_of_table(decode(data))
    text = decode(data) if suffix in (".json", "") else ""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    value = json_files.load(text)
    if not isinstance(value, json_files.Object):
        return _rows(value) if isinstance(value, list) and _is_sized(value) else None
    value.check("the file's outer object")
    if isinstance(value.get("pool"), list):
        return _rows(value["pool"])
    if value and all(type(size) in (int, float) for size in value.values()):
        return _rows([{"word": word, "size": size} for word, size in value.items()])
    return None


def _rows(entries: Sequence[object]) -> list[_Row]:
    return [_row(entry, f"entry {number}") for number, entry in enumerate(entries, start=1)]


def _is_sized(entries: Sequence[object]) -> bool:
    keys = {key for entry in entries if isinstance(entry, dict) for key in entry}
    return bool(keys & {"size", "embedding"})


def _rows_of_table(text: str) -> list[_Row] | None:
    header, rows = tables.read_rows(text)
    size, start = tables.find_column(header, tables.SIZE), tables.find_column(header, tables.START)
    if size is None or start is not None:
        return None
    word = header.index(tables.find_column(header, tables.WORD) or "")
    sizes = (
        tables.read_size(row[header.index(size)], f"row {n}: {size}", 0)
        for n, row in enumerate(rows, 1)
    )
    return [_Row(row[word], number) for row, number in zip(rows, sizes, strict=True) if row[word]]


def _row(entry: Any, place: str) -> _Row:
    if isinstance(entry, str):
        return _Row(entry, 1)
    if not isinstance(entry, dict):
        raise Fault(f"{place} is {entry!r:.40}", 'give {"word": "sea", "font_size": 3}')
    if isinstance(entry, json_files.Object):
        entry.check(place)
    for key in entry.keys() - set(ENTRY):
        hint = f"write {closest_key(key, ENTRY) or 'one of ' + ', '.join(ENTRY)}"
        raise Fault(f"{place}: the key {quote_keys([key], ENTRY)}", hint)
    text = check_text(entry.get("word"), place)
    if not text.strip():
        raise Fault(f"{place}: an empty word", "remove the entry or give it a word")
    size = entry.get("font_size", entry.get("size"))
    size = 1 if size is None else json_files.whole(size, f"{place}: size", 0, LARGEST_SIZE)
    vector = entry.get("embedding")
    return _Row(text, size, None if vector is None else to_vector(vector, text))


def _collect(rows: Iterable[_Row], name: str) -> Pool:
    """One entry for each word; a pool may list its copies one by one."""
    words: dict[str, _Row] = {}
    for row in rows:
        before = words.setdefault(row.text, row)
        if before.size != row.size:
            actual = f"the word {row.text!r} with the sizes {before.size} and {row.size}"
            raise Fault(actual, "give each word one size")
    if zeros := [text for text, row in words.items() if row.size == 0]:
        warnings.warn(f"{name}: size 0, left out: {_list(zeros)}", FlopslabWarning, stacklevel=3)
    rows = [row for row in words.values() if row.size]
    if not rows:
        raise Fault("no words", "give at least one word with a size from 1 to 7")
    pool = Pool(tuple(row.text for row in rows), tuple(row.size for row in rows))
    vectors = {row.text: row.vector for row in rows if row.vector is not None}
    return pool.select(vectors) if vectors else pool


def _count(words: Sequence[Any]) -> Pool:
    """A pool of the words of a sequence: its sizes, or how often each word occurs."""
    counts = Counter(word.text for word in words)
    if any(word.size > 1 for word in words):
        counts = Counter({word.text: word.size for word in words})
    return Pool(tuple(counts), tuple(min(count, LARGEST_SIZE) for count in counts.values()))


def _list(texts: Sequence[str]) -> str:
    rest = f" and {len(texts) - 10} more" if len(texts) > 10 else ""
    return ", ".join(texts[:10]) + rest
