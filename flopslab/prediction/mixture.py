"""The linear model: a refined frame as a mixture of its words and its neighbours.

With the kept share rho of a pass, as it was measured at its strength, a frame is

    f(k) = (1 - rho) w(k) + rho G N f(k - 1),        f(1) = w(1)

where w(k) is what the words alone would give with the noise of pass k, N the neighbours' weights
and G the method's gain: `latent` restores the variance that a mean loses, the others have 1. So the
influence of words is

    I(1) = W,    I(k) = (1 - rho) W + rho G N I(k - 1)

Where pictures are looked at beside the words, with `image_weight` v, and a frame starts from its
own predecessor, both parts are (1 - rho) (1 - v) w and ((1 - rho) v N + rho) f. Corrections of
colour and detail are not part of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from flopslab.calibration.curve import Calibration
from flopslab.core.compositing import METHODS
from flopslab.core.study import Study
from flopslab.core.windows import Windowing
from flopslab.prediction import correlations, shares
from flopslab.words.sequence import Word


@dataclass(frozen=True)
class Mixture:
    """The linear model of a study's frames.

    Without a calibration the kept share is taken to be 1 - denoising_strength, which holds for no
    model that was measured; there is no gain then and no covariance. `first_pass` [frames, frames]:
    the correlations of the first pass's pictures, if they are there, in place of those that the
    calibration expects.
    """

    study: Study
    words: Sequence[Word]
    calibration: Calibration | None = None
    first_pass: np.ndarray | None = None

    @cached_property
    def windowing(self) -> Windowing:
        """The windows of the study in these words."""
        return Windowing(self.study, len(self.words))

    @cached_property
    def prompts(self) -> np.ndarray:
        """W [frames, words]."""
        return shares.prompt_shares(self.windowing, list(self.words))

    @cached_property
    def neighbours(self) -> np.ndarray:
        """N [frames, frames]."""
        return shares.neighbour_shares(self.windowing)

    def strength(self, pass_number: int) -> float:
        """The `denoising_strength` of a pass: the study's, or what its `image_weight` asks for."""
        study = self.study
        if pass_number == 1 or study.denoising_strength is not None or self.calibration is None:
            return study.strength(pass_number)
        if METHODS[study.method].weighs_images or study.image_weight == 0:
            return 1.0
        return self.calibration.strength_for(study.image_weight)

    def kept(self, pass_number: int) -> float:
        """rho: the share of what a frame of this pass starts from that survives in it."""
        strength = self.strength(pass_number)
        if strength >= 1:
            return 0.0
        if self.calibration is None:
            return 1 - strength
        silent = self.study.control == "no_text"
        curve = self.calibration.kept_without_words if silent else self.calibration.kept
        return min(max(curve.at(strength), 0.0), 1.0)

    def weights(self, pass_number: int) -> tuple[float, np.ndarray]:
        """The weight of fresh words, and B [frames, frames]: those of the pass before, no gain."""
        if self.study.control == "no_images":
            return 1.0, np.zeros_like(self.neighbours)
        kept, weight = self.kept(pass_number), self.study.image_weight
        if not METHODS[self.study.method].weighs_images:
            return 1 - kept, kept * self.neighbours
        own = kept * np.eye(len(self.neighbours))
        return (1 - kept) * (1 - weight), (1 - kept) * weight * self.neighbours + own

    def pictures(self, pass_number: int) -> float:
        """The share of a frame of this pass that comes from pictures; rho in most methods."""
        return 1 - self.weights(pass_number)[0] if pass_number > 1 else 0.0

    @cached_property
    def gains(self) -> list[np.ndarray]:
        """Of each pass [frames]: by how much the method enlarges what the neighbours share."""
        return [gain for gain, _ in self._history]

    @cached_property
    def covariances(self) -> list[np.ndarray]:
        """Of each pass [frames, frames]: of the pictures, those of one first-pass frame being 1.

        Only with a calibration.
        """
        return [covariance for _, covariance in self._history]

    def influence(self) -> np.ndarray:
        """I [passes, frames, words]: how much of a change of each word arrives in each frame."""
        prompts, influence = self.prompts, [self.prompts]
        audible = self.study.control != "no_text"
        for number in range(2, self.study.passes + 1):
            fresh, earlier = self.weights(number)
            gain = self.gains[number - 1][:, None] if self.calibration else 1.0
            influence.append(fresh * audible * prompts + gain * (earlier @ influence[-1]))
        return np.stack(influence)

    def coherence(self) -> list[float]:
        """Of each pass: `analysis.metrics.colour_coherence`; nan for fewer than three frames."""
        if len(self.windowing.positions) < 3:
            return [float("nan")] * self.study.passes
        return [correlations.lag(correlations.centred(item), 1) for item in self.covariances]

    @cached_property
    def _history(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The gain and the covariance of each pass."""
        field = correlations.Field(self._likeness, self._fixed)
        history = [(np.ones(len(field.covariance)), field.covariance)]
        for number in range(2, self.study.passes + 1):
            gain = self._gain(field.covariance)
            fresh, earlier = self.weights(number)
            if self.study.method == "grid":
                field = field.tile(fresh, self.kept(number), self._tiles)
            else:
                field = field.mix(fresh, gain[:, None] * earlier)
            history.append((gain, field.covariance))
        return history

    @property
    def _fixed(self) -> bool:
        return self.study.seed_policy == "fixed"

    @cached_property
    def _likeness(self) -> np.ndarray:
        """[frames, frames]: how alike two draws from the words of two frames are.

        Counted from that of frames without a common word: see `correlations.centred`.
        """
        assert self.calibration is not None, "a covariance needs a calibration"
        curve = self.calibration.likeness
        same, none = curve.at(1.0), curve.at(0.0)
        if self.first_pass is None:
            common = shares.common_shares(self.prompts, list(self.words))
            likeness = np.interp(common, curve.places, curve.means)
        else:
            likeness = self.first_pass.copy()
            np.fill_diagonal(likeness, same)
        return (likeness - none) / (1 - none)

    def _gain(self, covariance: np.ndarray) -> np.ndarray:
        """[frames]: the gain of the method on frames of this covariance."""
        if self.study.method != "latent":
            return np.ones(len(covariance))
        return correlations.variance_gain(self.neighbours, covariance)

    @cached_property
    def _tiles(self) -> list[list[int]]:
        """Of each frame: the rows of the frames in its grid, tile by tile."""
        return shares.neighbour_rows(self.windowing)
