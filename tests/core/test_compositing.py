"""Compositing: how neighbouring frames become what a new frame starts from and looks at."""

import shutil
import subprocess

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pytest import approx, mark, raises

from flopslab.colour import from_linear, to_linear
from flopslab.core.compositing import (
    METHODS,
    Context,
    Neighbour,
    cell_size,
    compose,
    grid_layout,
    mean_latents,
    montage,
)
from flopslab.core.neighbours import weights_by_distance
from flopslab.errors import ParameterError

SIZE = (24, 16)
WITH_INIT = ["grid", "blend", "ip_adapter"]


def noise(seed, size=SIZE):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def flat(level, size=SIZE):
    return Image.new("RGB", size, (level, level, level))


def latents(seed, shape=(4, 16, 16)):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def neighbours(offsets, image=lambda offset: noise(offset + 9), distance_weights="triangle"):
    """Frames at these offsets, with their weights and latents."""
    shares = weights_by_distance(distance_weights, offsets)
    return [
        Neighbour(offset, image(offset), share, latents(offset + 9))
        for offset, share in zip(offsets, shares, strict=True)
    ]


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
    columns, rows = grid_layout(count)
    sheet = montage(images, (columns * SIZE[0], rows * SIZE[1]))
    assert same(sheet, imagemagick_montage(images, columns, tmp_path))


@given(st.integers(1, 500))
def test_a_grid_has_ceil_sqrt_n_columns_and_no_empty_row(count):
    columns, rows = grid_layout(count)
    assert (columns - 1) ** 2 < count <= columns**2
    assert columns * (rows - 1) < count <= columns * rows


