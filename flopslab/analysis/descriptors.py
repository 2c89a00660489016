"""Descriptors of pictures that need no model, beside which an embedder can be judged.

A descriptor turns n RGB images into rows of numbers [n, d]. Rows are compared by their correlation,
each as it differs from the mean of all: what all pictures have in common is no likeness.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image
from skimage.feature import hog

PALETTE = 16  # colours of an image in so many pixels each way
SIDE, CELL, ORIENTATIONS = 64, 8, 8  # pixels of an image, of a cell; directions of an edge
FLAT = 1e-9  # the length of a row that is only rounding


def colours(images: Sequence[Image.Image]) -> np.ndarray:
    """[n, 768]: 16 x 16 colours of each image, 0 to 1: what is where, without detail."""
    return np.stack([np.asarray(shrink(image), float).ravel() / 255 for image in images])


def shapes(images: Sequence[Image.Image]) -> np.ndarray:
    """[n, 1568]: histograms of oriented gradients of each image: edges, without colours.

    Of the grey image in 64 x 64 pixels, in cells of 8 x 8 and blocks of 2 x 2. (Dalal and Triggs,
    "Histograms of oriented gradients for human detection", 2005.)
    """
    return np.stack([_gradients(image) for image in images])


def shrink(image: Image.Image) -> Image.Image:
    """The image in 16 x 16 pixels."""
    return image.resize((PALETTE, PALETTE), Image.Resampling.BOX)


def correlations(rows: np.ndarray) -> np.ndarray:
    """[n, n]: the correlations of the rows [n, d], near 0 for unrelated ones.

    nan for fewer than three rows, and where one is the mean of all.
    """
    unit = _unit(rows - rows.mean(axis=0))
    if len(rows) < 3 or np.isnan(unit).any():
        return np.full((len(rows), len(rows)), np.nan)
    return unit @ unit.T


def cross_correlations(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """[n, m]: the correlations of rows [n, d] with others [m, d], about the mean of the others.

    nan for a row that is that mean.
    """
    mean = others.mean(axis=0)
    return _unit(rows - mean) @ _unit(others - mean).T


def own_share(similarity: np.ndarray, apart: np.ndarray) -> float:
    """How surely a frame can be told to be its own window's: 1 always, 0.5 by chance.

    `similarity` [frames, windows]: window i is frame i's own. The mean over frames of the share of
    the windows `apart` [frames, windows] that a frame is less like than its own; a tie counts half.
    nan where no frame has a window apart. (The area under the ROC curve.)
    """
    own = np.diag(similarity)[:, None]
    less = np.where(own > similarity, 1.0, np.where(own == similarity, 0.5, 0.0))
    less[np.isnan(similarity) | np.isnan(own)] = 0.5  # nothing can be told
    count = apart.sum(axis=1)
    rows = count > 0
    shares = (less * apart).sum(axis=1)[rows] / count[rows]
    return float(shares.mean()) if rows.any() else float("nan")


def _gradients(image: Image.Image) -> np.ndarray:
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    cell = {"pixels_per_cell": (CELL, CELL), "cells_per_block": (2, 2)}
    return np.asarray(hog(np.asarray(grey, float), ORIENTATIONS, **cell))


def _unit(rows: np.ndarray) -> np.ndarray:
    """The rows in unit length; nan for a row of length 0."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.full(rows.shape, np.nan), where=lengths > FLAT)
