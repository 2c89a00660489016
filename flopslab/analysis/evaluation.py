"""The metrics of each pass of a run as table rows, and rows as CSV.

A row is a plain dict: the pass, then its metrics.
The metrics are those of `flopslab.analysis.metrics`, over all frames of a pass in order.
"""

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from flopslab.analysis import metrics
from flopslab.analysis.embedder import Embedder
from flopslab.core.windows import FrameKey
from flopslab.runs.provenance import Recipe
from flopslab.runs.reader import RunDirectory, finished_run

Row = dict[str, Any]

MEASURES = {
    "frame_consistency": "mean cosine of adjacent frames' embeddings; 1 is equal",
    "frame_ssim": "mean structural similarity of adjacent frames; 1 is equal",
    "temporal_flickering": "1 minus the mean pixel distance of adjacent frames; 1 is still",
    "clip_score": "mean CLIPScore of each frame with the words of its window",
    "diversity": "mean cosine distance of any two frames' embeddings; 0 is all alike",
    "colour_drift": "mean distance of the palette from that of the first pass's frame, CIE Lab",
    "mean_colour_drift": "mean distance of the mean colour from the first pass's, CIE Lab",
    "contrast": "RMS contrast of L*, as a ratio to the first pass's",
    "sharpness": "variance of the Laplacian of L*, as a ratio to the first pass's",
    "seconds": "median generation time of a frame, in seconds",
}


def evaluate(
    directory: str | Path, embedder: Embedder | None = None, passes: Sequence[int] = ()
) -> list[Row]:
    """A row for each of these passes of a run (default: all): `pass`, `frames`, `MEASURES`.

    Without an embedder, the metrics of embeddings are nan. Raises RunError if the run is not
    finished.
    """
    run = finished_run(directory)
    first = [image for image, _ in _frames(run, run.passes[0])]
    return [
        {"pass": pass_number} | _measure(run, pass_number, first, embedder)
        for pass_number in passes or run.passes
    ]


def to_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV, with a header; numbers in full precision."""
    names = dict.fromkeys(itertools.chain.from_iterable(rows))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _measure(
    run: RunDirectory, pass_number: int, first: Sequence[Image.Image], embedder: Embedder | None
) -> Row:
    images, recipes = zip(*_frames(run, pass_number), strict=True)
    values = _measure_embeddings(images, recipes, embedder) | {
        "frame_ssim": metrics.frame_ssim(images),
        "temporal_flickering": metrics.temporal_flickering(images),
        "colour_drift": _drift(metrics.colour_drift, images, first),
        "mean_colour_drift": _drift(metrics.mean_colour_drift, images, first),
        "contrast": _ratio(metrics.contrast, images, first),
        "sharpness": _ratio(metrics.sharpness, images, first),
        "seconds": float(np.median([recipe.generation_time_s for recipe in recipes])),
    }
    return {"frames": len(images)} | {name: values[name] for name in MEASURES}


def _measure_embeddings(
    images: Sequence[Image.Image], recipes: Sequence[Recipe], embedder: Embedder | None
) -> Row:
    if embedder is None:
        return dict.fromkeys(("frame_consistency", "clip_score", "diversity"), float("nan"))
    image_embeddings = embedder.images(images)
    text_embeddings = embedder.texts([" ".join(recipe.prompt_words) for recipe in recipes])
    return {
        "frame_consistency": metrics.frame_consistency(image_embeddings),
        "clip_score": metrics.clip_score(image_embeddings, text_embeddings),
        "diversity": metrics.diversity(image_embeddings),
    }


def _drift(
    distance: Callable[[Image.Image, Image.Image], float],
    images: Sequence[Image.Image],
    first: Sequence[Image.Image],
) -> float:
    """The mean distance of an image from the first pass's at the same position."""
    return float(np.mean([*map(distance, images, first)]))


def _ratio(
    metric: Callable[[Image.Image], float],
    images: Sequence[Image.Image],
    first: Sequence[Image.Image],
) -> float:
    """The metric's mean over the images, as a ratio to its mean over the first pass."""
    return float(np.mean([*map(metric, images)]) / np.mean([*map(metric, first)]))


def _frames(run: RunDirectory, pass_number: int) -> Iterator[tuple[Image.Image, Recipe]]:
    return (run.frame(FrameKey(pass_number, position)) for position in run.positions)
