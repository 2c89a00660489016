"""Closed forms of I(k) = (1 - rho) W + rho N I(k - 1), a random walk with restart.

Each hop to a neighbour happens with the kept share rho, so that a word travels j hops with
probability (1 - rho) rho^j (Tong, Faloutsos and Pan, "Fast random walk with restart and its
applications", 2006).
"""

import math

import numpy as np


def rest(kept: float, passes: int) -> float:
    """rho^(k - 1): the share of a frame in which a further pass can still change the words."""
    return kept ** (passes - 1)


def passes_within(kept: float, share: float) -> int | None:
    """The first number of passes whose `rest` is at most `share` in (0, 1); None if none is."""
    if kept <= 0:
        return 1
    return None if kept >= 1 else 1 + math.ceil(math.log(share) / math.log(kept) - 1e-9)


def expected_hops(kept: float, passes: int | None = None) -> float:
    """rho (1 - rho^(k - 1)) / (1 - rho): the mean number of hops; in the limit for None."""
    if kept >= 1:
        return math.inf if passes is None else passes - 1
    return kept * (1 - (rest(kept, passes) if passes else 0.0)) / (1 - kept)


def reach(word_variance: float, step_variance: float, hops: float) -> float:
    """The root mean square distance, in positions, from a frame to the words in it.

    Hops are independent, so variances add: var(W) + hops var(N); in the limit the hops are
    rho / (1 - rho).
    """
    return math.sqrt(word_variance + (step_variance * hops if step_variance else 0.0))


def eigenvalues(neighbours: np.ndarray) -> np.ndarray:
    """The eigenvalues of N, the largest first; the first is 1. Their real parts under a control."""
    return np.sort(np.linalg.eigvals(neighbours).real)[::-1]


def survival(kept: float, values: np.ndarray) -> np.ndarray:
    """(1 - rho) / (1 - rho lambda): what the limit keeps of each mode of differences.

    Smooth modes, lambda near 1, stay; rough ones, lambda near 0, fall to 1 - rho.
    """
    return (1 - kept) / (1 - kept * values) if kept < 1 else (values >= 1 - 1e-12).astype(float)
