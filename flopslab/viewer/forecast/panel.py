"""What other settings would give: sliders, and the linear model's forecast drawn anew at once."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import cast, get_args

import ipywidgets as widgets
import numpy as np

from flopslab.analysis.metrics import colour_correlations
from flopslab.calibration.curve import Calibration
from flopslab.core.compositing import METHODS
from flopslab.core.study import MethodName, Study
from flopslab.core.windows import FrameKey
from flopslab.prediction.forecast import Forecast, plan
from flopslab.viewer.forecast.chart import Chart
from flopslab.viewer.snapshot import RunSnapshot
from flopslab.words.sequence import Word

FRAMES = 60  # of the run, that are predicted and measured
_STYLE = """<style>
.flopslab-forecast text { font: 11px sans-serif; fill: currentColor }
.flopslab-forecast .line, .flopslab-forecast .axis, .flopslab-forecast .level { fill: none }
.flopslab-forecast .line { stroke: #0072B2; stroke-width: 1.6 }
.flopslab-forecast .point { fill: #0072B2 }
.flopslab-forecast rect { fill: #D55E00 }
.flopslab-forecast .axis, .flopslab-forecast .level { stroke: currentColor; stroke-width: 0.8 }
.flopslab-forecast .level { stroke-dasharray: 4 3 }
</style>"""


def measure_likeness(run: RunSnapshot, most: int = FRAMES) -> dict[int, np.ndarray]:
    """The `colour_correlations` of each pass that is there, of its first `most` frames."""
    positions = run.positions[:most]
    keys = {number: [FrameKey(number, p) for p in positions] for number in run.passes}
    whole = {number: row for number, row in keys.items() if all(map(run.has, row))}
    return {n: colour_correlations([run.image(key) for key in row]) for n, row in whole.items()}


class ForecastPanel(widgets.VBox):
    """The forecast of a study with other settings.

    `measured`: the correlations of its run's frames, by pass (see `measure_likeness`). Their
    coherence is drawn in, and while the words' windows stay what they are in the run, the forecast
    begins with the first pass that is there.
    """

    def __init__(
        self,
        study: Study,
        words: Sequence[Word],
        calibration: Calibration,
        measured: Mapping[int, np.ndarray] | None = None,
    ) -> None:
        self._study, self._words, self._calibration = study, tuple(words), calibration
        self._measured = dict(measured or {})
        self._coherence = {n: float(np.diag(c, 1).mean()) for n, c in self._measured.items()}
        self.method = widgets.Dropdown(
            options=get_args(MethodName), value=study.method, description="method"
        )
        self.image_weight = widgets.FloatSlider(
            self._initial_weight(), min=0.0, max=1.0, step=0.01, description="image_weight"
        )
        self.context_diameter = _slider("context_diameter", study.context_diameter, 30)
        self.multiplier = _slider("multiplier", study.image_context_multiplier, 6)
        self.passes = _slider("passes", study.passes, 10, least=1)
        self.chart = widgets.HTML()
        controls = [
            self.method, self.image_weight, self.context_diameter, self.multiplier, self.passes
        ]  # fmt: skip
        for control in controls:
            control.style.description_width, control.layout.width = "110px", "320px"
            control.observe(lambda _: self.redraw(), "value")
        super().__init__([widgets.VBox(controls), self.chart])
        self.layout.flex_flow = "row wrap"
        self.redraw()

    @property
    def study(self) -> Study:
        """The study with the settings of the sliders."""
        method = cast(MethodName, self.method.value)
        adapted = METHODS[method].weighs_images
        weight = self.image_weight.value
        strength = 1.0 if adapted or not weight else self._calibration.strength_for(weight)
        return self._study.replace(
            method=method,
            image_weight=weight,
            denoising_strength=strength,
            context_diameter=self.context_diameter.value,
            image_context_multiplier=self.multiplier.value,
            passes=self.passes.value,
            limit=min(self._study.limit or FRAMES, FRAMES),
        )

    def _initial_weight(self) -> float:
        """The study's own; where it has a strength, what that keeps."""
        study, strength = self._study, self._study.denoising_strength
        if METHODS[study.method].weighs_images or strength is None:
            return study.image_weight
        return self._calibration.kept.at(study.strength(2)) if study.strength(2) < 1 else 0.0

    def redraw(self) -> None:
        """Predict and draw: some ten milliseconds."""
        is_same = self.context_diameter.value == self._study.context_diameter
        first_pass = self._measured.get(1) if is_same else None
        forecast = plan(self.study, self._calibration, self._words, 0.0, first_pass)
        self.chart.value = draw(forecast, self._coherence)


def draw(forecast: Forecast, measured: Mapping[int, float]) -> str:
    """The sentence, three charts, and what the model leaves out, as HTML."""
    passes = forecast.passes
    last = max([passes[-1].number, *measured, 2])
    highest = max(1.0, *(item.reach for item in passes), forecast.reach_limit or 0.0)
    numbers = range(1, last + 1)
    coherence = Chart("coherence of neighbours", "pass", (1, last), (-0.2, 1.0), numbers)
    reach = Chart("reach, in positions", "pass", (1, last), (0.0, 1.1 * highest), numbers)
    modes = Chart("kept in the limit", "eigenvalue of a mode", (0.0, 1.0), (0.0, 1.0), (0, 1))
    charts = [
        coherence.draw([(p.number, p.coherence) for p in passes], list(measured.items())),
        reach.draw([(p.number, p.reach) for p in passes], level=forecast.reach_limit),
        modes.draw(list(zip(forecast.eigenvalues, forecast.survival, strict=True))),
    ]
    notes = [f"not in the model: {text}" for text in forecast.caveats]
    notes += ["squares: measured in this run"] if measured else []
    lines = "".join(f"<div><small>{escape(text)}</small></div>" for text in notes)
    sentence = escape(str(forecast).removesuffix(", 0 seconds"))
    content = f"<b>{sentence}</b><br>{''.join(charts)}{lines}"
    return f'{_STYLE}<div class="flopslab-forecast">{content}</div>'


def _slider(name: str, value: int, most: int, least: int = 0) -> widgets.IntSlider:
    return widgets.IntSlider(value, min=least, max=max(most, value), description=name)
