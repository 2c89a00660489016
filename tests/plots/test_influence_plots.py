"""Figures of influence: labelled, on white, legends beside the lines, and true to the numbers."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from figures import texts
from matplotlib.colors import to_rgba

from flopslab.core.study import Study
from flopslab.core.windows import Windowing
from flopslab.experiments.influence import DecayCurve, Influence
from flopslab.plots import influence as plots
from flopslab.plots.style import DescribedFigure

pytestmark = pytest.mark.slow

WINDOWING = Windowing(Study(context_diameter=2, limit=5), 9)
REACHES = [1, 3, 5]
NAN = float("nan")
POINT, NOTHING = (0.02, 0.01, 0.03), (NAN, NAN, NAN)


def tent(passes: int = 3, frames: int = 21) -> Influence:
    """The influence of a change in the middle: it halves with each position, inside the cone."""
    away = np.abs(np.arange(frames) - frames // 2)
    row = np.stack([(away <= 1 + 2 * k) * 2.0**-away for k in range(passes)])
    centres, positions = np.array([frames // 2 + 1]), np.arange(1, frames + 1)
    return Influence(centres, positions, row[None], row[None] > 0)


def halving(passes: int = 3) -> DecayCurve:
    mean = np.tile(2.0 ** -np.arange(8.0), (passes, 1))
    return DecayCurve(mean, mean * 0.9, mean * 1.1)


FIGURES: dict[str, Callable[[], DescribedFigure]] = {
    "influence_map": lambda: plots.influence_map(tent(), REACHES),
    "decay": lambda: plots.decay(halving(), REACHES),
    "prediction": lambda: plots.prediction(tent(), tent()),
    "control_comparison": lambda: plots.control_comparison({"no_text": (POINT, NOTHING)}),
    "arrival": lambda: plots.arrival({"none": halving(), "no_text": halving()}, 1, 5),
}
every_figure = pytest.mark.parametrize("name", FIGURES)


@every_figure
def test_a_figure_is_on_white_and_says_what_it_shows(name):
    figure = FIGURES[name]()
    assert figure.get_facecolor() == to_rgba("white")
    labels = [axes.get_xlabel() + axes.get_ylabel() + axes.get_title() for axes in figure.axes]
    assert texts(figure) and any(labels) and len(figure.alt) > 20


def test_changes_that_differ_in_no_bit_draw_too():
    nothing = np.zeros((3, 8))
    figure = plots.decay(DecayCurve(nothing, nothing, nothing), REACHES)
    figure.savefig(io.BytesIO())
    assert figure.axes[0].get_yscale() == "linear"


@every_figure
def test_no_legend_covers_a_panel(name):
    figure = FIGURES[name]()
    figure.savefig(io.BytesIO())  # where things stand is known once it is drawn
    assert not [axes for axes in figure.axes if axes.get_legend()]
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)


def test_a_frame_without_a_changed_bit_stays_white_and_the_cone_is_drawn_around_the_rest():
    figure = plots.influence_map(tent(), REACHES)
    axes = figure.axes[0]
    masked = np.ma.getmaskarray(np.ma.asarray(axes.collections[0].get_array()))
    assert (~masked).sum(axis=1).tolist() == [3, 7, 11]
    sides = sorted({float(x[0]) for line in axes.lines if len(x := np.asarray(line.get_xdata()))})
    assert sides == [5.5, 7.5, 9.5, 12.5, 14.5, 16.5]
    assert "predicted cone" in texts(figure)


def test_a_cone_beyond_the_sequence_ends_with_it():
    figure = plots.influence_map(tent(frames=7), [1, 3, 50])
    ends = [np.asarray(line.get_xdata()) for line in figure.axes[0].lines]
    assert max(x.max() for x in ends if len(x)) == 7.5


def test_each_pass_has_a_line_a_band_and_a_front():
    figure = plots.decay(halving(), REACHES)
    ends = [np.asarray(line.get_xdata()) for line in figure.axes[0].lines]
    assert [x[0] for x in ends if len(x) == 2] == [1.5, 3.5, 5.5]
    assert len(figure.axes[0].collections) == 3
    assert {"pass 1", "pass 2", "pass 3"} <= set(texts(figure))


def test_the_correlation_stands_above_each_pass():
    measured = tent()
    noise = np.random.default_rng(0).random(measured.values.shape) * measured.differs
    labels = texts(plots.prediction(Influence(*vars(measured).values()), measured))
    assert {"pass 1, r = 1.00", "pass 3, r = 1.00"} <= set(labels)
    noisy = Influence(measured.centres, measured.positions, noise, measured.differs)
    assert "pass 3, r = 1.00" not in texts(plots.prediction(noisy, measured))


def test_controls_have_a_row_each_and_a_missing_value_no_mark():
    figure = plots.control_comparison({"none": (POINT, POINT), "no_text": (POINT, NOTHING)})
    labels = texts(figure)
    assert {"real neighbours", "no words after pass 1", "inside the front"} <= set(labels)
    inside, outside = (np.asarray(item[0].get_xdata()) for item in figure.axes[0].containers)
    assert inside.tolist() == [0.02, 0.02] and np.isnan(outside).tolist() == [False, True]


def test_arrival_begins_outside_the_word_window():
    figure = plots.arrival({"none": halving()}, 2, 5)
    assert np.asarray(figure.axes[0].lines[0].get_xdata())[0] == 3
