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

    Without a calibration a pass is taken to keep 1 - denoising_strength, see `Mixture`. What the
    changes reach does not depend on how much is kept.
    """
    columns = np.asarray(centres)
    cone = Mixture(study, words)
    mixture = Mixture(study, words, calibration)
    reached, values = (
        model.influence()[:, :, columns - 1].transpose(2, 0, 1) for model in (cone, mixture)
    )
    return Influence(columns, np.array(cone.windowing.positions), values, reached > 0)
