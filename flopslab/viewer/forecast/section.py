"""The part of the explorer that opens the forecast panel when it is wanted."""

import ipywidgets as widgets

from flopslab.calibration.curve import Calibration
from flopslab.errors import FlopslabError, RunError
from flopslab.prediction.reading import stored_calibration
from flopslab.viewer import html
from flopslab.viewer.forecast.panel import ForecastPanel, measure_likeness
from flopslab.viewer.intervention_panel import study_of
from flopslab.viewer.snapshot import RunSnapshot


class ForecastSection(widgets.VBox):
    """A button, and below it the panel of a finished run, made at the first click.

    `calibration`: by default that which is stored for the run's model.
    """

    def __init__(self, run: RunSnapshot, calibration: Calibration | None = None) -> None:
        self._run, self._calibration = run, calibration
        self.panel: ForecastPanel | None = None
        self.button = widgets.Button(description="Other settings", icon="sliders")
        self.problem = widgets.HTML()
        self.button.on_click(lambda _: self.toggle())
        super().__init__([self.button, self.problem])

    def toggle(self) -> None:
        """Open the panel, or close it."""
        if self.panel and self.panel in self.children:
            self.children = [self.button, self.problem]
            return
        try:
            self.panel = self.panel or self._make_panel()
            self.children = [self.button, self.problem, self.panel]
            self.problem.value = ""
        except FlopslabError as error:
            self.problem.value = html.problem(error)

    def _make_panel(self) -> ForecastPanel:
        study = study_of(self._run)
        calibration = self._calibration or stored_calibration(study)
        if calibration is None:
            hint = "run `flopslab calibrate` with the parameters of the run, then open it again"
            raise RunError(f"a forecast for {study.model}", "no calibration of the model", hint)
        measured = measure_likeness(self._run)
        return ForecastPanel(study, study.read_words().words, calibration, measured)
