"""Controls: refinement that is wrong on purpose, so that a measure can tell meaning from collapse.

    shuffled   each neighbour is a frame from elsewhere, by one permutation of all frames
    constant   each neighbour is the first frame of the sequence
    no_images  no frame is shown: every pass starts from noise and words
    no_text    no word is heard after the first pass: pictures alone carry what a frame knows

A frame's own predecessor stays in its place. What is changed are the inputs themselves, so that
the key of a frame tells which it really had.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from flopslab.sequence import Word

CONTROLS = ("shuffled", "constant", "no_images", "no_text")


def inputs(control: str, window: range) -> range:
    """The positions that a frame looks at, of those in its image window."""
    return range(0) if control == "no_images" else window


def stand_ins(
    control: str, position: int, inputs: Sequence[int], frames: range, seed: int
) -> tuple[int, ...]:
    """Whose frames are shown in the places of `inputs`; empty: their own."""
    if control == "shuffled":
        elsewhere = permutation(frames, seed)
        return tuple(p if p == position else elsewhere[p] for p in inputs)
    if control == "constant":
        return tuple(p if p == position else frames[0] for p in inputs)
    return ()


def heard(control: str, words: Sequence[Word], number: int) -> Sequence[Word]:
    """The words of a frame's prompt in pass `number`."""
    if control == "no_text" and number > 1:
        return [replace(word, silent=True) for word in words]
    return words


@lru_cache(8)
def permutation(frames: range, seed: int) -> dict[int, int]:
    """A random permutation of the frames, the same for one seed everywhere and always."""
    order = sorted(frames, key=lambda p: hashlib.sha256(f"shuffled/{seed}/{p}".encode()).digest())
    return dict(zip(frames, order, strict=True))
