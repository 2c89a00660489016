"""Which positions a frame reads: index arithmetic on 1-based positions, without any dependency."""

from bisect import bisect_left, bisect_right

from flopslab.errors import ParameterError

BOUNDARIES = ("shift", "clamp")


def positions(length: int, interval: int = 1, limit: int = 0) -> range:
    """The positions that get a frame: 1, 1 + interval, ... <= length; the first `limit` of them.

    A limit of 0 means all.
    """
    frames = range(1, length + 1, interval)
    return frames[:limit] if limit else frames


def word_window(position: int, length: int, diameter: int, boundary: str = "shift") -> range:
    """The positions of the words that make a frame's prompt, `position` among them.

    In the interior these are `diameter // 2` words on either side. At an edge the window is moved
    inward and keeps its size (`shift`) or is cut (`clamp`); it never leaves 1..length.
    """
    if boundary not in BOUNDARIES:
        raise ParameterError(
            "a word window", f"boundary = {boundary!r}", f"use one of {', '.join(BOUNDARIES)}"
        )
    radius = diameter // 2
    first, last = position - radius, position + radius
    if boundary == "shift":
        first = max(1, min(first, length - 2 * radius))
        last = first + 2 * radius
    return range(max(1, first), min(last, length) + 1)


def image_reach(diameter: int, multiplier: int) -> int:
    """How many positions away a refinement pass still sees frames of the pass before it."""
    return diameter // 2 * multiplier


def image_window(position: int, frames: range, reach: int) -> range:
    """Those of `frames` that lie at most `reach` positions from `position`, cut at the edges."""
    return _between(frames, position - reach, position + reach)


def cone(
    position: int,
    number: int,
    length: int,
    frames: range,
    diameter: int,
    multiplier: int,
    boundary: str = "shift",
) -> frozenset[int]:
    """The positions of all words that can have influenced this frame of pass `number` (from 1).

    A word outside the cone cannot change the frame: not by one bit. In the interior the cone
    reaches `r + (number - 1) * R` to either side (word radius r, image reach R) if every position
    has a frame.
    """
    reach = image_reach(diameter, multiplier)
    ancestors = range(position, position + 1)
    for _ in range(number - 1):  # windows of neighbouring frames overlap: always one run of frames
        ancestors = _between(frames, ancestors[0] - reach, ancestors[-1] + reach) or ancestors
    readers = {position, *ancestors}
    return frozenset().union(*(word_window(p, length, diameter, boundary) for p in readers))


def _between(frames: range, first: int, last: int) -> range:
    return frames[bisect_left(frames, first) : bisect_right(frames, last)]
