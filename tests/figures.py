"""What tests read from a figure."""

import io
import warnings

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text


def texts(figure: Figure) -> list[str]:
    """Everything that is written on the figure, which draws without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(io.BytesIO(), dpi=20)
    artists = [artist for artist in figure.findobj(Text) if isinstance(artist, Text)]
    return [artist.get_text() for artist in artists if artist.get_text() and artist.get_visible()]


def canvas(figure: Figure) -> np.ndarray:
    """The pixels of a sheet of pictures, [height, width, 3]."""
    return np.asarray(figure.axes[0].get_images()[0].get_array())


def colour_at(figure: Figure, row: int, column: int) -> tuple[int, ...]:
    """The colour in the middle of a sheet's cell, where its labels stand."""
    x, y = figure.axes[0].get_xticks()[column], figure.axes[0].get_yticks()[row]
    return tuple(canvas(figure)[int(y), int(x)].tolist())
