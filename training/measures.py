"""Measures of pictures: sharpness, noise against a reference, and features of shape and colour."""

from collections.abc import Sequence

import numpy as np
from PIL import Image
from skimage.feature import hog
from skimage.filters import laplace

Pictures = Sequence[Image.Image]


def _grey(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("L"), np.float32) / 255


def sharpness(pictures: Pictures) -> float:
    """The mean variance of the pictures' Laplacian; higher is sharper, and busier."""
    return float(np.mean([laplace(_grey(picture)).var() for picture in pictures]))


def psnr(pictures: Pictures, references: Pictures) -> float:
    """The mean peak signal-to-noise ratio of pictures against references, in dB."""

    def ratio(a: Image.Image, b: Image.Image) -> float:
        difference = np.asarray(a, np.float32) - np.asarray(b, np.float32)
        return float(-10 * np.log10(np.square(difference / 255).mean() + 1e-10))

    return float(np.mean([ratio(a, b) for a, b in zip(pictures, references, strict=True)]))


def shape_features(pictures: Pictures) -> np.ndarray:
    """Histograms of oriented gradients (Dalal and Triggs 2005) of cells of 8 pixels, [n, d]."""
    return np.stack(
        [
            hog(_grey(picture), orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2))
            for picture in pictures
        ]
    ).astype(np.float32)


def colour_features(pictures: Pictures, side: int = 32) -> np.ndarray:
    """The pictures reduced to side x side, in [0, 1], [n, d]."""
    small = [picture.resize((side, side), Image.Resampling.BOX) for picture in pictures]
    return np.stack([np.asarray(picture, np.float32).ravel() / 255 for picture in small])
