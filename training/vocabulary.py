"""What words mean to the painter: the table in `vocabulary.txt`, and what decides for others."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from training.palettes import PALETTES, Colour, Palette

TEXTURES = ("smooth", "paper", "brushed", "misty")
LIGHTS = ("day", "low", "glow", "night", "backlit")


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
        return tuple(min(255, max(0, round(c + d))) for c, d in zip(colour, change, strict=True))

    return Palette(*map(shift, palette))


@cache
def vocabulary() -> Mapping[str, Meaning]:
    """Every word of the table with its meaning, in the order of the table."""
    table = {}
    for line in files(__package__).joinpath("vocabulary.txt").read_text("utf-8").splitlines():
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
def _known_pieces() -> Mapping[str, frozenset[str]]:
    return {word: _pieces(word) for word in vocabulary()}


def nearest(word: str) -> str:
    """The word of the table spelled most like this one (Jaccard index of its letter runs).

    Case does not count. Where nothing is shared, the digest of the word decides: any word
    has a meaning, and always the same one.
    """
    word = word.lower().strip()
    if word in vocabulary():
        return word
    wanted = _pieces(word)
    tie = _digest(word)[0]

    def likeness(known: str) -> tuple[float, int]:
        pieces = _known_pieces()[known]
        return len(wanted & pieces) / len(wanted | pieces), _digest(known)[0] ^ tie

    return max(vocabulary(), key=likeness)


def meaning(word: str) -> Meaning:
    """How the painter paints a word, known or not."""
    return vocabulary()[nearest(word)]
