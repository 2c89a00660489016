"""Windows: which words and which frames a frame reads."""

from hypothesis import given
from hypothesis import strategies as st
from pytest import mark, raises

from flopslab.core import windows
from flopslab.core.windows import cone, image_reach, image_window, positions, word_window
from flopslab.errors import ParameterError

lengths = st.integers(1, 60)
diameters = st.integers(0, 14)
intervals = st.integers(1, 7)
multipliers = st.integers(0, 4)
boundaries = st.sampled_from(windows.BOUNDARIES)


@st.composite
def places(draw):
    """(position, length), the position inside the sequence."""
    length = draw(lengths)
    return draw(st.integers(1, length)), length


def test_worked_example_of_diameter_4_at_position_25():
    frames = positions(700)
    assert word_window(25, 700, 4) == range(23, 28)
    assert image_window(25, frames, image_reach(4, 2)) == range(21, 30)


@given(lengths, intervals, st.integers(0, 70))
def test_frames_are_at_every_interval_th_position_up_to_the_limit(length, interval, limit):
    every = [p for p in range(1, length + 1) if (p - 1) % interval == 0]
    assert list(positions(length, interval, limit)) == (every[:limit] if limit else every)


@given(places(), diameters)
def test_a_shifted_word_window_keeps_its_size_inside_the_sequence(place, diameter):
    position, length = place
    window = word_window(position, length, diameter, "shift")
    assert len(window) == min(2 * (diameter // 2) + 1, length)
    assert position in window and window[0] >= 1 and window[-1] <= length


@given(places(), diameters)
def test_a_shifted_word_window_moves_no_farther_than_it_must(place, diameter):
    position, length = place
    radius = diameter // 2
    window = word_window(position, length, diameter, "shift")
    if radius < position <= length - radius:
        assert window == range(position - radius, position + radius + 1)
    else:
        assert window[0] == 1 or window[-1] == length


@given(places(), diameters)
def test_a_clamped_word_window_is_cut_at_the_edges(place, diameter):
    position, length = place
    near = [p for p in range(1, length + 1) if abs(p - position) <= diameter // 2]
    assert list(word_window(position, length, diameter, "clamp")) == near


@mark.parametrize("boundary", windows.BOUNDARIES)
def test_a_sequence_shorter_than_the_window_is_taken_whole(boundary):
    assert word_window(2, 3, 10, boundary) == range(1, 4)


@mark.parametrize(
    ("position", "shift", "clamp"),
    [(1, range(1, 6), range(1, 4)), (2, range(1, 6), range(1, 5)), (9, range(5, 10), range(7, 10))],
)
def test_at_the_edges_of_nine_words_shift_moves_the_window_and_clamp_cuts_it(
    position, shift, clamp
):
    assert word_window(position, 9, 4) == shift
    assert word_window(position, 9, 4, "clamp") == clamp


def test_an_unknown_boundary_is_refused():
    with raises(ParameterError, match="use one of shift, clamp"):
        word_window(1, 9, 4, "wrap")


@given(places(), intervals, st.integers(0, 70), st.integers(0, 30))
def test_the_image_window_holds_the_frames_within_reach(place, interval, limit, reach):
    position, length = place
    frames = positions(length, interval, limit)
    near = [p for p in range(position - reach, position + reach + 1) if p in frames]
    assert list(image_window(position, frames, reach)) == near


def test_an_odd_diameter_reaches_no_farther_than_the_even_one_below_it():
    assert word_window(25, 700, 5) == word_window(25, 700, 4)
    assert image_reach(5, 2) == image_reach(4, 2) == 4


def union_of_cones(position, number, length, frames, diameter, multiplier, boundary):
    """The cone as it is defined: own words and the cones of all frames in the image window."""
    words = set(word_window(position, length, diameter, boundary))
    if number > 1:
        for p in image_window(position, frames, image_reach(diameter, multiplier)):
            words |= union_of_cones(p, number - 1, length, frames, diameter, multiplier, boundary)
    return words


@given(
    places(), st.integers(1, 3), intervals, st.integers(0, 20), diameters, multipliers, boundaries
)
def test_the_cone_is_the_union_of_the_cones_in_the_image_window(
    place, number, interval, limit, diameter, multiplier, boundary
):
    position, length = place
    frames = positions(length, interval, limit)
    arguments = (position, number, length, frames, diameter, multiplier, boundary)
    assert cone(*arguments) == union_of_cones(*arguments)


@given(st.integers(1, 5), diameters, multipliers, boundaries)
def test_in_the_interior_the_cone_has_radius_r_plus_k_minus_1_times_reach(
    number, diameter, multiplier, boundary
):
    radius = diameter // 2 + (number - 1) * image_reach(diameter, multiplier)
    length = 2 * radius + 101
    middle = radius + 51
    interior = set(range(middle - radius, middle + radius + 1))
    assert cone(middle, number, length, positions(length), diameter, multiplier, boundary) == (
        interior
    )


def test_with_a_wide_interval_the_cone_has_gaps():
    frames = positions(100, interval=10)
    words = cone(51, 2, 100, frames, diameter=4, multiplier=5)
    assert words == {*range(39, 44), *range(49, 54), *range(59, 64)}
