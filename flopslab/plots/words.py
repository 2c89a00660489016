"""The figure of a sequence of words: where each word stands, and how evenly it returns."""

from collections.abc import Sequence
from math import ceil

from matplotlib.axes import Axes

from flopslab.plots.style import BLUE, FULL, DescribedFigure, plain, shorten
from flopslab.words.flopsopoly import find_returns, measure_evenness

ROW = 0.22  # inches for a word


def draw_returns(texts: Sequence[str], rows: int = 24) -> DescribedFigure:
    """Where the words of a sequence stand, and the distances from each occurrence to the next.

    On the left the `rows` words that occur most often, a dot for each occurrence; on the right, of
    all words that occur three times or more, the distances over those of copies that are spread
    evenly over the whole sequence.
    """
    counts = {text: len(distances) + 1 for text, distances in find_returns(texts).items()}
    often = sorted(counts, key=counts.__getitem__, reverse=True)[:rows]
    alt = f"Where the {len(often)} most frequent words stand in a sequence of {len(texts)}"
    height = max(2.5, 0.9 + ROW * len(often))
    figure = DescribedFigure(FULL, height, alt, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 1])
    _draw_places(left, texts, often)
    _draw_distances(right, texts)
    for axes in (left, right):
        plain(axes)
    return figure


def _draw_places(axes: Axes, texts: Sequence[str], words: Sequence[str]) -> None:
    rows = {word: row for row, word in enumerate(words)}
    points = [(p, rows[text]) for p, text in enumerate(texts, start=1) if text in rows]
    axes.scatter(*zip(*points, strict=True), s=9, color=BLUE)
    axes.set_yticks(range(len(words)), [shorten(word, 1.2) for word in words], parse_math=False)
    axes.set(xlabel="position", xlim=(0, len(texts) + 1))
    axes.invert_yaxis()
    axes.grid(axis="y", linewidth=0.4, color="#dddddd")
    axes.set_axisbelow(True)


def _draw_distances(axes: Axes, texts: Sequence[str]) -> None:
    rows = [distances for distances in find_returns(texts).values() if len(distances) > 1]
    ratios = [distance * (len(row) + 1) / len(texts) for row in rows for distance in row]
    evenness = measure_evenness(texts)
    if evenness.spacing_cv is None:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no word occurs three times", ha="center", transform=axes.transAxes)
        return
    axes.hist(
        ratios,
        bins=[0.2 * step for step in range(max(16, ceil(5 * max(ratios)) + 1))],
        color=BLUE,
    )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(xlabel="distance / even distance", ylabel="occurrences")
    axes.set_title(f"cv {evenness.spacing_cv:.2f}, spread {evenness.spread:.2f}", fontsize=10)
