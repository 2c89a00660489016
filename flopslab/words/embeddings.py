"""Embeddings of words from a user's file: JSON, .npz, or the text form of word2vec and GloVe."""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np

from flopslab.errors import SequenceError
from flopslab.words.cues import Fault, call_library
from flopslab.words.files import decode, open_regular, read_bytes

LARGEST = 2**30  # bytes of a file that is read as a whole
LONGEST_LINE = 2**20  # bytes of a line of word2vec's text form
VECTOR_KEYS = ("vector", "embedding")


def read_embeddings(path: str | Path, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """The vectors [d] of those of the texts that the file holds, in float64.

    JSON: {word: [numbers]} or {word: {"vector": [numbers]}}; .npz: an array for each word, or the
    arrays `words` [n] and `vectors` [n, d]; anything else: a word and its numbers in each line, as
    word2vec writes them. Raises SequenceError.
    """
    path = Path(path).expanduser()
    readers = {".json": _read_json, ".npz": _read_arrays}
    try:
        vectors = readers.get(path.suffix.lower(), _read_lines)(path, set(texts))
        check_vectors(vectors)
    except Fault as fault:
        raise SequenceError(f"word embeddings from {path}", *fault.args) from None
    return vectors


def check_vectors(vectors: Mapping[str, np.ndarray]) -> None:
    """Raises Fault unless all are of one length, finite and not zero."""
    hint = "give each word a vector of its own direction, all from one model"
    first = next(iter(vectors.items()), None)
    for text, vector in vectors.items():
        if first is not None and vector.shape != first[1].shape:
            sizes = f"{len(first[1])} and {len(vector)} numbers"
            raise Fault(f"{short(first[0])} and {short(text)} with {sizes}", hint)
        if not np.isfinite(vector).all():
            raise Fault(f"a vector with NaN or infinity: {short(text)}", hint)
        if not vector.any():
            raise Fault(f"a zero vector: {short(text)}", hint)


def _read_json(path: Path, texts: set[str]) -> dict[str, np.ndarray]:
    text = decode(read_bytes(path, LARGEST))
    table = call_library(lambda: json.loads(text), "JSON")
    if not isinstance(table, dict):
        raise Fault("no object of words and vectors", 'write {"sea": [0.1, 0.2], ...}')
    return {word: to_vector(value, word) for word, value in table.items() if word in texts}


def to_vector(value: Any, word: str) -> np.ndarray:
    """A JSON list of numbers, or an object that holds one, as a vector [d]. Raises Fault."""
    if isinstance(value, dict):
        value = next((value[key] for key in VECTOR_KEYS if key in value), None)
    is_list = isinstance(value, list) and value
    if not is_list or not all(type(number) in (int, float) for number in value):
        raise Fault(f"{short(word)}: {short(value)}", "give a list of numbers")
    return _vector(value, word)


def _vector(numbers: Any, word: str) -> np.ndarray:
    try:
        vector = np.asarray(numbers, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        vector = np.empty(0)
    if vector.ndim != 1 or not len(vector):
        raise Fault(f"{short(word)}: no vector", "give each word a row of numbers")
    return vector


def _read_arrays(path: Path, texts: set[str]) -> dict[str, np.ndarray]:
    file = BytesIO(read_bytes(path, LARGEST))
    return call_library(lambda: _take_arrays(file, texts), "a NumPy archive")


def _take_arrays(file: BytesIO, texts: set[str]) -> dict[str, np.ndarray]:
    archive = np.load(file, allow_pickle=False)
    if {"words", "vectors"} <= set(archive.files):
        pairs = zip(archive["words"].tolist(), archive["vectors"], strict=True)
        return {word: _vector(vector, word) for word, vector in pairs if word in texts}
    return {word: _vector(archive[word], word) for word in archive.files if word in texts}


def _read_lines(path: Path, texts: set[str]) -> dict[str, np.ndarray]:
    """Line by line, since such a file may be larger than the memory."""
    targets = {text.encode(): text for text in texts}
    vectors: dict[str, np.ndarray] = {}
    with open_regular(path) as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            word, _, numbers = line.rstrip().partition(b" ")
            if word in targets and numbers.count(
                b" "
            ):  # the first line may count words and numbers
                vectors[targets[word]] = _parse_numbers(numbers, number)
    return vectors


def _parse_numbers(numbers: bytes, line: int) -> np.ndarray:
    try:
        return np.array([float(part) for part in numbers.split()])
    except ValueError:
        hint = "give a word and its numbers in each line, with spaces between"
        raise Fault(f"line {line}: {short(numbers.decode('utf-8', 'replace'))}", hint) from None
