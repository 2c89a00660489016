"""The neighbours of a refined frame: whose pictures it is shown, and how much each one counts.

A control is refinement that is wrong on purpose, so that a measure can tell meaning from collapse:

    shuffled   each neighbour is a frame from elsewhere, drawn anew for every frame
    constant   each neighbour is the first frame of the sequence
    no_images  no neighbour: every pass starts from noise and words
    no_text    no words after the first pass: pictures alone carry what a frame shows

The frame's own predecessor stays in its place. A control acts on the inputs themselves, so that the
key of a frame tells which ones it really had.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import get_args

import numpy as np

from flopslab.core.study import Control, WeightShape
from flopslab.words.sequence import Word

CONTROLS: tuple[str, ...] = tuple(name for name in get_args(Control) if name != "none")


def flat(distance: np.ndarray) -> np.ndarray:
    """The same weight for all."""
    return np.ones_like(distance)


def triangle(distance: np.ndarray) -> np.ndarray:
    """A linear decrease, to 0 just beyond the farthest."""
    return distance.max() + 1 - distance


def gaussian(distance: np.ndarray) -> np.ndarray:
    """A bell, two standard deviations from the centre to just beyond the farthest."""
    deviation = (distance.max() + 1) / 2
    return np.exp(-((distance / deviation) ** 2) / 2)


WEIGHT_SHAPES: dict[WeightShape, Callable[[np.ndarray], np.ndarray]] = {
    "flat": flat,
    "triangle": triangle,
    "gaussian": gaussian,
}


def weights_by_distance(
    shape: WeightShape | Sequence[float], offsets: Sequence[int], interval: int = 1
) -> tuple[float, ...]:
    """The share of each neighbour in a sum of 1, in order.

    `shape`: one of `WEIGHT_SHAPES`, or a list of weights from the centre outwards, 0 beyond its
    end. `offsets` are in positions; frames stand `interval` positions apart.
    """
    if not offsets:
        return ()
    distance = np.abs(np.asarray(offsets, dtype=float)) / interval  # in frames
    if isinstance(shape, str):
        raw = WEIGHT_SHAPES[shape](distance)
    else:
        raw = np.array([shape[d] if d < len(shape) else 0.0 for d in distance.astype(int)])
    raw = raw if raw.any() else flat(distance)
    return tuple((raw / raw.sum()).round(9).tolist())  # rounded: the same on every machine


def visible_positions(control: Control, window: range) -> range:
    """The positions of an image window that a frame looks at under a control."""
    return range(0) if control == "no_images" else window


def substitutes(
    control: Control, position: int, window: Sequence[int], frames: range, seed: int
) -> tuple[int, ...]:
    """Whose frames are shown in the places of `window` under a control; empty: its own.

    `frames`: the positions of all frames. `seed`: the run's.
    """
    if control == "shuffled":
        pairs = zip(window, random_frames(position, len(window), frames, seed), strict=True)
        return tuple(p if p == position else substitute for p, substitute in pairs)
    if control == "constant":
        return tuple(p if p == position else frames[0] for p in window)
    return ()


def audible_words(control: Control, words: Sequence[Word], pass_number: int) -> Sequence[Word]:
    """The words of a frame's prompt under a control; those that are not heard are silent."""
    if control == "no_text" and pass_number > 1:
        return [replace(word, silent=True) for word in words]
    return words


def random_frames(position: int, count: int, frames: range, seed: int) -> tuple[int, ...]:
    """`count` different frames, drawn for a position; the same for one seed on every machine.

    Each frame has a draw of its own: with one permutation for all, a whole neighbourhood would be
    shown the same strangers, and that would be measured as propagation. It costs no more than the
    count: the first steps of a Fisher-Yates shuffle (Knuth, The Art of Computer Programming, vol.
    2, algorithm P), of which only the places that changed are written down.
    """
    places: dict[int, int] = {}  # what stands where in the shuffled list of frames, if moved
    draw = []
    for step in range(count):
        digest = hashlib.sha256(f"shuffled/{seed}/{position}/{step}".encode()).digest()
        place = step + int.from_bytes(digest[:16], "big") % (len(frames) - step)
        draw.append(frames[places.get(place, place)])
        places[place] = places.get(step, step)
    return tuple(draw)
