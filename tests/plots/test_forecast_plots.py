"""The figure of a forecast."""

import pytest

from flopslab import plots
from flopslab.calibration.curve import Calibration, Curve
from flopslab.core.study import Study
from flopslab.prediction.forecast import plan


def curve(places, means) -> Curve:
    return Curve(places, means, means, means)


def test_a_forecast_shows_each_pass_its_limit_and_what_was_measured():
    kept = curve((0.1, 1.0), (0.7, 0.0))
    calibration = Calibration("simulated", kept, kept, curve((0.0, 1.0), (0.0, 0.6)))
    prediction = plan(Study(method="blend", passes=4, denoising_strength=0.4), calibration)
    figure = plots.forecast(prediction, {1: 0.4, 2: 0.5})
    coherence, reach, modes = figure.axes
    predicted, measured = (line.get_xydata() for line in coherence.lines)
    assert predicted[:, 1] == pytest.approx([item.coherence for item in prediction.passes])
    assert measured.tolist() == [[1, 0.4], [2, 0.5]]
    assert reach.lines[1].get_ydata()[0] == pytest.approx(prediction.reach_limit)
    assert len(modes.lines[0].get_xdata()) == len(prediction.eigenvalues)
    assert figure.alt == str(prediction)
