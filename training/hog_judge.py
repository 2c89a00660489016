"""A second judge of motifs, of another kind: ridge regression on histograms of gradients.

It has nothing in common with the first but the painter: no network, no training by steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from training.measures import shape_features
from training.painter import paint
from training.vocabulary import meaning, vocabulary

_SEED = 7_000_000  # of the first painted example
_RIDGE = 10.0


@dataclass(frozen=True)
class HogJudge:
    """A linear classifier of motifs: `weights` [features + 1, motifs], the last row a constant."""

    motifs: tuple[str, ...]
    weights: np.ndarray

    def name_motifs(self, pictures: Sequence[Image.Image], most: int = 1) -> list[list[str]]:
        """The `most` likeliest motifs of each picture, likeliest first."""
        features = shape_features(pictures)
        scores = features @ self.weights[:-1] + self.weights[-1]
        order = np.argsort(-scores, axis=1)[:, :most]
        return [[self.motifs[i] for i in row] for row in order]


def fit_judge(pictures: Sequence[Image.Image], labels: Sequence[str]) -> HogJudge:
    """The judge that pictures and the motifs in them make, by ridge regression in closed form."""
    motifs = tuple(dict.fromkeys(labels))
    features = shape_features(pictures)
    target = np.array([[float(label == motif) for motif in motifs] for label in labels])
    centre, mean = features.mean(0), target.mean(0)
    spread = features - centre
    kernel = spread @ spread.T + _RIDGE * np.eye(len(features), dtype=np.float32)
    weights = spread.T @ np.linalg.solve(kernel, target - mean)
    return HogJudge(motifs, np.vstack([weights, mean - centre @ weights]).astype(np.float32))


@lru_cache(maxsize=1)
def painted_judge(motifs: tuple[str, ...], samples: int = 40) -> HogJudge:
    """The judge of these motifs, from `samples` painted pictures of each: half a minute."""
    pictures, labels, seed = [], [], _SEED
    for motif in motifs:
        words = [word for word in vocabulary() if meaning(word).motif == motif]
        for i in range(samples):
            word = words[i % len(words)]
            pictures.append(paint([(word, 1.0)], np.random.default_rng(seed)))
            labels.append(motif)
            seed += 1
    return fit_judge(pictures, labels)
