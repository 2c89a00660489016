"""The flopsopoly: a pool's words, each as often as its size, ordered so that each next word is the
one farthest from the running centroid of those before it.
"""

import re
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from flopslab.errors import ParameterError, SequenceError
from flopslab.words.pool import Pool
from flopslab.words.word import TimedSequence, Word

SPOKEN_MS, LETTER_MS = 180, 70  # an estimate of how long a word is spoken: a + b letters
GAP_MS = 500


def build(
    pool: Pool,
    *,
    gap_ms: int | tuple[int, int] = GAP_MS,
    first_word: str = "",
    no_repeat: bool = True,
    centre: bool = False,
    advance: Callable[[int], object] = lambda count: None,
) -> TimedSequence:
    """The words of the pool in order, with estimated times.

    The pool needs vectors. `gap_ms`: milliseconds between two words; a pair (alike, far): by their
    cosine distance. `first_word`: "" begins with the first of the pool. `no_repeat`: never the
    same word twice in a row, if the pool allows it. `centre`: by vectors from which the mean of the
    pool is subtracted; texts of one model have much in common, and without it the copies of a word
    stand close together. `advance` is called with 1 for each word placed. Raises SequenceError,
    ParameterError.
    """
    if pool.vectors is None:
        hint = "give the pool embeddings: Pool.embed or Pool.select"
        raise SequenceError("an embedding for each word of the pool", "none", hint)
    first = _find_first(pool, first_word)
    vectors = pool.vectors - pool.vectors.mean(axis=0) if centre else pool.vectors
    indices = order(pool.sizes, vectors, no_repeat=no_repeat, first=first, advance=advance)
    units = pool.vectors / np.linalg.norm(pool.vectors, axis=1, keepdims=True)
    gaps = [_gap(units[a], units[b], gap_ms) for a, b in pairwise(indices)]
    words = _time([pool.texts[i] for i in indices], [pool.sizes[i] for i in indices], gaps)
    fixed = gap_ms if isinstance(gap_ms, int) else None
    return TimedSequence(words, words[-1].end_ms, fixed)


def order(
    sizes: Sequence[int],
    vectors: np.ndarray,
    *,
    no_repeat: bool = True,
    first: int = 0,
    advance: Callable[[int], object] = lambda count: None,
) -> list[int]:
    """The indices of the words, each as often as its size, in the order of the flopsopoly.

    `vectors` [words, d]. The next word has the largest 1 - cos(centroid, e), where the centroid is
    the mean of the raw embeddings placed so far. Only the direction of the centroid matters, so
    that is the smallest product of their sum with the unit vector of e; of equal ones the first.
    """
    rows, row_of = np.unique(np.asarray(vectors, dtype=np.float64), axis=0, return_inverse=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)  # 0 of a word at the centre of its pool
    units, row_of = rows / np.maximum(lengths, 1e-300), row_of.reshape(-1)
    left, total, indices = np.array(sizes), np.zeros(rows.shape[1]), [first]
    advance(1)
    for _ in range(sum(sizes) - 1):
        total += vectors[indices[-1]]
        left[indices[-1]] -= 1
        if 2 * np.count_nonzero(left) <= len(units):
            units, row_of = _drop_empty(units, row_of, left)
        last = indices[-1] if no_repeat else None
        indices.append(_choose(units @ total, row_of, left, last))
        advance(1)
    return indices


