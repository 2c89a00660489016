"""What a model keeps of the pictures that a refinement starts from, as measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Curve:
    """A measured quantity at rising places: its mean, and a 95 % interval around each."""

    places: tuple[float, ...]
    means: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def at(self, place: float) -> float:
        """The quantity at a place, interpolated in straight lines; beyond the ends it stays."""
        return float(np.interp(place, self.places, self.means))

    def place_of(self, value: float) -> float:
        """The place at which a falling quantity has a value, as near as the curve comes to it."""
        falling = np.minimum.accumulate(self.means)
        return float(np.interp(-value, -falling, self.places))

    def rise(self) -> tuple[float, float] | None:
        """Two places between which the quantity rises by more than its intervals; None: nowhere."""
        pairs = zip(self.places, self.low, self.high, strict=True)
        lowest, ceiling = self.places[0], float("inf")
        for place, low, high in pairs:
            if low > ceiling:
                return lowest, place
            if high < ceiling:
                lowest, ceiling = place, high
        return None


@dataclass(frozen=True)
class Calibration:
    """The measurements of one model with its settings; `key` is their digest.

    `kept`: the share in [0, 1] of what a refinement starts from that survives it, by
    `denoising_strength` in (0, 1], with a prompt. `kept_without_words`: the same with an empty
    prompt and no guidance. `likeness`: the correlation of the pictures of two first-pass frames,
    by the share of their prompts' words that is common to both, in [0, 1]. `conditions`: what the
    key is the digest of, JSON-ready.
    """

    key: str
    kept: Curve
    kept_without_words: Curve
    likeness: Curve
    conditions: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def strength_for(self, image_weight: float) -> float:
        """The `denoising_strength` at which this share of a start survives."""
        return self.kept.place_of(image_weight)

    @property
    def problem(self) -> str:
        """Why the model's shares cannot be told apart by strength; empty if they can."""
        if rise := self.kept.rise():
            values = " to ".join(f"{self.kept.at(place):.2f} at {place:g}" for place in rise)
            return f"what survives of a start does not fall with denoising_strength: {values}"
        ends = zip(self.kept.means, self.kept.places, strict=True)
        (most, smallest), *_, (least, largest), _ = ends
        if self.kept.low[0] <= self.kept.high[-2]:
            return (
                f"what survives of a start hardly depends on denoising_strength: {most:.2f} at "
                f"{smallest:g}, {least:.2f} at {largest:g}"
            )
        return ""
