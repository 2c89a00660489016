"""What the linear model predicts for changed words, in the form of what is measured."""

from collections.abc import Sequence

import numpy as np

from flopslab.calibration.curve import Calibration
from flopslab.core.study import Study
from flopslab.experiments.influence import Influence
from flopslab.prediction.mixture import Mixture
from flopslab.words.sequence import Word


def predict_influence(
    study: Study,
    words: Sequence[Word],
    centres: Sequence[int],
    calibration: Calibration | None = None,
) -> Influence:
    """The influence that the model gives changes at these positions: the shares of their words.

    Without a calibration a pass is taken to keep 1 - denoising_strength, see `Mixture`.
    """
    mixture = Mixture(study, words, calibration)
    columns = np.asarray(centres)
    values = mixture.influence()[:, :, columns - 1].transpose(2, 0, 1)
    frames = np.array(mixture.windowing.positions)
    return Influence(columns, frames, values, values > 0)
