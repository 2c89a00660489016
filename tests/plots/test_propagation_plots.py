"""Figures of the wave: labelled, on white, in vectors, and true to the numbers."""

import io
import warnings

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from flopslab.experiments.influence import Influence, Wave
from flopslab.plots import propagation as wavefigures


def influence(passes: int = 3, frames: int = 21) -> Influence:
    away = np.abs(np.arange(frames) - frames // 2)
    row = np.stack([(away <= 1 + 2 * k) * 2.0**-away for k in range(passes)])
    return Influence(
        np.array([frames // 2 + 1]), np.arange(1, frames + 1), row[None], row[None] > 0
    )


def wave(passes: int = 3) -> Wave:
    mean = np.tile(2.0 ** -np.arange(8.0), (passes, 1))
    return Wave(mean, mean * 0.9, mean * 1.1)


POINT = (0.02, 0.01, 0.03)
NOTHING = (float("nan"),) * 3
PICTURES = [Image.effect_noise((16, 16), 90).convert("RGB") for _ in range(4)]
DRAWN = {
    "influence_map": lambda: wavefigures.influence_map(influence(), [1, 3, 5]),
    "decay": lambda: wavefigures.decay(wave(), [1, 3, 5]),
    "against": lambda: wavefigures.against(influence(), influence(), [0.5, 0.9, 1]),
    "strip": lambda: wavefigures.strip({"no_text": POINT}, {"no_text": NOTHING}),
    "arrival": lambda: wavefigures.arrival({"no_text": wave()}, 1, 5, "gain"),
    "word_map": lambda: wavefigures.word_map(np.eye(9)[:5], range(1, 6), 1, "cosine"),
    "similarity": lambda: wavefigures.similarity({"real": np.arange(5.0)}, 1, "cosine"),
    "difference_strip": lambda: wavefigures.difference_strip(PICTURES, PICTURES[::-1], "abcd"),
}
every_figure = pytest.mark.parametrize("name", DRAWN)


def texts(figure: Figure) -> str:
    """Everything that is written on the figure, which draws without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(io.BytesIO(), dpi=20)
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return " | ".join(text.get_text() for text in found if text.get_text())


@every_figure
def test_a_figure_is_drawn_on_white_and_in_vectors(name, tmp_path):
    figure = DRAWN[name]()
    assert figure.get_facecolor() == to_rgba("white")
    pdf, svg = wavefigures.export({name: figure}, tmp_path / "new" / "figures")
    assert pdf.read_bytes().startswith(b"%PDF") and b"<svg" in svg.read_bytes()


@every_figure
def test_axes_say_what_they_show(name):
    figure = DRAWN[name]()
    said = [axes.get_xlabel() + axes.get_ylabel() + axes.get_title() for axes in figure.axes]
    assert texts(figure) and any(said)


def test_a_frame_without_a_changed_bit_stays_white_and_the_cone_is_drawn_around_the_rest():
    figure = wavefigures.influence_map(influence(), [1, 3, 5])
    axes = figure.axes[0]
    masked = np.ma.getmaskarray(axes.collections[0].get_array())
    assert (~masked).sum(axis=1).tolist() == [3, 7, 11]
    sides = sorted({float(line.get_xdata()[0]) for line in axes.lines if len(line.get_xdata())})
    assert sides == [5.5, 7.5, 9.5, 12.5, 14.5, 16.5]
    assert "predicted cone" in texts(figure)


def test_a_cone_beyond_the_sequence_ends_with_it():
    figure = wavefigures.influence_map(influence(frames=7), [1, 3, 50])
    assert (
        max(line.get_xdata().max() for line in figure.axes[0].lines if len(line.get_xdata())) == 7.5
    )


def test_each_pass_has_a_line_a_band_and_a_front():
    figure = wavefigures.decay(wave(), [1, 3, 5])
    fronts = [line.get_xdata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert fronts == [1.5, 3.5, 5.5]
    assert len(figure.axes[0].collections) == 3
    assert all(f"pass {number}" in texts(figure) for number in (1, 2, 3))


def test_the_correlation_is_written_above_each_pass():
    said = texts(wavefigures.against(influence(), influence(), [0.5, 0.9, 1]))
    assert "pass 1, r = 0.50" in said and "pass 3, r = 1.00" in said


def test_a_difference_is_amplified_and_black_where_there_is_none():
    one, other = Image.new("RGB", (2, 1), (10, 10, 10)), Image.new("RGB", (2, 1), (10, 10, 10))
    other.putpixel((0, 0), (12, 10, 110))
    found = wavefigures.amplified(one, other)
    assert [found.getpixel((x, 0)) for x in (0, 1)] == [(16, 0, 255), (0, 0, 0)]


def test_the_colours_are_told_apart_without_red_and_green():
    assert len(set(wavefigures.OKABE_ITO)) == len(set(wavefigures.MARKERS)) == 7
