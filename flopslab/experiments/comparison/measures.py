"""What the frames of one pass are held against, and what is measured of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from PIL import Image

from flopslab.analysis import descriptors, metrics
from flopslab.analysis.embedder import Embedder
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing
from flopslab.runs.reader import finished_run

MEASURES = {
    "coherence": "mean correlation of adjacent frames' colours (16 x 16), as they differ from the "
    "mean frame; 1 is equal, near 0 unrelated",
    "gain": "coherence minus that of pass 1",
    "blind": "coherence predicted from the calibration alone",
    "informed": "coherence predicted from the calibration and the pictures of pass 1",
    "shape_coherence": "mean correlation of adjacent frames' edges (HOG)",
    "own_words": "share of the windows without a common word that a frame fits less than its own, "
    "by the embedder; 0.5 is chance",
    "own_shapes": "the same without a model: by the edges of first passes under other seeds",
    "sharpness": "variance of the Laplacian of L*, as a ratio to pass 1's",
}


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What the frames of one sequence and seed are held against: pictures of the words alone.

    `coherence` and `sharpness` are those of its first pass. `shapes` [runs, frames, d]: of first
    passes under other seeds; `texts` [frames, d]: embeddings of the word windows, or None; `apart`
    [frames, frames]: whether two windows have no word in common.
    """

    coherence: float
    sharpness: float
    shapes: np.ndarray
    texts: np.ndarray | None
    apart: np.ndarray
    embedder: Embedder | None

    @classmethod
    def of(cls, words_alone: Study, others: Sequence[Study], embedder: Embedder | None) -> Self:
        """The yardstick of a finished run of one pass, and of others under further seeds."""
        images = pass_images(words_alone, 1)
        shapes = [descriptors.shapes(pass_images(study, 1)) for study in others]
        words = words_alone.read_words().words
        windowing = Windowing(words_alone, len(words))
        windows = [windowing.words(position) for position in windowing.positions]
        prompts = [" ".join(words[p - 1].text for p in window) for window in windows]
        return cls(
            coherence=metrics.colour_coherence(images),
            sharpness=_sharpness(images),
            shapes=np.stack(shapes),
            texts=embedder.texts(prompts) if embedder else None,
            apart=_apart([{words[p - 1].text for p in window} for window in windows]),
            embedder=embedder,
        )

    def measure(self, images: Sequence[Image.Image]) -> dict[str, Any]:
        """`MEASURES` of the frames of a pass, in order; nan for what is predicted."""
        coherence = metrics.colour_coherence(images)
        values = {
            "coherence": coherence,
            "gain": coherence - self.coherence,
            "shape_coherence": metrics.shape_coherence(images),
            "own_words": self._own_words(images),
            "own_shapes": self._own_shapes(images),
            "sharpness": _sharpness(images) / self.sharpness if self.sharpness else float("nan"),
        }
        return {name: values.get(name, float("nan")) for name in MEASURES}

    def _own_words(self, images: Sequence[Image.Image]) -> float:
        if self.embedder is None or self.texts is None:
            return float("nan")
        return descriptors.own_share(self.embedder.images(images) @ self.texts.T, self.apart)

    def _own_shapes(self, images: Sequence[Image.Image]) -> float:
        rows = descriptors.shapes(images)
        likeness = [descriptors.cross_correlations(rows, others) for others in self.shapes]
        return descriptors.own_share(np.mean(likeness, axis=0), self.apart)


def pass_images(study: Study, pass_number: int) -> list[Image.Image]:
    """The pictures of a pass of a finished run, in order. Raises RunError."""
    run = finished_run(study.output_dir)
    return [run.image(FrameKey(pass_number, position)) for position in run.positions]


def _sharpness(images: Sequence[Image.Image]) -> float:
    return float(np.mean([metrics.sharpness(image) for image in images]))


def _apart(windows: Sequence[set[str]]) -> np.ndarray:
    """[windows, windows]: whether two have no word in common, wherever it is said."""
    return np.array([[a.isdisjoint(b) for b in windows] for a in windows])
