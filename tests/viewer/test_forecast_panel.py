"""The forecast of other settings in the explorer: sliders in, curves out."""

import time

import numpy as np
import pytest

from flopslab.calibration.curve import Calibration, Curve
from flopslab.core.study import Study
from flopslab.viewer.explorer import Explorer
from flopslab.viewer.forecast import section
from flopslab.viewer.forecast.chart import Chart
from flopslab.viewer.forecast.panel import ForecastPanel


def curve(places, means) -> Curve:
    return Curve(places, means, means, means)


CALIBRATION = Calibration(
    "simulated",
    kept=curve((0.1, 0.5, 1.0), (0.7, 0.2, 0.0)),
    kept_without_words=curve((0.1, 1.0), (0.9, 0.5)),
    likeness=curve((0.0, 1.0), (0.0, 0.6)),
)


def alike(correlation: float) -> np.ndarray:
    """Of 24 frames, each like the next one."""
    distance = np.abs(np.subtract.outer(np.arange(24), np.arange(24)))
    return correlation**distance


@pytest.fixture
def panel():
    study = Study(method="latent", passes=2, denoising_strength=0.5, limit=24)
    words = study.read_words().words
    panel = ForecastPanel(study, words, CALIBRATION, {1: alike(0.4), 2: alike(0.5)})
    yield panel
    panel.close()


def test_it_begins_with_the_settings_of_the_run(panel):
    assert panel.study.denoising_strength == pytest.approx(0.5)
    assert panel.image_weight.value == pytest.approx(0.2)
    assert "d = 0.50, 2 passes are within 20 % of the limit" in panel.chart.value


def test_every_control_draws_anew(panel):
    changes = {
        "image_weight": 0.5, "context_diameter": 4, "multiplier": 3, "passes": 5, "method": "grid"
    }  # fmt: skip
    for name, value in changes.items():
        before = panel.chart.value
        getattr(panel, name).value = value
        assert panel.chart.value != before
    assert "5 passes are within 6 % of the limit" in panel.chart.value
    assert "a tile is too small to carry a motif" in panel.chart.value


def test_what_the_run_measured_is_drawn_in(panel):
    assert panel.chart.value.count("<rect") == 2


def test_a_forecast_begins_with_the_first_pass_of_the_run_while_it_is_the_same(panel):
    assert "coherence of neighbours by pass: 1: 0.3" in panel.chart.value  # 0.4, from their mean
    panel.context_diameter.value = 4
    assert "coherence of neighbours by pass: 1: 0.3" not in panel.chart.value


def test_a_redraw_takes_less_than_a_tenth_of_a_second(panel):
    start = time.process_time()
    for weight in (0.3, 0.5, 0.7):
        panel.image_weight.value = weight
    assert (time.process_time() - start) / 3 < 0.1


def test_a_weight_of_zero_is_words_alone(panel):
    panel.image_weight.value = 0
    assert panel.study.denoising_strength == 1
    assert "0.5 % of the limit" in panel.chart.value


def test_the_explorer_opens_it_for_its_run_and_closes_it(paint):
    directory = paint(passes=2, method="blend").directory
    viewer = Explorer(directory, follow=False, calibration=CALIBRATION)
    viewer.forecast.button.click()
    assert viewer.forecast.panel in viewer.forecast.children
    assert "squares: measured in this run" in viewer.forecast.panel.chart.value
    viewer.forecast.button.click()
    assert viewer.forecast.panel not in viewer.forecast.children
    viewer.close()
    assert viewer.forecast.panel.comm is None


def test_without_a_calibration_it_says_what_is_needed(paint, monkeypatch):
    monkeypatch.setattr(section, "stored_calibration", lambda study: None)
    viewer = Explorer(paint().directory, follow=False)
    viewer.forecast.button.click()
    assert "no calibration" in viewer.forecast.problem.value
    viewer.close()


def test_a_chart_leaves_out_what_has_no_place():
    chart = Chart("<b>", "pass", (1, 3), (0.0, 1.0), (1, 2, 3))
    drawing = chart.draw([(1, 0.5), (2, float("nan")), (3, 7.0)], [(1, 0.2)], level=0.3)
    assert drawing.count("<circle") == drawing.count("<rect") == drawing.count('"level"') == 1
    assert "&lt;b&gt;" in drawing and "<b>" not in drawing
