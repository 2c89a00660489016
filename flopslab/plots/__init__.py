"""Figures: of a run, of the runs of a sweep, and of what a changed word did."""

from flopslab.plots.comparison import (
    axis_sheets,
    before_after_sheet,
    pass_sheet,
    position_sheet,
    position_sheets,
)
from flopslab.plots.forecast import forecast
from flopslab.plots.influence import (
    arrival,
    control_comparison,
    decay,
    influence_map,
    prediction,
)
from flopslab.plots.propagation import before_after
from flopslab.plots.responses import responses
from flopslab.plots.runs import contact_sheet, pass_column, timing
from flopslab.plots.style import export, save

__all__ = [
    "arrival",
    "axis_sheets",
    "before_after",
    "before_after_sheet",
    "contact_sheet",
    "control_comparison",
    "decay",
    "export",
    "forecast",
    "influence_map",
    "pass_column",
    "pass_sheet",
    "position_sheet",
    "position_sheets",
    "prediction",
    "responses",
    "save",
    "timing",
]
