"""Metrics of images and of sequences of images, and the confidence interval of a mean.

Pure functions. Images are PIL images in RGB; their pixel values are taken as 0 to 1. Embeddings
are those of an embedder (see `flopslab.analysis.embedder`): rows of unit length, one for each
frame, in order. The mean of no values, such as the coherence of a single frame, is nan.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image
from scipy import stats
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from skimage.color import rgb2lab
from skimage.metrics import structural_similarity

from flopslab.analysis import descriptors
from flopslab.errors import ParameterError

CLIP_WEIGHT = 2.5  # of CLIPScore
WINDOW = 11  # width and height of SSIM's window, in pixels


# Two images


def pixel_difference(a: Image.Image, b: Image.Image) -> np.ndarray:
    """[height, width, 3]: the pixels of `a` minus those of `b`, in [-1, 1]."""
    _check_comparable(a, b)
    return _pixels(a) - _pixels(b)


def pixel_distance(a: Image.Image, b: Image.Image) -> float:
    """Mean absolute difference of the pixels, 0 (equal) to 1 (black against white)."""
    return float(np.abs(pixel_difference(a, b)).mean())


def ssim(a: Image.Image, b: Image.Image) -> float:
    """Structural similarity, up to 1 (equal); near 0 or below it for unrelated structure.

    The mean over the three channels, with the Gaussian window of Wang, Bovik, Sheikh and
    Simoncelli, "Image quality assessment: from error visibility to structural similarity", 2004.
    """
    _check_comparable(a, b)
    side = min(WINDOW, *a.size)
    similarity = structural_similarity(
        _pixels(a),
        _pixels(b),
        win_size=side - 1 + side % 2,  # odd; smaller only for an image smaller than the window
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
        channel_axis=2,
    )
    assert not isinstance(similarity, tuple)  # it is one only with a gradient or an SSIM map
    return float(similarity)


def colour_drift(frame: Image.Image, reference: Image.Image) -> float:
    """Distance of the palette from the reference's, in CIE L*a*b*; about 2.3 is just noticeable.

    The earth mover's distance between colours, wherever in the image they are: the mean of the
    Euclidean distances in Lab when each of the 16 x 16 colours of one image is moved to one of
    the other's, at the least total. It is at least the distance between the mean colours.
    (Rubner, Tomasi and Guibas, "The earth mover's distance as a metric for image retrieval", 2000.)
    """
    distances = cdist(_palette(frame), _palette(reference))
    return float(distances[linear_sum_assignment(distances)].mean())


def mean_colour_drift(frame: Image.Image, reference: Image.Image) -> float:
    """Distance of the mean colour from the reference's, in units of CIE L*a*b*.

    It measures the colour cast alone, not a change of content, and is a lower bound of
    `colour_drift`. (The colour difference of 1976, in CIE 15:2004.)
    """
    return float(np.linalg.norm(_palette(frame).mean(0) - _palette(reference).mean(0)))


# One image


def contrast(image: Image.Image) -> float:
    """RMS contrast: the standard deviation of lightness L* (0 to 100), so 0 to 50.

    (Peli, "Contrast in complex images", 1990, there of luminance.)
    """
    return float(_lightness(image).std())


def sharpness(image: Image.Image) -> float:
    """Variance of the Laplacian of lightness L*: 0 is flat, blur lowers it, noise raises it.

    (Pech-Pacheco, Cristobal, Chamorro-Martinez and Fernandez-Valdivia, "Diatom autofocusing in
    brightfield microscopy: a comparative study", 2000.)
    """
    lightness = _lightness(image)
    neighbours = (
        lightness[1:-1, :-2] + lightness[1:-1, 2:] + lightness[:-2, 1:-1] + lightness[2:, 1:-1]
    )
    return float((neighbours - 4 * lightness[1:-1, 1:-1]).var())


# A sequence


def frame_consistency(embeddings: np.ndarray) -> float:
    """Mean cosine of the embeddings [n, d] of adjacent frames, up to 1.

    (The frame consistency of Esser et al., "Structure and content-guided video synthesis with
    diffusion models", 2023, and of later work on video.)
    """
    return _mean(cosine(embeddings[:-1], embeddings[1:]))


def frame_ssim(images: Sequence[Image.Image]) -> float:
    """Mean `ssim` of adjacent frames, up to 1: coherence of structure, without an embedder."""
    return _mean([ssim(before, after) for before, after in itertools.pairwise(images)])


def colour_correlations(images: Sequence[Image.Image]) -> np.ndarray:
    """[n, n]: the correlations of the frames' colours, near 0 for unrelated ones.

    Of 16 x 16 colours of each frame, as they differ from the mean of all frames: what all have in
    common is no likeness. nan for fewer than three frames, and for equal ones.
    """
    return descriptors.correlations(descriptors.colours(images))


def colour_coherence(images: Sequence[Image.Image]) -> float:
    """Mean of the `colour_correlations` of adjacent frames, up to 1; nan where they are."""
    return _mean(np.diag(colour_correlations(images), 1))


def shape_coherence(images: Sequence[Image.Image]) -> float:
    """The same of the frames' edges, see `descriptors.shapes`: no colour, and no model."""
    return _mean(np.diag(descriptors.correlations(descriptors.shapes(images)), 1))


def temporal_flickering(images: Sequence[Image.Image]) -> float:
    """One minus the mean `pixel_distance` of adjacent frames: 1 is no flicker.

    (Huang et al., "VBench: comprehensive benchmark suite for video generative models", 2024.)
    """
    return 1 - _mean(
        [pixel_distance(before, after) for before, after in itertools.pairwise(images)]
    )


def diversity(embeddings: np.ndarray) -> float:
    """Mean cosine distance between the embeddings [n, d] of any two frames, 0 (all alike) to 2."""
    above = np.triu_indices(len(embeddings), k=1)
    return _mean(1 - (embeddings @ embeddings.T)[above])


# Embeddings


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[...]: the cosines of unit vectors [..., d], pair by pair."""
    return (a * b).sum(-1)


def clip_score(image_embedding: np.ndarray, text_embedding: np.ndarray) -> float:
    """CLIPScore, 0 to 2.5: of unit vectors [d], or the mean over pairs [n, d].

    2.5 max(cosine, 0). Published scores are those of CLIP ViT-B/32; other models have other
    ranges. (Hessel et al., "CLIPScore: a reference-free evaluation metric for image captioning",
    2021.)
    """
    scores = CLIP_WEIGHT * np.maximum(cosine(image_embedding, text_embedding), 0)
    return _mean(scores)


# Uncertainty


def bootstrap(
    values: Sequence[float] | np.ndarray,
    random: np.random.Generator,
    statistic: Callable[[np.ndarray], float] = np.mean,
    level: float = 0.95,
    samples: int = 2000,
) -> tuple[float, float]:
    """(low, high): the percentile bootstrap interval of a statistic of independent values [n, ...].

    Whole rows are resampled, with replacement: give a row for each seed, not for each frame of one
    seed. (Efron, "Bootstrap methods: another look at the jackknife", 1979.)
    """
    rows = np.asarray(values)
    if len(rows) == 1:
        return float(statistic(rows)), float(statistic(rows))
    interval = stats.bootstrap(
        (np.arange(len(rows)),),
        lambda index: statistic(rows[index]),
        vectorized=False,
        method="percentile",
        n_resamples=samples,
        confidence_level=level,
        rng=random,
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if np.size(values) else float("nan")


def _pixels(image: Image.Image) -> np.ndarray:
    """[height, width, 3] from 0 to 1."""
    return np.asarray(image, dtype=float) / 255


def _lightness(image: Image.Image) -> np.ndarray:
    """[height, width]: L* from 0 to 100."""
    return rgb2lab(_pixels(image))[..., 0]


def _palette(image: Image.Image) -> np.ndarray:
    """[256, 3]: the colours in Lab."""
    return rgb2lab(_pixels(descriptors.shrink(image))).reshape(-1, 3)


def _check_comparable(a: Image.Image, b: Image.Image) -> None:
    if a.size != b.size or {a.mode, b.mode} != {"RGB"}:
        raise ParameterError(
            "a comparison of two images, pixel by pixel",
            f"{a.mode} {a.size} and {b.mode} {b.size}",
            "give two RGB images of one size",
        )
