"""What it costs to make a frame besides the networks: `python -m benchmarks.compositing`.

CPU milliseconds for one frame of a refinement pass, each step apart, medians. A frame of the pass
before is scaled or converted once and then looked at by all its neighbours: `first` is a frame none
of whose neighbours was used before, `next` one that adds a single new neighbour to the window.
"""

import argparse
import io
import time
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.report import cpu_ms, photograph, publish
from flopslab.core.compositing import METHODS
from flopslab.core.neighbours import weights_by_distance
from flopslab.core.refinement import (
    COLOUR_MATCHES,
    Input,
    Refinement,
    anchor_image,
    measure_image,
    sharpen_image,
)
from flopslab.core.study import MethodName, Study
from flopslab.core.windows import FrameKey
from flopslab.digests import pixel_digest
from flopslab.runs.png import encode_png


class Pictures:
    """Frames in memory: `count` photographs, again and again."""

    def __init__(self, size: int, count: int) -> None:
        self._images = [photograph(seed, size) for seed in range(count)]
        shape = (count, 4, size // 8, size // 8)
        self._latents = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)

    def image(self, key: FrameKey) -> Image.Image:
        return self._images[key.position % len(self._images)]

    def latents(self, key: FrameKey) -> np.ndarray:
        return self._latents[key.position % len(self._images)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024], help="in pixels")
    parser.add_argument("--neighbours", type=int, default=21)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", default="", metavar="FILE", help="write the numbers there too")
    options = parser.parse_args()
    rows = []
    for size in options.sizes:
        pictures = Pictures(size, options.neighbours + options.repeats)
        rows += compose_rows(pictures, size, options.neighbours, options.repeats)
        rows += step_rows(pictures, size, options.repeats)
    publish(rows, options.json)


def compose_rows(
    pictures: Pictures, size: int, neighbours: int, repeats: int
) -> list[dict[str, Any]]:
    """A row for each method: the frame in the middle of so many neighbours."""
    rows = []
    for method in METHODS:
        first, *others = compose_times(pictures, method, neighbours, repeats)
        rows.append(row(size, f"compose {method}, first", first))
        rows.append(row(size, f"compose {method}, next", median(others)))
    return rows


def compose_times(
    pictures: Pictures, method: MethodName, neighbours: int, repeats: int
) -> list[float]:
    """CPU milliseconds of frames one after the other, the first with an empty memory."""
    refinement, reach, times = Refinement(Study(method=method), pictures), neighbours // 2, []
    offsets = range(-reach, neighbours - reach)
    weights = weights_by_distance("triangle", offsets)
    for position in range(reach, reach + 1 + repeats):
        places = [position + offset for offset in offsets]
        inputs = [Input(p, p, weight) for p, weight in zip(places, weights, strict=True)]
        start = time.process_time()
        refinement.context_of(FrameKey(2, position), inputs)
        times.append(1000 * (time.process_time() - start))
    return times


def step_rows(pictures: Pictures, size: int, repeats: int) -> list[dict[str, Any]]:
    """A row for each step that a single frame takes."""
    image, anchor = (pictures.image(FrameKey(1, position)) for position in (0, 1))
    rows = []
    for match in COLOUR_MATCHES:
        target = measure_image(anchor, match)
        once = cpu_ms(lambda match=match: measure_image(anchor, match), repeats)
        each = cpu_ms(lambda m=match, t=target: anchor_image(image, t, m, 1.0), repeats)
        rows += [row(size, f"anchor {match}, once a position", once)]
        rows += [row(size, f"anchor {match}, each frame", each)]
    steps = {
        "sharpen": lambda: sharpen_image(image, 0.4),
        "PNG": lambda: encode_png(image),
        "PNG, by Pillow": lambda: image.save(io.BytesIO(), "PNG", compress_level=1),
        "pixel digest": lambda: pixel_digest(image),
    }
    return rows + [row(size, name, cpu_ms(step, repeats)) for name, step in steps.items()]


def row(size: int, step: str, milliseconds: float) -> dict[str, Any]:
    return {"size": size, "step": step, "cpu_ms": round(milliseconds, 1)}


if __name__ == "__main__":
    main()
