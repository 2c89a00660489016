"""What the passes of a run come to, in rows of measures; rows as CSV and as Markdown.

A row is a plain dict: what tells it apart (the values of a sweep's axes, the pass), then measures.
The measures are those of `flopslab.analysis.metrics`, taken over all frames of a pass in order.
"""

import csv
import io
import itertools
from collections.abc import Iterable, Mapping, Sequence
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
    "temporal_flickering": "1 less the mean pixel distance of adjacent frames; 1 is still",
    "clip_score": "CLIPScore of each frame with the words of its window",
    "diversity": "mean cosine distance of any two frames' embeddings; 0 is all alike",
    "colour_drift": "distance of the palette from the first pass's frame, CIE Lab",
    "mean_colour_drift": "distance of the mean colour from the first pass's, CIE Lab",
    "contrast": "RMS contrast of L*, as a share of the first pass's",
    "sharpness": "variance of the Laplacian of L*, as a share of the first pass's",
    "seconds": "median time that a frame took to make, in seconds",
}


def evaluate(
    directory: str | Path, probe: Embedder | None = None, passes: Sequence[int] = ()
) -> list[Row]:
    """A row for each pass of a run (or for those named): `pass`, `frames`, and all `MEASURES`.

    Without a probe, what needs embeddings is nan. Raises RunError if the run is not finished.
    """
    run = finished_run(directory)
    first = [image for image, _ in _frames(run, run.passes[0])]
    return [{"pass": n} | _measured(run, n, first, probe) for n in passes or run.passes]


def summarise(rows: Sequence[Row], random: np.random.Generator, over: str = "seed") -> list[Row]:
    """The rows with those that differ only in `over` made one: the mean of each measure.

    Where there are two or more, `<measure>_low` and `<measure>_high` are the ends of a 95 %
    bootstrap interval of that mean, and `over` is how many there were. Others stay as they are.
    """
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(map(str, _key(row, over).items())), []).append(row)
    return [_merged(group, random, over) for group in groups.values()]


def last_passes(rows: Sequence[Row]) -> list[Row]:
    """Of rows that differ only in their pass, the last."""
    last = {tuple(map(str, _key(row, "pass").items())): row for row in rows}
    return list(last.values())


def to_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV, with a header; numbers in full."""
    names = dict.fromkeys(itertools.chain.from_iterable(rows))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table of numbers rounded for people, intervals in brackets."""
    names = [name for name in dict.fromkeys(itertools.chain.from_iterable(rows)) if _shown(name)]
    lines = [names, ["---:" if name in MEASURES else "---" for name in names]]
    lines += [[_cell(row, name) for name in names] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def report(title: str, conditions: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """A Markdown page of its own: under what conditions, the table, and what the columns mean."""
    said = ", ".join(f"`{name}` {value!r}" for name, value in conditions.items())
    shown = [name for name in MEASURES if any(name in row for row in rows)]
    meanings = "".join(f"- `{name}`: {MEASURES[name]}\n" for name in shown)
    note = ""
    if any(name.endswith("_low") for row in rows for name in row):
        note = "\nIn brackets: 95 % bootstrap interval of the mean over seeds.\n"
    return f"# {title}\n\nIn all rows: {said}.\n\n{to_markdown(rows)}\n{meanings}{note}"


def _measured(
    run: RunDirectory, number: int, first: Sequence[Image.Image], probe: Embedder | None
) -> Row:
    images, recipes = zip(*_frames(run, number), strict=True)
    found = _of_embeddings(images, recipes, probe) | {
        "frame_ssim": metrics.frame_ssim(images),
        "temporal_flickering": metrics.temporal_flickering(images),
        "colour_drift": _drift(metrics.colour_drift, images, first),
        "mean_colour_drift": _drift(metrics.mean_colour_drift, images, first),
        "contrast": _share(metrics.contrast, images, first),
        "sharpness": _share(metrics.sharpness, images, first),
        "seconds": float(np.median([recipe.generation_time_s for recipe in recipes])),
    }
    return {"frames": len(images)} | {name: found[name] for name in MEASURES}


def _of_embeddings(
    images: Sequence[Image.Image], recipes: Sequence[Recipe], probe: Embedder | None
) -> Row:
    if probe is None:
        return dict.fromkeys(("frame_consistency", "clip_score", "diversity"), float("nan"))
    pictures = probe.images(images)
    texts = probe.texts([" ".join(recipe.words) for recipe in recipes])
    return {
        "frame_consistency": metrics.frame_consistency(pictures),
        "clip_score": metrics.clip_score(pictures, texts),
        "diversity": metrics.diversity(pictures),
    }


def _drift(measure, images: Sequence[Image.Image], first: Sequence[Image.Image]) -> float:
    """The mean distance of an image from the first pass's at the same position."""
    return float(np.mean([*map(measure, images, first)]))


def _share(measure, images: Sequence[Image.Image], first: Sequence[Image.Image]) -> float:
    """The measure's mean over the images, as a share of that over the first pass's."""
    return float(np.mean([*map(measure, images)]) / np.mean([*map(measure, first)]))


def _frames(run: RunDirectory, number: int) -> Iterable[tuple[Image.Image, Recipe]]:
    return (run.frame(FrameKey(number, position)) for position in run.positions)


def _key(row: Row, over: str) -> Row:
    """What tells a row apart from others."""
    return {name: value for name, value in row.items() if name not in (*MEASURES, over)}


def _merged(group: Sequence[Row], random: np.random.Generator, over: str) -> Row:
    if over not in group[0]:
        return group[0]
    merged = _key(group[0], over) | {f"{over}s": len(group)}
    for name in [name for name in MEASURES if name in group[0]]:
        values = [row[name] for row in group]
        merged[name] = float(np.mean(values))
        if len(group) > 1:
            merged[f"{name}_low"], merged[f"{name}_high"] = metrics.bootstrap(values, random)
    return merged


def _shown(name: str) -> bool:
    return not name.endswith(("_low", "_high"))


def _cell(row: Row, name: str) -> str:
    value = row.get(name, "")
    if name not in MEASURES:
        return str(value).replace("|", r"\|").replace("\n", " ") or "(none)"
    text = f"{value:.3g}"
    if f"{name}_low" in row:
        text += f" [{row[f'{name}_low']:.3g}, {row[f'{name}_high']:.3g}]"
    return text
