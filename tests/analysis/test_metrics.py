"""Metrics, on images and vectors whose values are known."""

import math

import numpy as np
import pytest
from generators import explains
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from flopslab.analysis import metrics
from flopslab.errors import ParameterError

BLACK, WHITE = (Image.new("RGB", (32, 32), colour) for colour in ("black", "white"))


def noise(seed: int, size: tuple[int, int] = (32, 32)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def units(*angles: float) -> np.ndarray:
    """Unit vectors in a plane, at angles in degrees."""
    radians = np.radians(angles)
    return np.stack([np.cos(radians), np.sin(radians)], -1).astype(np.float32)


@pytest.mark.parametrize(
    "metric", [metrics.pixel_distance, metrics.colour_drift, metrics.mean_colour_drift]
)
def test_a_distance_is_zero_to_itself_and_symmetric(metric):
    assert metric(noise(0), noise(0)) == 0
    assert metric(noise(0), noise(1)) == pytest.approx(metric(noise(1), noise(0)), rel=1e-9)
    assert metric(noise(0), noise(1)) > 0


def test_black_and_white_are_one_apart_and_grey_is_between():
    grey = Image.new("RGB", (32, 32), (51, 51, 51))
    assert metrics.pixel_distance(BLACK, WHITE) == 1
    assert metrics.pixel_distance(BLACK, grey) == pytest.approx(0.2)


def test_ssim_knows_the_same_structure_from_another():
    picture = noise(0)
    lighter = picture.point([min(value + 10, 255) for value in range(256)] * 3)
    assert metrics.ssim(picture, picture) == pytest.approx(1)
    assert metrics.ssim(picture, lighter) > 0.9
    assert abs(metrics.ssim(picture, noise(1))) < 0.1


def test_ssim_of_one_flat_colour_is_the_luminance_term_of_its_definition():
    low, high, steady = 100 / 255, 200 / 255, 0.01**2
    expected = (2 * low * high + steady) / (low**2 + high**2 + steady)
    flat = [Image.new("RGB", (32, 32), (level,) * 3) for level in (100, 200)]
    assert metrics.ssim(*flat) == pytest.approx(expected)


def test_ssim_is_that_of_the_paper():
    """Wang et al., 2004: Gaussian windows of 11 x 11 that lie inside the picture."""
    grey = [noise(seed).convert("L").convert("RGB") for seed in (0, 1)]
    x, y = (np.asarray(image, dtype=float)[..., 0] for image in grey)

    def local(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, 1.5, truncate=3.5)[5:-5, 5:-5]

    means, squares = local(x) * local(y), local(x) ** 2 + local(y) ** 2
    product, spread = local(x * y) - means, local(x**2) + local(y**2) - squares
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = (2 * means + c1) * (2 * product + c2) / ((squares + c1) * (spread + c2))
    assert metrics.ssim(*grey) == pytest.approx(expected.mean(), abs=1e-9)


@pytest.mark.parametrize("size", [(12, 8), (8, 12), (1, 1), (11, 11)])
def test_pictures_smaller_than_a_window_have_an_ssim_too(size):
    assert metrics.ssim(noise(0, size), noise(0, size)) == pytest.approx(1)


@pytest.mark.parametrize("metric", [metrics.pixel_distance, metrics.ssim])
def test_pictures_of_two_sizes_are_not_compared(metric):
    with pytest.raises(ParameterError, match="32") as error:
        metric(BLACK, noise(0, (16, 32)))
    assert explains(error)


def test_drift_of_colour_is_the_distance_in_lab():
    """Black is at L* 0, white at 100, and pure red at (53.24, 80.09, 67.20)."""
    red = Image.new("RGB", (32, 32), (255, 0, 0))
    assert metrics.colour_drift(WHITE, BLACK) == pytest.approx(100, abs=0.01)
    assert metrics.colour_drift(red, BLACK) == pytest.approx(
        math.hypot(53.24, 80.09, 67.2), abs=0.1
    )


def test_drift_of_the_mean_colour_ignores_content_and_is_a_lower_bound():
    grey, halves = Image.new("RGB", (32, 32), (119, 119, 119)), BLACK.copy()
    halves.paste("white", (0, 0, 16, 32))
    assert metrics.mean_colour_drift(WHITE, BLACK) == pytest.approx(100, abs=0.01)
    assert metrics.mean_colour_drift(halves, grey) < 0.5 < metrics.colour_drift(halves, grey)
    darker = noise(0).point([value // 2 for value in range(256)] * 3)
    assert 0 < metrics.mean_colour_drift(darker, noise(0)) <= metrics.colour_drift(darker, noise(0))


def test_drift_of_colour_ignores_where_a_colour_is():
    west, east = BLACK.copy(), BLACK.copy()
    west.paste("red", (0, 0, 16, 32))
    east.paste("red", (16, 0, 32, 32))
    assert metrics.colour_drift(west, east) == 0
    assert metrics.pixel_distance(west, east) > 0.3


def test_drift_of_colour_sees_a_spread_that_the_mean_does_not():
    grey = Image.new("RGB", (32, 32), (119, 119, 119))  # L* 50
    halves = BLACK.copy()
    halves.paste("white", (0, 0, 16, 32))
    assert metrics.colour_drift(halves, grey) == pytest.approx(50, abs=0.5)


def test_contrast_is_the_spread_of_lightness():
    halves = BLACK.copy()
    halves.paste("white", (0, 0, 16, 32))
    assert metrics.contrast(WHITE) == pytest.approx(0, abs=1e-9)
    assert metrics.contrast(halves) == pytest.approx(50, abs=0.01)


def test_blur_takes_sharpness_away_and_a_flat_picture_has_none():
    edges = BLACK.resize((64, 64))
    edges.paste("white", (20, 20, 44, 44))
    images = [edges.filter(ImageFilter.GaussianBlur(radius)) for radius in (0, 1, 2, 4)]
    values = [metrics.sharpness(image) for image in images]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0] / 20
    assert metrics.sharpness(WHITE) == pytest.approx(0, abs=1e-9)


def test_sharpness_of_a_line_is_the_variance_of_its_laplacian():
    line = BLACK.copy()
    line.paste("white", (15, 0, 16, 32))  # of 30 columns inside: 100, -200, 100, else 0
    assert metrics.sharpness(line) == pytest.approx((100**2 + 200**2 + 100**2) / 30, rel=1e-3)


def test_frame_consistency_is_the_mean_cosine_of_neighbours():
    assert metrics.frame_consistency(units(0, 0, 0)) == pytest.approx(1)
    assert metrics.frame_consistency(units(0, 60, 60)) == pytest.approx(0.75)
    assert metrics.frame_consistency(units(0, 90, 0)) == pytest.approx(0, abs=1e-6)


def test_colours_that_all_frames_share_are_no_coherence():
    pictures = [noise(seed) for seed in range(40)]
    assert metrics.colour_coherence(pictures) == pytest.approx(0, abs=0.06)
    twice = [picture for picture in pictures for _ in (0, 1)]
    assert metrics.colour_coherence(twice) == pytest.approx(0.5, abs=0.06)
    assert np.isnan(metrics.colour_coherence([noise(0)] * 5))
    assert np.isnan(metrics.colour_coherence(pictures[:2]))


def test_a_still_sequence_neither_flickers_nor_changes():
    still, flicker = [noise(0)] * 3, [BLACK, WHITE, BLACK]
    assert metrics.temporal_flickering(still) == metrics.frame_ssim(still) == pytest.approx(1)
    assert metrics.temporal_flickering(flicker) == 0
    assert metrics.frame_ssim(flicker) < 0.01


def test_one_frame_has_no_coherence():
    for value in (
        metrics.frame_consistency(units(0)),
        metrics.frame_ssim([BLACK]),
        metrics.temporal_flickering([BLACK]),
        metrics.diversity(units(0)),
    ):
        assert math.isnan(value)


def test_diversity_is_the_mean_cosine_distance_of_all_pairs():
    assert metrics.diversity(units(0, 0, 0)) == pytest.approx(0, abs=1e-6)
    assert metrics.diversity(units(0, 60, 120)) == pytest.approx((0.5 + 0.5 + 1.5) / 3)


def test_clip_score_is_the_cosine_clipped_at_zero_and_weighted():
    assert metrics.clip_score(units(0)[0], units(60)[0]) == pytest.approx(1.25)
    assert metrics.clip_score(units(0)[0], units(180)[0]) == 0
    assert metrics.clip_score(units(0, 0), units(0, 180)) == pytest.approx(1.25)


def test_the_bootstrap_interval_of_a_mean_is_that_of_theory_and_repeats():
    values = np.random.default_rng(1).normal(3, 2, 400)
    low, high = metrics.bootstrap(values, np.random.default_rng(0))
    error = 1.96 * values.std() / math.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - error, values.mean() + error), abs=0.03)
    assert (low, high) == metrics.bootstrap(values, np.random.default_rng(0))


def test_the_bootstrap_takes_other_statistics_and_levels():
    values = np.random.default_rng(1).exponential(size=200)
    wide = metrics.bootstrap(values, np.random.default_rng(0), np.median, level=0.99)
    narrow = metrics.bootstrap(values, np.random.default_rng(0), np.median, level=0.5)
    assert wide[0] < narrow[0] < np.median(values) < narrow[1] < wide[1]
    assert metrics.bootstrap([2.0] * 5, np.random.default_rng(0)) == (2, 2)


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(2)
    intervals = [metrics.bootstrap(random.normal(size=30), random, samples=200) for _ in range(200)]
    coverage = np.mean([low < 0 < high for low, high in intervals])
    assert 0.88 < coverage < 0.99


def test_rows_of_one_seed_stay_together_in_the_bootstrap():
    frames = np.repeat([[0.0], [1.0]], 50, axis=1)  # 2 seeds x 50 equal frames
    assert metrics.bootstrap(frames, np.random.default_rng(0)) == (0, 1)
