"""Windows: which words and which frames a frame sees."""

from hypothesis import given
from hypothesis import strategies as st
from pytest import mark

from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing

lengths = st.integers(1, 60)
diameters = st.integers(0, 14)
intervals = st.integers(1, 7)
multipliers = st.integers(0, 4)
boundaries = st.sampled_from(["shift", "clamp"])


def windowing(length: int, diameter: int = 4, **parameters: object) -> Windowing:
    return Windowing(Study(context_diameter=diameter, **parameters), length)


@st.composite
def places(draw):
    """(position, length), the position inside the sequence."""
    length = draw(lengths)
    return draw(st.integers(1, length)), length


def test_worked_example_of_diameter_4_at_position_25():
    windows = windowing(700)
    assert windows.words(25) == range(23, 28)
    assert windows.images(25) == range(21, 30)


@given(lengths, intervals, st.integers(0, 70))
def test_frames_are_at_every_interval_th_position_up_to_the_limit(length, interval, limit):
    every = [p for p in range(1, length + 1) if (p - 1) % interval == 0]
    windows = windowing(length, frame_interval=interval, limit=limit)
    assert list(windows.positions) == (every[:limit] if limit else every)


@given(places(), diameters)
def test_a_shifted_word_window_keeps_its_size_inside_the_sequence(place, diameter):
    position, length = place
    window = windowing(length, diameter).words(position)
    assert len(window) == min(2 * (diameter // 2) + 1, length)
    assert position in window and window[0] >= 1 and window[-1] <= length


@given(places(), diameters)
def test_a_shifted_word_window_moves_no_farther_than_it_must(place, diameter):
    position, length = place
    radius = diameter // 2
    window = windowing(length, diameter).words(position)
    if radius < position <= length - radius:
        assert window == range(position - radius, position + radius + 1)
    else:
        assert window[0] == 1 or window[-1] == length


@given(places(), diameters)
def test_a_clamped_word_window_is_cut_at_the_edges(place, diameter):
    position, length = place
    near = [p for p in range(1, length + 1) if abs(p - position) <= diameter // 2]
    assert list(windowing(length, diameter, boundary="clamp").words(position)) == near


@mark.parametrize("boundary", ["shift", "clamp"])
def test_a_sequence_shorter_than_the_window_is_taken_whole(boundary):
    assert windowing(3, 10, boundary=boundary).words(2) == range(1, 4)


@mark.parametrize(
    ("position", "shift", "clamp"),
    [(1, range(1, 6), range(1, 4)), (2, range(1, 6), range(1, 5)), (9, range(5, 10), range(7, 10))],
)
def test_at_the_edges_of_nine_words_shift_moves_the_window_and_clamp_cuts_it(
    position, shift, clamp
):
    assert windowing(9).words(position) == shift
    assert windowing(9, boundary="clamp").words(position) == clamp


@given(places(), intervals, st.integers(0, 70), diameters, multipliers)
def test_the_image_window_holds_the_frames_within_reach(
    place, interval, limit, diameter, multiplier
):
    position, length = place
    parameters = {"frame_interval": interval, "limit": limit}
    windows = windowing(length, diameter, image_context_multiplier=multiplier, **parameters)
    reach = diameter // 2 * multiplier
    assert windows.image_reach == reach
    near = [p for p in windows.positions if abs(p - position) <= reach]
    assert list(windows.images(position)) == near


def test_an_odd_diameter_reaches_no_farther_than_the_even_one_below_it():
    assert windowing(700, 5).words(25) == windowing(700, 4).words(25)
    assert windowing(700, 5).image_reach == windowing(700, 4).image_reach == 4


def union_of_cones(windows: Windowing, key: FrameKey) -> set[int]:
    """The cone as it is defined: own words and the cones of all frames in the image window."""
    words = set(windows.words(key.position))
    if key.pass_number > 1:
        for position in windows.images(key.position):
            words |= union_of_cones(windows, FrameKey(key.pass_number - 1, position))
    return words


@given(
    places(), st.integers(1, 3), intervals, st.integers(0, 20), diameters, multipliers, boundaries
)
def test_the_cone_is_the_union_of_the_cones_in_the_image_window(
    place, number, interval, limit, diameter, multiplier, boundary
):
    position, length = place
    parameters = {"frame_interval": interval, "limit": limit, "boundary": boundary}
    windows = windowing(length, diameter, image_context_multiplier=multiplier, **parameters)
    key = FrameKey(number, position)
    assert windows.cone(key) == union_of_cones(windows, key)


@given(st.integers(1, 5), diameters, multipliers, boundaries)
def test_in_the_interior_the_cone_has_radius_r_plus_k_minus_1_times_reach(
    number, diameter, multiplier, boundary
):
    radius = diameter // 2 + (number - 1) * (diameter // 2 * multiplier)
    middle, parameters = radius + 51, {"boundary": boundary}
    windows = windowing(
        2 * radius + 101, diameter, image_context_multiplier=multiplier, **parameters
    )
    assert windows.reach(number) == radius
    interior = set(range(middle - radius, middle + radius + 1))
    assert windows.cone(FrameKey(number, middle)) == interior


def test_with_a_wide_interval_the_cone_has_gaps():
    windows = windowing(100, frame_interval=10, image_context_multiplier=5)
    words = windows.cone(FrameKey(2, 51))
    assert words == {*range(39, 44), *range(49, 54), *range(59, 64)}
