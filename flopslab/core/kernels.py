"""How much each neighbour counts, by its distance. Pure: offsets in, weights out."""

from collections.abc import Callable, Sequence

import numpy as np


def flat(distance: np.ndarray) -> np.ndarray:
    """The same for all."""
    return np.ones_like(distance)


def triangle(distance: np.ndarray) -> np.ndarray:
    """Falls linearly, to 0 just beyond the farthest."""
    return distance.max() + 1 - distance


def gaussian(distance: np.ndarray) -> np.ndarray:
    """A bell, two standard deviations from the centre to just beyond the farthest."""
    deviation = (distance.max() + 1) / 2
    return np.exp(-((distance / deviation) ** 2) / 2)


KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "flat": flat,
    "triangle": triangle,
    "gaussian": gaussian,
}


def weights(
    kernel: str | Sequence[float], offsets: Sequence[int], interval: int = 1
) -> tuple[float, ...]:
    """The share of each neighbour in one whole, in order.

    `kernel`: one of `KERNELS`, or weights of one's own from the centre outwards, 0 beyond their
    end. `offsets` are positions; frames stand `interval` positions apart.
    """
    if not offsets:
        return ()
    distance = np.abs(np.asarray(offsets, dtype=float)) / interval  # in frames
    if isinstance(kernel, str):
        raw = KERNELS[kernel](distance)
    else:
        raw = np.array([kernel[d] if d < len(kernel) else 0.0 for d in distance.astype(int)])
    raw = raw if raw.any() else flat(distance)
    return tuple((raw / raw.sum()).round(9).tolist())  # rounded: the same on every machine
