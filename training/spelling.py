"""Words as people write them: inflected, misspelled, or outside every table."""

from collections import defaultdict
from functools import cache

import numpy as np

from training.vocabulary import vocabulary

ENDINGS = ("s", "ed", "ing", "er", "ly", "ness", "less", "ful", "y")
_LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


def respell(word: str, random: np.random.Generator) -> str:
    """The word inflected or with one letter wrong, or in its place a word that does not exist."""
    kind = random.random()
    if kind < 0.4:
        return word + str(random.choice(ENDINGS))
    if kind < 0.6:
        at = int(random.integers(len(word)))
        return word[:at] + _letter(random) + word[at + int(random.integers(2)) :]
    return invent(random)


def invent(random: np.random.Generator) -> str:
    """Three to nine letters: in two of three cases they follow each other as in English words."""
    length = int(random.integers(3, 10))
    if random.random() < 0.33:
        return "".join(_letter(random) for _ in range(length))
    letters = "<<"
    while len(letters) < length + 2:
        letters += str(random.choice(_followers().get(letters[-2:], list(_LETTERS))))
    return letters[2:]


def _letter(random: np.random.Generator) -> str:
    return str(random.choice(list(_LETTERS)))


@cache
def _followers() -> dict[str, list[str]]:
    """The letters that follow each pair of letters in the words of the table."""
    table = defaultdict(list)
    for word in vocabulary():
        marked = f"<<{word}"
        for i in range(len(word)):
            table[marked[i : i + 2]].append(marked[i + 2])
    return dict(table)
