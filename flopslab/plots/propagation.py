"""Figures of the wave, for print: labelled, safe for the colour-blind, on white.

Each function returns a matplotlib Figure and keeps nothing; `figure.savefig("wave.pdf")` or `.svg`
draws it in vectors. Influence is drawn in cividis, categories in the colours of Okabe and Ito,
"Color universal design" (2008), and by marker and line as well.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageChops

from flopslab.experiments.influence import Influence, Wave
from flopslab.plots import runs as figures

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
LINES = ("-", "--", ":", "-.")
COLUMN, PAGE = 4.2, 8.4  # inches
BOUNDARY = "#D55E00"
LABEL = "influence: mean pixel difference"

Point = tuple[float, float, float]  # mean, low, high


def influence_map(
    found: Influence, reaches: Sequence[int], row: int = 0, label: str = LABEL
) -> Figure:
    """Position by pass: what one change (`row`) did, with the predicted cone around it.

    `reaches`: how far the cone reaches, by pass. Cells that did not change by a bit stay white.
    """
    values = np.ma.masked_equal(found.values[row], 0)
    figure, axes = _figure(PAGE, 0.9 + 0.4 * len(values))
    edges = _edges(found.positions)
    heights = np.arange(len(values) + 1) + 0.5
    mesh = axes.pcolormesh(edges, heights, values, cmap="cividis", norm=_scale(values))
    centre = found.centres[row]
    for number, reach in enumerate(reaches, 1):
        sides = [max(centre - reach - 0.5, edges[0]), min(centre + reach + 0.5, edges[-1])]
        for side in sides:
            axes.plot([side, side], [number - 0.5, number + 0.5], color=BOUNDARY, lw=2)
    axes.plot([], [], color=BOUNDARY, lw=2, label="predicted cone")
    axes.set(xlabel="position", ylabel="pass", yticks=range(1, len(values) + 1))
    axes.invert_yaxis()
    axes.legend(loc="upper right", bbox_to_anchor=(1, 1.35), frameon=False, fontsize=8)
    figure.colorbar(mesh, ax=axes, label=label.replace(": ", ":\n"), pad=0.02)
    return figure


def decay(wave: Wave, reaches: Sequence[int], label: str = LABEL) -> Figure:
    """Influence against distance, a line for each pass with its interval and predicted front."""
    figure, axes = _figure(COLUMN * 1.3, 3.2)
    for number, (mean, low, high) in enumerate(zip(wave.mean, wave.low, wave.high, strict=True)):
        shown = np.flatnonzero(np.nan_to_num(mean) > 0)
        style = _style(number)
        axes.plot(shown, mean[shown], label=f"pass {number + 1}", lw=1.2, ms=4, **style)
        axes.fill_between(shown, low[shown], high[shown], color=style["color"], alpha=0.2, lw=0)
        axes.axvline(reaches[number] + 0.5, color=style["color"], ls=style["ls"], lw=0.8)
    axes.set(xlabel="distance from the changed word, in positions", ylabel=label, yscale="log")
    axes.set_xlim(-0.5, max(reaches) + 2)
    axes.legend(
        title="vertical: predicted front",
        title_fontsize=8,
        fontsize=8,
        frameon=False,
        loc="lower left",
    )
    return figure


def against(measured: Influence, predicted: Influence, agreement: Sequence[float]) -> Figure:
    """Measured influence against predicted, a panel for each pass with its correlation."""
    passes = measured.values.shape[1]
    figure = Figure(figsize=(PAGE, PAGE / 3 + 0.3), facecolor="white", layout="constrained")
    panels = figure.subplots(1, passes, squeeze=False)[0]
    for number, axes in enumerate(panels):
        x, y = predicted.values[:, number].ravel(), measured.values[:, number].ravel()
        inside = (x > 0) | (y > 0)
        style = _style(number) | {"ls": "none"}
        axes.plot(x[inside], y[inside], ms=4, alpha=0.6, **style)
        axes.set_title(f"pass {number + 1}, r = {agreement[number]:.2f}", fontsize=9)
        axes.set(xlabel="predicted share", xlim=(0, 1.08 * x.max()), ylim=(0, None))
        _plain(axes)
    panels[0].set_ylabel(LABEL)
    return figure


def strip(near: Mapping[str, Point], far: Mapping[str, Point], label: str = LABEL) -> Figure:
    """For each control the influence within the front (near) and beyond it (far), with intervals.

    (mean, low, high) each; nan leaves a mark out.
    """
    figure, axes = _figure(COLUMN * 1.5, 0.9 + 0.42 * len(near))
    rows = np.arange(len(near))
    for index, (name, points, shift) in enumerate(
        [("within the front", near, -0.12), ("beyond it", far, 0.12)]
    ):
        mean, low, high = np.array([points[key] for key in near], dtype=float).T
        bars = np.clip([mean - low, high - mean], 0, None)
        style = {"color": OKABE_ITO[index], "marker": MARKERS[index], "ls": "none"}
        axes.errorbar(mean, rows + shift, xerr=bars, label=name, ms=6, capsize=3, **style)
    axes.set(yticks=rows, yticklabels=[key.replace("_", " ") for key in near], xlabel=label)
    axes.set_ylim(len(near) - 0.5, -0.5)
    axes.set_xscale("symlog", linthresh=1e-3)  # shows an exact 0
    axes.set_xlim(-3e-4, 2 * axes.get_xlim()[1])
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    axes.grid(axis="x", lw=0.3)
    return figure


def arrival(found: Mapping[str, Wave], radius: int, reach: int, label: str) -> Figure:
    """How much the new word shows in the last pass against distance, a line with its interval each.

    Begins outside the word window (`radius`), where a word is not said; the front, `reach`, is
    the vertical line. Linear up to 0.01, logarithmic beyond.
    """
    figure, axes = _figure(COLUMN * 1.3, 3.2)
    for index, (name, wave) in enumerate(found.items()):
        mean, low, high = wave.mean[-1], wave.low[-1], wave.high[-1]
        shown, style = np.arange(radius + 1, min(len(mean), 2 * reach)), _style(index)
        axes.plot(shown, mean[shown], label=name.replace("_", " "), lw=1.2, ms=4, **style)
        axes.fill_between(shown, low[shown], high[shown], color=style["color"], alpha=0.15, lw=0)
    axes.set(xlabel="distance from the changed word, in positions", ylabel=label)
    axes.set_yscale("symlog", linthresh=0.01)
    _mark(axes, reach)
    return figure


def word_map(similarity: np.ndarray, frames: Sequence[int], radius: int, label: str) -> Figure:
    """Frames by words: how alike they are, with the words of each frame's prompt between lines."""
    figure, axes = _figure(COLUMN * 1.3, COLUMN)
    far = np.abs(similarity).max() or 1
    edges = [0.5, similarity.shape[1] + 0.5, frames[-1] + 0.5, frames[0] - 0.5]
    image = axes.imshow(
        similarity, cmap="cividis", vmin=-far, vmax=far, extent=edges, aspect="auto"
    )
    for side in (-radius - 0.5, radius + 0.5):
        axes.plot([frames[0] + side, frames[-1] + side], [frames[0], frames[-1]], "w--", lw=0.8)
    axes.set(xlabel="word at position", ylabel="frame at position", xlim=(0.5, edges[1]))
    figure.colorbar(image, ax=axes, label=label)
    return figure


