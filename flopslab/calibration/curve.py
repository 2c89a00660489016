"""What a model keeps of the pictures that a refinement starts from, as measured."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Calibration:
    """The measurements of one model with its settings; `key` is their digest.

    `kept`: the share in [0, 1] of what a refinement starts from that survives it, by
    `denoising_strength` in (0, 1], with a prompt. `kept_without_words`: the same with an empty
    prompt and no guidance. `likeness`: the correlation of the pictures of two first-pass frames,
    by the share of their prompts' words that is common to both, in [0, 1].
    """

    key: str
    kept: Curve
    kept_without_words: Curve
    likeness: Curve

    def strength_for(self, image_weight: float) -> float:
        """The `denoising_strength` at which this share of a start survives."""
        return self.kept.place_of(image_weight)
