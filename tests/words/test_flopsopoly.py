"""The flopsopoly: each next word is the farthest from the centroid of those before it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flopslab.errors import ParameterError, SequenceError
from flopslab.words.flopsopoly import build, find_returns, measure_evenness, order, parse_gap
from flopslab.words.pool import Pool
from flopslab.words.sequence import read_timed_sequence


def literal_order(sizes, vectors):
    """The algorithm as its description has it: a pool of copies, a centroid, the farthest one."""
    pool = [index for index, size in enumerate(sizes) for _ in range(size)]
    sequence, centroid = [], np.zeros(vectors.shape[1])
    while pool:
        distances = [cosine_distance(centroid, vectors[index]) for index in pool]
        sequence.append(pool.pop(max(range(len(pool)), key=distances.__getitem__)))
        centroid = np.mean([vectors[index] for index in sequence], axis=0)
    return sequence


def cosine_distance(one, two):
    return 1 - float(one @ two) / (np.linalg.norm(one) * np.linalg.norm(two) + 1e-10)


def random_pool(seed):
    rng = np.random.default_rng(seed)
    count, width = rng.integers(1, 10), rng.integers(2, 12)
    vectors = rng.normal(size=(count, width)) * rng.uniform(0.5, 2, size=(count, 1))
    return rng.integers(1, 8, count).tolist(), vectors


@pytest.mark.parametrize("seed", range(200))
def test_the_order_is_that_of_the_literal_algorithm(seed):
    sizes, vectors = random_pool(seed)
    assert order(sizes, vectors, no_repeat=False) == literal_order(sizes, vectors)


def test_of_words_with_equal_embeddings_the_first_in_the_pool_comes_first():
    vectors = np.array([[1.0, 0], [0, 1], [0, 1], [1, 0]])
    assert order([2, 2, 1, 1], vectors, no_repeat=False) == literal_order([2, 2, 1, 1], vectors)


sizes_and_seed = st.tuples(st.lists(st.integers(1, 7), min_size=1, max_size=8), st.integers(0, 99))


@given(sizes_and_seed)
def test_each_word_comes_as_often_as_its_size_and_never_twice_in_a_row_if_that_can_be(case):
    sizes, seed = case
    indices = order(sizes, np.random.default_rng(seed).normal(size=(len(sizes), 4)))
    assert np.bincount(indices, minlength=len(sizes)).tolist() == sizes
    repeats = sum(one == two for one, two in pairwise(indices))
    starts_with_rare = sizes[0] < max(sizes)
    if 2 * max(sizes) <= sum(sizes) + (0 if starts_with_rare else 1):
        assert repeats == 0


def test_words_that_all_look_alike_still_take_turns():
    assert order([3, 3], np.ones((2, 4))) == [0, 1, 0, 1, 0, 1]


def test_one_word_is_repeated():
    assert order([3], np.ones((1, 2))) == [0, 0, 0]


def test_a_word_at_the_centre_of_its_pool_is_as_near_as_any():
    assert order([2], np.zeros((1, 2))) == [0, 0]


@pytest.fixture
def pool():
    vectors = np.array([[1.0, 0], [0, 1], [0.6, 0.8]])
    return Pool(("sea", "fire", "lake"), (2, 2, 1), vectors)


def test_a_sequence_has_sizes_occurrences_and_times_with_gaps_between(pool):
    sequence = build(pool)
    assert [(w.text, w.size, w.instance) for w in sequence.words] == [
        ("sea", 2, 1), ("fire", 2, 1), ("sea", 2, 2), ("fire", 2, 2), ("lake", 1, 1),
    ]  # fmt: skip
    assert {two.start_ms - one.end_ms for one, two in pairwise(sequence.words)} == {500}
    assert sequence.total_duration_ms == sequence.words[-1].end_ms
    assert sequence.inter_word_silence_ms == 500


def test_gaps_by_distance_are_short_between_words_that_are_alike(pool):
    sequence = build(pool, gap_ms=(200, 800))
    assert [two.start_ms - one.end_ms for one, two in pairwise(sequence.words)] == [
        800,
        800,
        800,
        320,
    ]
    assert sequence.inter_word_silence_ms is None


def test_without_what_the_words_have_in_common_their_copies_spread_wider():
    vectors = np.random.default_rng(0).normal(size=(40, 16)) + 4
    pool = Pool(tuple(map(str, range(40))), (5,) * 40, vectors)
    raw, centred = (
        measure_evenness([word.text for word in build(pool, centre=centre).words])
        for centre in (False, True)
    )
    assert raw.spread < 0.3 < 0.6 < centred.spread


def test_the_first_word_can_be_chosen(pool):
    assert build(pool, first_word="lake").words[0].text == "lake"
    with pytest.raises(ParameterError, match="'moon'"):
        build(pool, first_word="moon")


def test_a_pool_without_embeddings_cannot_be_ordered():
    with pytest.raises(SequenceError, match="an embedding for each word"):
        build(Pool(("sea",), (1,)))


def test_progress_counts_every_word(pool):
    steps = []
    build(pool, advance=steps.append)
    assert sum(steps) == 5


def test_a_gap_is_one_number_or_two():
    assert parse_gap("500") == 500 and parse_gap("200-800") == (200, 800)
    with pytest.raises(ParameterError, match="'soon'"):
        parse_gap("soon")


def test_evenness_of_a_clock_and_of_a_heap():
    even = measure_evenness(["a", "b"] * 4)
    assert (even.repeats, even.spacing_cv, even.spread, even.half_way) == (0, 0, 1, 1)
    heap = measure_evenness(["a", "a", "a", "b", "c", "d", "a"])
    assert heap.repeats == 2 and heap.spacing_cv > 0.5 and heap.half_way == 0.5
    assert measure_evenness(["a", *"bcdefg", "x", "y", "x", "y", "x"]).spread == 0.5
    assert measure_evenness(["a"]).spacing_cv is measure_evenness(["a"]).spread is None
    assert find_returns(["a", "b", "a", "a"]) == {"a": [2, 1], "b": []}


def test_the_shipped_sequence_never_says_a_word_twice_in_a_row_and_holds_every_copy():
    words = read_timed_sequence("full").words
    assert measure_evenness([word.text for word in words]).repeats == 0
    sizes = {word.text: word.size for word in words}
    assert len(words) == sum(sizes.values()) == 700
    assert max(word.instance for word in words) == 7
