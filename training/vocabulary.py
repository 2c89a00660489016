"""What words mean to the painter: the table in `vocabulary.txt`, and the rule for other words."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

import numpy as np

from training.palettes import PALETTES, Colour, Palette

TEXTURES = ("smooth", "paper", "brushed", "misty")
LIGHTS = ("day", "low", "glow", "night", "backlit")
UNKNOWN = "unknown"  # the word of the table that stands for words which resemble none
_LIKENESS = 0.4  # the least that a word must share with the word of the table that it means


@dataclass(frozen=True)
class Meaning:
    """How a word is painted: what stands in the picture, in which colours, texture and light.

    `energy` in [0, 1] is how wild it is, `place` (one of `pen.PLACES`) where it tends to stand.
    """

    motif: str
    palette: Palette
    texture: str
    light: str
    energy: float
    place: str


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _shade(palette: Palette, word: str) -> Palette:
    """The palette a little brighter or darker, warmer or cooler: each word has its own shade."""
    warmth, light = (byte / 255 - 0.5 for byte in _digest(word)[:2])

    def shift(colour: Colour) -> Colour:
        change = (14 * light + 16 * warmth, 14 * light, 14 * light - 16 * warmth)
        red, green, blue = (
            min(255, max(0, round(c + d))) for c, d in zip(colour, change, strict=True)
        )
        return red, green, blue

    return Palette(*map(shift, palette))


@cache
def vocabulary() -> Mapping[str, Meaning]:
    """Every word of the table with its meaning, in the order of the table."""
    table = {}
    for line in files("training").joinpath("vocabulary.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            motif, palette, texture, light, energy, place, *words = line.split()
            for word in words:
                shade = _shade(PALETTES[palette], word)
                table[word] = Meaning(motif, shade, texture, light, float(energy), place)
    return table


def _pieces(word: str) -> frozenset[str]:
    """The runs of two and three letters in a word, its start and end marked."""
    marked = f"<{word}>"
    return frozenset(marked[i : i + n] for n in (2, 3) for i in range(len(marked) - n + 1))


@cache
def _index() -> tuple[Mapping[str, np.ndarray], np.ndarray]:
    """The numbers of the words that have each run of letters, and how many runs each word has."""
    pieces = [_pieces(word) for word in vocabulary()]
    words = defaultdict(list)
    for number, runs in enumerate(pieces):
        for run in runs:
            words[run].append(number)
    return {run: np.array(numbers) for run, numbers in words.items()}, np.array(
        [len(runs) for runs in pieces]
    )


@lru_cache(maxsize=100_000)
def nearest(word: str) -> str:
    """The word of the table that a word means: itself, or the one spelled most like it.

    Likeness is the Jaccard index of the runs of two and three letters; case does not count. A
    word that is not at least `_LIKENESS` like any other is `UNKNOWN`: its picture says so.
    """
    word = word.lower().strip()
    if word in vocabulary():
        return word
    runs = _pieces(word)
    words, sizes = _index()
    shared = np.zeros(len(sizes))
    for run in runs & words.keys():
        shared[words[run]] += 1
    likeness = shared / (len(runs) + sizes - shared)
    best = int(likeness.argmax())
    return list(vocabulary())[best] if likeness[best] >= _LIKENESS else UNKNOWN


def meaning(word: str) -> Meaning:
    """How the painter paints a word, known or not."""
    return vocabulary()[nearest(word)]
