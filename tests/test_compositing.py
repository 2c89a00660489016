"""Compositing: how neighbouring frames become an image to start from."""

import shutil
import subprocess

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pytest import approx, mark, raises

from flopslab.compositing import (
    METHODS,
    Context,
    Neighbour,
    compose,
    from_linear,
    grid_layout,
    montage,
    to_linear,
    triangle,
)
from flopslab.errors import ParameterError

SIZE = (24, 16)


def noise(seed, size=SIZE):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def flat(level, size=SIZE):
    return Image.new("RGB", size, (level, level, level))


def same(first, second):
    return first.size == second.size and first.tobytes() == second.tobytes()


def imagemagick_montage(images, columns, folder):
    paths = [folder / f"{index:02d}.png" for index in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        image.save(path)
    options = ["-tile", f"{columns}x", "-geometry", "+0+0", "-background", "black"]
    result = folder / "montage.png"
    subprocess.run(["montage", *paths, *options, result], check=True, timeout=60)
    with Image.open(result) as sheet:
        return sheet.convert("RGB")


@mark.skipif(not shutil.which("montage"), reason="ImageMagick is not installed")
@mark.parametrize("count", range(1, 17))
def test_a_grid_is_what_imagemagick_montage_makes(count, tmp_path):
    images = [noise(seed) for seed in range(count)]
    columns, _ = grid_layout(count)
    assert same(montage(images), imagemagick_montage(images, columns, tmp_path))


@given(st.integers(1, 500))
def test_a_grid_has_ceil_sqrt_n_columns_and_no_empty_row(count):
    columns, rows = grid_layout(count)
    assert (columns - 1) ** 2 < count <= columns**2
    assert columns * (rows - 1) < count <= columns * rows


def test_cells_that_are_left_over_are_black():
    sheet = montage([flat(200)] * 5)
    assert sheet.size == (3 * 24, 2 * 16)
    assert sheet.crop((2 * 24, 16, 3 * 24, 2 * 16)).getextrema() == ((0, 0),) * 3


def test_a_grid_is_scaled_to_the_models_size_with_lanczos():
    images = [noise(seed) for seed in range(9)]
    context = compose("grid", [Neighbour(i - 4, image) for i, image in enumerate(images)], SIZE)
    assert same(context.init, montage(images).resize(SIZE, Image.Resampling.LANCZOS))


def test_weights_fall_linearly_from_the_centre_and_are_never_zero():
    assert triangle([-2, -1, 0, 1, 2]) == approx(np.array([1, 2, 3, 2, 1]) / 9)
    assert triangle([-8, -4, 0]) == approx(np.array([1, 5, 9]) / 15)


@given(st.lists(st.integers(-50, 50), min_size=1, unique=True))
def test_the_weights_share_one_whole_and_the_nearest_has_most(offsets):
    weights = triangle(offsets)
    assert weights.sum() == approx(1) and weights.min() > 0 and weights.dtype == np.float32
    assert abs(offsets[int(weights.argmax())]) == min(map(abs, offsets))


def test_a_blend_is_the_weighted_mean_of_light_not_of_code_values():
    context = compose("blend", [Neighbour(-1, flat(0)), Neighbour(1, flat(255))], SIZE)
    assert same(context.init, flat(188))  # half of the light of 255; 128 would be a fifth


def test_a_blend_follows_its_definition_on_any_pixels():
    frames = [Neighbour(offset, noise(offset + 9)) for offset in (-2, 0, 1)]
    light = sum(
        w * to_linear(frame.image).astype(float)
        for w, frame in zip((1 / 6, 3 / 6, 2 / 6), frames, strict=True)
    )
    expected = np.asarray(from_linear(light), dtype=int)
    blended = np.asarray(compose("blend", frames, SIZE).init, dtype=int)
    assert np.abs(blended - expected).max() <= 1 and (blended == expected).mean() > 0.99


def test_every_level_survives_the_way_to_linear_light_and_back():
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    light = to_linear(Image.fromarray(levels))
    assert light.dtype == np.float32 and light.min() == 0 and light.max() == 1
    assert same(from_linear(light), Image.fromarray(levels))


@mark.parametrize("method", METHODS)
def test_without_neighbours_there_is_nothing_to_start_from(method):
    assert compose(method, [], SIZE) == Context(init=None, references=())


@mark.parametrize("method", METHODS)
def test_a_single_neighbour_is_taken_as_it_is(method):
    assert same(compose(method, [Neighbour(0, noise(1))], SIZE).init, noise(1))


@mark.parametrize("method", METHODS)
@settings(max_examples=10)
@given(st.permutations([-3, -1, 0, 2, 3]))
def test_neighbours_are_taken_in_sequence_order_however_they_come(method, offsets):
    def init(offsets):
        return compose(method, [Neighbour(o, noise(o + 9)) for o in offsets], SIZE).init

    assert same(init(offsets), init(sorted(offsets)))


@mark.parametrize("method", METHODS)
def test_a_context_has_the_models_size(method):
    frames = [Neighbour(offset, noise(offset + 9)) for offset in (-1, 0, 1)]
    assert compose(method, frames, (40, 32)).init.size == (40, 32)


@mark.parametrize("method", METHODS)
def test_the_same_neighbours_give_the_same_bytes_and_stay_as_they_were(method):
    frames = [Neighbour(offset, noise(offset + 9)) for offset in (-1, 0, 1)]
    first, second = (compose(method, frames, SIZE).init for _ in range(2))
    assert same(first, second)
    assert all(same(frame.image, noise(frame.offset + 9)) for frame in frames)


@mark.parametrize("method", METHODS)
def test_a_flat_field_stays_flat(method):
    frames = [Neighbour(offset, flat(77)) for offset in range(-4, 5)]
    assert same(compose(method, frames, SIZE).init, flat(77))


@mark.parametrize("method", METHODS)
def test_a_method_says_what_it_does_and_that_it_has_no_image_weight(method):
    assert METHODS[method].summary and METHODS[method].weighs_images is False


def test_an_unknown_method_is_refused():
    with raises(ParameterError, match="use one of grid, blend"):
        compose("gird", [], SIZE)


def test_neighbours_of_different_sizes_are_refused():
    with raises(ParameterError, match="images of sizes"):
        compose("grid", [Neighbour(0, noise(1)), Neighbour(1, noise(2, (8, 8)))], SIZE)
