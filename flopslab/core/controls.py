"""Controls: refinement that is wrong on purpose, so that a measure can tell meaning from collapse.

    shuffled   each neighbour is a frame from elsewhere, drawn anew for every frame
    constant   each neighbour is the first frame of the sequence
    no_images  no frame is shown: every pass starts from noise and words
    no_text    no word is heard after the first pass: pictures alone carry what a frame knows

A frame's own predecessor stays in its place. What is changed are the inputs themselves, so that
the key of a frame tells which it really had.
"""

import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from flopslab.words.sequence import Word

CONTROLS = ("shuffled", "constant", "no_images", "no_text")


def inputs(control: str, window: range) -> range:
    """The positions that a frame looks at, of those in its image window."""
    return range(0) if control == "no_images" else window


def stand_ins(
    control: str, position: int, inputs: Sequence[int], frames: range, seed: int
) -> tuple[int, ...]:
    """Whose frames are shown in the places of `inputs`; empty: their own."""
    if control == "shuffled":
        drawn = zip(inputs, elsewhere(position, len(inputs), frames, seed), strict=True)
        return tuple(p if p == position else other for p, other in drawn)
    if control == "constant":
        return tuple(p if p == position else frames[0] for p in inputs)
    return ()


def heard(control: str, words: Sequence[Word], number: int) -> Sequence[Word]:
    """The words of a frame's prompt in pass `number`."""
    if control == "no_text" and number > 1:
        return [replace(word, silent=True) for word in words]
    return words


@lru_cache(4096)
def elsewhere(position: int, count: int, frames: range, seed: int) -> tuple[int, ...]:
    """So many different frames, drawn for a position; the same for one seed, everywhere and always.

    A draw for each frame: with one permutation of all, what happens to stand near would be shown to
    a whole neighbourhood, and measured as if it had travelled.
    """

    def rank(other: int) -> bytes:
        return hashlib.sha256(f"shuffled/{seed}/{position}/{other}".encode()).digest()

    return tuple(heapq.nsmallest(count, frames, key=rank))
