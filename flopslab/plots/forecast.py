"""What the linear model predicts for a study, and what a run of it measured."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from flopslab.plots.style import (
    GREY,
    NORMAL,
    PAGE,
    SMALL,
    DescribedFigure,
    line_style,
    mark_style,
    plain,
    write,
)
from flopslab.prediction.forecast import Forecast


def forecast(prediction: Forecast, measured: Mapping[int, float] | None = None) -> DescribedFigure:
    """Coherence and reach by pass, and what the limit keeps of each mode.

    `measured`: the coherence of a run (`analysis.metrics.colour_coherence`), by pass number.
    """
    figure = DescribedFigure(PAGE, 2.7, str(prediction), layout="constrained")
    write(figure.suptitle, str(prediction), fontsize=NORMAL)
    coherence, reach, modes = (plain(axes) for axes in figure.subplots(1, 3))
    numbers = [item.number for item in prediction.passes]
    coherence.plot(numbers, [p.coherence for p in prediction.passes], ms=4, **line_style(0))
    if measured:
        marks = {"ms": 6, "label": "measured"} | mark_style(1)
        coherence.plot([*measured], [*measured.values()], **marks)
        coherence.legend(frameon=False, fontsize=SMALL)
    coherence.set(ylabel="coherence of neighbours", ylim=(-0.05, 1.05))
    _draw_reach(reach, prediction)
    modes.plot(prediction.eigenvalues, prediction.survival, ms=4, **line_style(2))
    modes.set(xlabel="eigenvalue of a mode", ylabel="share that the limit keeps")
    modes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05))
    for axes in (coherence, reach):
        axes.set_xlabel("pass")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _draw_reach(axes: Axes, prediction: Forecast) -> None:
    values = [item.reach for item in prediction.passes]
    axes.plot([item.number for item in prediction.passes], values, ms=4, **line_style(0))
    if prediction.reach_limit is not None:
        axes.axhline(prediction.reach_limit, color=GREY, lw=0.8, ls="--")
    axes.set(ylabel="reach, in positions", ylim=(0, 1.15 * np.nanmax([*values, 1.0])))