def similarity(curves: Mapping[str, np.ndarray], radius: int, label: str) -> Figure:
    """A line for each curve, by distance; the word window ends at the vertical line."""
    figure, axes = _figure(COLUMN * 1.3, 3.0)
    for index, (name, curve) in enumerate(curves.items()):
        axes.plot(np.arange(len(curve)), curve, label=name, lw=1.2, ms=4, **_style(index))
    axes.set(xlabel="distance of the word from the frame, in positions", ylabel=label)
    _mark(axes, radius)
    return figure


def export(drawn: Mapping[str, Figure], directory: str | Path) -> list[Path]:
    """The paths of the figures as PDF and SVG, by name, in a directory that is made if need be."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"{name}.{kind}" for name in drawn for kind in ("pdf", "svg")]
    for path in paths:
        drawn[path.stem].savefig(path, bbox_inches="tight")
    return paths


def difference_strip(
    base: Sequence[figures.Picture], changed: Sequence[figures.Picture], captions: Sequence[str]
) -> Figure:
    """Frames of the base run, the same after a change, and their difference (8 times, on black)."""
    pairs = [
        [figures.opened(picture) for picture in pair] for pair in zip(base, changed, strict=True)
    ]
    rows = [*zip(*pairs, strict=True), [amplified(*pair) for pair in pairs]]
    sheet = figures.contact_sheet(rows, captions, len(captions))
    sheet.set_facecolor("white")
    for axes, name in zip(
        sheet.axes[:: len(pairs)], ["before", "after", "difference"], strict=True
    ):
        axes.set_ylabel(name)
    return sheet


def amplified(one: Image.Image, other: Image.Image, gain: int = 8) -> Image.Image:
    """The absolute difference of two pictures, `gain` times; black where they are the same."""
    return ImageChops.difference(one, other).point(lambda level: min(255, level * gain))


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    _plain(axes)
    return figure, axes


def _mark(axes: Axes, last: int) -> None:
    """Zero, and the end of a range of whole distances."""
    axes.axvline(last + 0.5, color="grey", lw=0.8)
    axes.axhline(0, color="grey", lw=0.4)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _style(index: int) -> dict[str, str]:
    return {
        "color": OKABE_ITO[index % len(OKABE_ITO)],
        "marker": MARKERS[index % len(MARKERS)],
        "ls": LINES[index % len(LINES)],
    }


def _edges(positions: np.ndarray) -> np.ndarray:
    """The borders between neighbouring positions."""
    half = (positions[1] - positions[0]) / 2 if len(positions) > 1 else 0.5
    return np.append(positions - half, positions[-1] + half)


def _scale(values: np.ma.MaskedArray) -> LogNorm | None:
    return LogNorm(values.min(), values.max()) if values.count() > 1 else None
