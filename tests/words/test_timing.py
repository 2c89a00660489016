"""The normaliser: times never fall, what is missing is filled, what was moved is said once."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flopslab.errors import FlopslabWarning, ParameterError, SequenceError
from flopslab.words.cues import Cue, Fault, Options
from flopslab.words.sequence import parse_sequence
from flopslab.words.timing import BACKWARDS_MS, fill, settle, split_words


def transcript(*rows):
    """A list of words as faster-whisper writes it; rows: (word, start, end) in seconds."""
    return json.dumps([{"word": w, "start": a, "end": b} for w, a, b in rows]).encode()


def times(cues):
    return [(cue.start, cue.end) for cue in cues]


@pytest.mark.parametrize(
    ("stated", "full"),
    [
        ([(0, 100), (None, None), (300, 400)], [(0, 100), (100, 300), (300, 400)]),
        ([(0, None), (None, None), (300, None)], [(0, 150), (150, 300), (300, 700)]),
        ([(0, 100), (None, 200), (300, 400)], [(0, 100), (100, 200), (300, 400)]),
        ([(0, None), (None, 200), (500, 600)], [(0, 100), (100, 200), (500, 600)]),
        ([(None, None), (1000, 1200)], [(600, 1000), (1000, 1200)]),
        ([(None, None), (300, 400)], [(0, 300), (300, 400)]),
        ([(0, 100), (None, None), (None, None)], [(0, 100), (100, 500), (500, 900)]),
    ],
)
def test_missing_times_are_filled_between_neighbours(stated, full):
    assert times(fill([Cue("a", start, end) for start, end in stated])) == full


def test_words_in_order_are_left_as_they_are():
    words, remarks = settle([Cue("a", 0, 100), Cue("b", 100, 100), Cue("c", 500, 600.4)])
    assert [(w.start_ms, w.end_ms) for w in words] == [(0, 100), (100, 100), (500, 600)]
    assert remarks == []


def test_a_word_ends_where_the_next_begins_and_starts_never_fall():
    words, remarks = settle([Cue("a", 0, 220), Cue("b", 200, 300), Cue("c", 80, 400)])
    assert [(w.start_ms, w.end_ms) for w in words] == [(0, 200), (200, 200), (200, 400)]
    assert remarks == ["moved 3 words by at most 120 ms"]


def test_what_was_filled_and_moved_is_said_in_one_warning():
    data = transcript(("a", 0, 0.5), ("b", None, None), ("c", 0.4, 0.9))
    with pytest.warns(FlopslabWarning) as caught:
        parse_sequence(data, "a.json")
    said = "a.json: placed 1 word without times between their neighbours; moved 2 words by"
    assert [str(warning.message)[: len(said)] for warning in caught] == [said]


def test_times_that_run_backwards_by_more_than_a_second_are_an_error_with_the_word():
    data = transcript(
        ("the", 1302.0, 1302.4), ("last", 1302.6, 1302.8), ("R.S.C.", 1300.161, 1303.0)
    )
    with pytest.raises(SequenceError, match=r"backwards by 2,439 ms at word 3 \(R\.S\.C\.\)"):
        parse_sequence(data, "a.json")
    with pytest.raises(SequenceError, match=r"backwards by 2,000 ms at word 1 \(a\)"):
        parse_sequence(transcript(("a", 5, 3)), "a.json")


def test_a_thousand_hours_are_the_limit():
    with pytest.raises(SequenceError, match=r"start is 3600001\.0"):
        parse_sequence(transcript(("a", 3600001.0, None)), "a.json")


seconds = st.one_of(st.none(), st.floats(0, 5), st.integers(0, 5))
rows = st.lists(st.tuples(st.text("ab", min_size=1), seconds, seconds), min_size=1)


@pytest.mark.filterwarnings("ignore::flopslab.errors.FlopslabWarning")
@given(rows)
def test_whatever_the_times_they_rise_or_are_an_error(rows):
    try:
        words = parse_sequence(transcript(*rows), "a.json")
    except SequenceError as error:
        assert "backwards" in str(error)
        return
    assert [word.text for word in words] == [text for text, _, _ in rows]
    if words[0].start_ms is not None:
        borders = [time for word in words for time in (word.start_ms, word.end_ms)]
        assert borders == sorted(borders) and all(isinstance(time, int) for time in borders)


@given(st.permutations(range(6)))
def test_shuffled_words_are_an_error_or_moved_by_a_second_at_most(order):
    cues = [Cue("a", index * 300, index * 300 + 200) for index in order]
    distance = max(max(order[: i + 1]) - index for i, index in enumerate(order)) * 300
    if distance > BACKWARDS_MS:
        with pytest.raises(Fault):
            settle(cues)
    else:
        assert len(settle(cues)[0]) == 6


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("“Hello,” she said—softly.", ["Hello", "she", "said", "softly"]),
        ("don't 'tis the dogs'", ["don't", "'tis", "the", "dogs'"]),
        ("'quoted' ’em", ["quoted", "’em"]),
        ("$5 C# 🔥 ...", ["$5", "C", "🔥"]),
        ("mother-in-law -- ' '", ["mother-in-law"]),
    ],
)
def test_punctuation_is_dropped_at_the_edges_of_words_only(line, words):
    assert split_words(line) == words


def test_options_that_are_none_are_refused():
    with pytest.raises(ParameterError, match="'words'"):
        Options(unit="words")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ParameterError, match="offset_ms"):
        Options(offset_ms=10**12)