@given(st.integers(1, 60), st.integers(1, 90), st.integers(1, 90))
def test_a_grid_covers_every_pixel_in_order_whatever_the_size(count, width, height):
    """Cell i of n begins at floor(i * width / n); what no cell has is black."""
    columns, rows = grid_layout(count)
    cell = cell_size(count, (width, height))
    levels = [Image.new("RGB", cell, (1 + index,) * 3) for index in range(count)]
    column = np.repeat(np.arange(columns), np.diff(np.arange(columns + 1) * width // columns))
    row = np.repeat(np.arange(rows), np.diff(np.arange(rows + 1) * height // rows))
    index = row[:, None] * columns + column
    expected = np.where(index < count, 1 + index, 0)
    assert (np.asarray(montage(levels, (width, height)))[..., 0] == expected).all()


def test_cells_that_are_left_over_are_black():
    sheet = montage([flat(200)] * 5, (3 * 24, 2 * 16))
    assert sheet.crop((2 * 24, 16, 3 * 24, 2 * 16)).getextrema() == ((0, 0),) * 3


def test_a_grid_shows_each_frame_scaled_to_its_cell_with_lanczos():
    frames = [Neighbour(index - 4, noise(index)) for index in range(9)]
    init = compose("grid", frames, (30, 21)).init
    for index, frame in enumerate(frames):
        left, top = index % 3 * 10, index // 3 * 7
        cell = frame.image.resize((10, 7), Image.Resampling.LANCZOS)
        assert same(init.crop((left, top, left + 10, top + 7)), cell)


def test_a_grid_is_the_scaled_montage_but_for_the_filters_reach_over_borders():
    """Lanczos looks at three pixels of the result on either side; no further can they differ.

    The montage mixes frames across their borders, here flat ones of different levels.
    """
    frames = [Neighbour(level, flat(20 * level, (96, 96))) for level in range(9)]
    sheet = montage([frame.image for frame in frames], (288, 288))
    scaled = np.asarray(sheet.resize((96, 96), Image.Resampling.LANCZOS), dtype=int)
    init = np.asarray(compose("grid", frames, (96, 96)).init, dtype=int)
    inside = np.arange(96) % 32
    inside = (inside >= 3) & (inside < 29)
    difference = np.abs(init - scaled)
    assert difference[np.ix_(inside, inside)].max() == 0 < difference.max()


def test_what_is_derived_from_a_frame_is_kept_by_name():
    memory, image = {}, noise(1, (96, 64))

    def keep(name, make):
        return memory.setdefault(name, None) or memory.__setitem__(name, make()) or memory[name]

    first, second = (Neighbour(offset, image, keep=keep) for offset in (0, 1))
    assert first.scaled((32, 20)) is second.scaled((32, 20))
    assert first.scaled((32, 20)) is not first.scaled((20, 32))
    assert first.scaled((96, 64)) is image and len(memory) == 2


def test_a_blend_is_the_weighted_mean_of_light_not_of_code_values():
    context = compose("blend", [Neighbour(-1, flat(0), 0.5), Neighbour(1, flat(255), 0.5)], SIZE)
    assert same(context.init, flat(188))  # half of the light of 255; 128 would be a fifth


def test_a_blend_follows_its_definition_on_any_pixels():
    frames = neighbours([-2, 0, 1])
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


# Latents


def test_the_mean_of_independent_latents_keeps_their_variance():
    shares = weights_by_distance("triangle", range(-4, 5))
    stack = np.stack([latents(seed, (4, 64, 64)) for seed in range(9)])
    plain = sum(w * z for w, z in zip(shares, stack, strict=True))
    kept = mean_latents(stack, shares)
    assert plain.std() == approx(np.sqrt(np.square(shares).sum()), rel=0.02), "what is lost"
    assert kept.std() == approx(1, rel=0.02) and kept.dtype == np.float32
    assert np.corrcoef(kept.ravel(), plain.ravel())[0, 1] > 0.999, "the same picture, stronger"


def test_equal_latents_stay_as_they_are():
    kept = mean_latents(np.stack([latents(1)] * 5), weights_by_distance("triangle", range(-2, 3)))
    np.testing.assert_allclose(kept, latents(1), atol=1e-6)


def test_the_mean_of_each_channel_is_the_weighted_mean():
    stack = np.stack([latents(n) + n for n in range(3)])
    kept = mean_latents(stack, [0.25, 0.5, 0.25])
    expected = (stack * np.array([0.25, 0.5, 0.25])[:, None, None, None]).sum(0).mean((1, 2))
    np.testing.assert_allclose(kept.mean((1, 2)), expected, atol=1e-6)


def test_opposite_latents_are_not_blown_up_beyond_what_independent_ones_lose():
    almost = np.stack([latents(1), -latents(1) + 0.01 * latents(2)])
    assert mean_latents(almost, [0.5, 0.5]).std() < 0.01
    assert (mean_latents(np.zeros((2, 4, 8, 8)), [0.5, 0.5]) == 0).all()


def test_latents_enter_without_a_picture_between():
    context = compose("latent", neighbours([-1, 0, 1]), SIZE)
    stack = np.stack([latents(offset + 9) for offset in (-1, 0, 1)])
    assert context.init is None and context.references == ()
    assert (context.latents == mean_latents(stack, [0.25, 0.5, 0.25])).all()


def test_neighbours_without_latents_are_refused():
    with raises(ParameterError, match="without latents"):
        compose("latent", [Neighbour(0, noise(1), 1.0)], SIZE)


# References


def test_neighbours_are_looked_at_by_weight_and_the_frames_own_is_the_start():
    frames = neighbours([-1, 0, 1])
    context = compose("ip_adapter", frames, SIZE, strength=0.5, image_weight=0.7)
    assert same(context.init, noise(9)) and context.image_weight == 0.7
    assert [weight for _, weight in context.references] == [0.25, 0.5, 0.25]
    assert all(same(i, f.image) for (i, _), f in zip(context.references, frames, strict=True))


def test_at_strength_1_a_frame_that_looks_at_images_starts_from_noise():
    assert compose("ip_adapter", neighbours([-1, 0, 1]), SIZE, strength=1.0).init is None


def test_at_image_weight_0_no_image_is_looked_at():
    context = compose("ip_adapter", neighbours([-1, 0, 1]), SIZE, image_weight=0.0)
    assert context.references == () and same(context.init, noise(9))


# What all methods keep to


@mark.parametrize("method", METHODS)
def test_without_neighbours_there_is_nothing_to_start_from(method):
    assert compose(method, [], SIZE) == Context(init=None, references=())


@mark.parametrize("method", METHODS)
def test_a_single_neighbour_is_taken_as_it_is(method):
    context = compose(method, neighbours([0]), SIZE)
    if METHODS[method].takes_latents:
        assert (context.latents == latents(9)).all()
    else:
        assert same(context.init, noise(9))


@mark.parametrize("method", METHODS)
@settings(max_examples=10)
@given(st.permutations([-3, -1, 0, 2, 3]))
def test_neighbours_are_taken_in_sequence_order_however_they_come(method, offsets):
    mixed, in_order = (
        compose(method, neighbours(given), SIZE) for given in (offsets, sorted(offsets))
    )
    assert content(mixed) == content(in_order)


def content(context):
    """All that a context holds, to compare."""
    init = context.init and context.init.tobytes()
    start = context.latents is not None and context.latents.tobytes()
    return init, start, [(image.tobytes(), weight) for image, weight in context.references]


@mark.parametrize("method", WITH_INIT)
def test_an_init_image_has_the_models_size(method):
    assert compose(method, neighbours([-1, 0, 1]), (40, 32)).init.size == (40, 32)


@mark.parametrize("method", METHODS)
def test_the_same_neighbours_give_the_same_bytes_and_stay_as_they_were(method):
    frames = neighbours([-1, 0, 1])
    first, second = (compose(method, frames, SIZE) for _ in range(2))
    assert content(first) == content(second)
    assert all(same(frame.image, noise(frame.offset + 9)) for frame in frames)
    assert all((frame.latents == latents(frame.offset + 9)).all() for frame in frames)


@mark.parametrize("method", WITH_INIT)
def test_a_flat_field_stays_flat(method):
    frames = neighbours(range(-4, 5), lambda _: flat(77))
    assert same(compose(method, frames, SIZE).init, flat(77))


def test_each_method_says_what_it_does_and_which_weights_it_has():
    weighs = {name: (m.weighs_neighbours, m.weighs_images) for name, m in METHODS.items()}
    assert weighs == {
        "grid": (False, False),
        "blend": (True, False),
        "latent": (True, False),
        "ip_adapter": (True, True),
    }
    assert all(method.summary for method in METHODS.values())


def test_an_unknown_method_is_refused():
    with raises(ParameterError, match="use one of grid, blend, latent, ip_adapter"):
        compose("gird", [], SIZE)


def test_neighbours_of_different_sizes_are_refused():
    with raises(ParameterError, match="images of sizes"):
        compose("grid", [Neighbour(0, noise(1)), Neighbour(1, noise(2, (8, 8)))], SIZE)