def _drop_empty(
    units: np.ndarray, row_of: np.ndarray, left: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of words that are left, and for each word the index of its row (any if none)."""
    rows = np.unique(row_of[left > 0])
    return units[rows], np.searchsorted(rows, row_of).clip(max=len(rows) - 1)


def _choose(scores: np.ndarray, row_of: np.ndarray, left: np.ndarray, last: int | None) -> int:
    """The word with the lowest score of its row, the first of equal ones.

    Not `last` if another is left; and a word that makes up more than half of what is left comes
    at once, for later it would have to follow itself.
    """
    if last is None:
        return int(np.argmin(np.where(left > 0, scores[row_of], np.inf)))
    most = int(np.argmax(left))
    if most != last and 2 * left[most] > left.sum():
        return most
    allowed = left > 0
    allowed[last] &= np.count_nonzero(left) == 1
    return int(np.argmin(np.where(allowed, scores[row_of], np.inf)))


def parse_gap(text: str) -> int | tuple[int, int]:
    """The `gap_ms` of `build` in a text: "500", or "200-800" for alike and far.

    Raises ParameterError.
    """
    match = re.fullmatch(r"\s*(\d{1,6})(?:\s*-\s*(\d{1,6}))?\s*", text)
    if not match:
        hint = "give 500, or 200-800 for gaps by the distance of two words"
        raise ParameterError("gap_ms: milliseconds, or two with a dash", repr(text), hint)
    low, high = match.groups()
    return int(low) if high is None else (int(low), int(high))


def _find_first(pool: Pool, word: str) -> int:
    if not word:
        return 0
    if word not in pool.texts:
        hint = f"give one of them, such as {pool.texts[0]}, or nothing"
        raise ParameterError("first_word: a word of the pool", repr(word), hint)
    return pool.texts.index(word)


def _gap(one: np.ndarray, two: np.ndarray, gap_ms: int | tuple[int, int]) -> int:
    """Milliseconds between two words with these unit vectors: min + (1 - cos) (max - min)."""
    if isinstance(gap_ms, int):
        return gap_ms
    distance = min(1.0, max(0.0, 1.0 - float(one @ two)))
    return round(gap_ms[0] + distance * (gap_ms[1] - gap_ms[0]))


def _time(texts: Sequence[str], sizes: Sequence[int], gaps: Sequence[int]) -> tuple[Word, ...]:
    """The words one after the other, each as long as its letters let one expect."""
    words: list[Word] = []
    counts: Counter[str] = Counter()
    start = 0
    for text, size, gap in zip(texts, sizes, [*gaps, 0], strict=True):
        counts[text] += 1
        end = start + SPOKEN_MS + LETTER_MS * len(text)
        words.append(Word(text, size, counts[text], start, end))
        start = end + gap
    return tuple(words)


@dataclass(frozen=True, slots=True)
class Evenness:
    """How evenly words return.

    `repeats`: pairs of equal neighbours. `spacing_cv`: the median, over the words that occur three
    times or more, of the standard deviation of the distances between their occurrences over the
    mean of these; 0 is a clock, None says that there is no such word. `spread`: the median, over
    the same words, of the mean distance over that of copies spread over the whole sequence (its
    length / their number); near 0 they stand in one heap. `half_way`: the share of the different
    words that the first half of the sequence has.
    """

    repeats: int
    spacing_cv: float | None
    spread: float | None
    half_way: float


def measure_evenness(texts: Sequence[str]) -> Evenness:
    """How evenly the words of a sequence return; at least one word."""
    distances = [row for row in find_returns(texts).values() if len(row) > 1]
    ratios = [statistics.pstdev(row) / statistics.mean(row) for row in distances]
    shares = [statistics.mean(row) * (len(row) + 1) / len(texts) for row in distances]
    return Evenness(
        repeats=sum(one == two for one, two in pairwise(texts)),
        spacing_cv=statistics.median(ratios) if ratios else None,
        spread=statistics.median(shares) if shares else None,
        half_way=len(set(texts[: (len(texts) + 1) // 2])) / len(set(texts)),
    )


def find_returns(texts: Sequence[str]) -> dict[str, list[int]]:
    """For each word of a sequence, how many positions lie from each occurrence to the next."""
    positions: dict[str, list[int]] = {}
    for position, text in enumerate(texts):
        positions.setdefault(text, []).append(position)
    return {text: [b - a for a, b in pairwise(places)] for text, places in positions.items()}
