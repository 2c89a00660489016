"""Which words and which frames a frame sees: arithmetic on positions, which count from 1."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from flopslab.core.study import Study


class FrameKey(NamedTuple):
    """One frame of a run: its pass (from 1), then the position of its centre word (from 1)."""

    pass_number: int
    position: int


@dataclass(frozen=True)
class Windowing:
    """The windows of a study in a sequence of `length` words."""

    study: Study
    length: int

    @cached_property
    def positions(self) -> range:
        """The positions that get a frame: 1, 1 + K, 1 + 2K, ...; the first `limit` of them."""
        everywhere = range(1, self.length + 1, self.study.frame_interval)
        return everywhere[: self.study.limit] if self.study.limit else everywhere

    @property
    def word_radius(self) -> int:
        """How many words on either side of its own a frame's prompt has."""
        return self.study.context_diameter // 2

    @property
    def image_reach(self) -> int:
        """How many positions away a refinement pass still sees frames of the pass before it."""
        return self.word_radius * self.study.image_context_multiplier

    def reach(self, pass_number: int) -> int:
        """r + (k - 1) R: how far a word can reach in pass k, in the interior, in positions."""
        return self.word_radius + (pass_number - 1) * self.image_reach

    def words(self, position: int) -> range:
        """The positions of the words that make a frame's prompt, `position` among them.

        In the interior these are `word_radius` words on either side. At an edge the window is
        moved inward and keeps its size (boundary `shift`) or is cut (`clamp`).
        """
        radius = self.word_radius
        first, last = position - radius, position + radius
        if self.study.boundary == "shift":
            first = max(1, min(first, self.length - 2 * radius))
            last = first + 2 * radius
        return range(max(1, first), min(last, self.length) + 1)

    def images(self, position: int) -> range:
        """The positions of the frames that a refined frame looks at, cut at the edges."""
        return self._frames_between(position - self.image_reach, position + self.image_reach)

    def cone(self, key: FrameKey) -> frozenset[int]:
        """The positions of all words that can have influenced this frame, without a control.

        A word outside the cone cannot change the frame: not by one bit. If every position has a
        frame, the cone spans `reach(pass_number)` positions on either side in the interior.
        """
        ancestors = range(key.position, key.position + 1)
        for _ in range(key.pass_number - 1):  # windows of neighbours overlap: one run of frames
            first, last = ancestors[0] - self.image_reach, ancestors[-1] + self.image_reach
            ancestors = self._frames_between(first, last) or ancestors
        return frozenset().union(*(self.words(p) for p in {key.position, *ancestors}))

    def _frames_between(self, first: int, last: int) -> range:
        frames = self.positions
        return frames[bisect_left(frames, first) : bisect_right(frames, last)]
