"""When each picture is seen, and what is remarked about it."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flopslab.errors import ParameterError, RunError
from flopslab.film.settings import FilmSettings
from flopslab.film.timeline import Shot, frame_at, instants, timeline, too_short


def manifest(times, *, interval=1, limit=None, **fields) -> dict:
    """What a film reads of a manifest whose words w1, w2, ... have these (start, end)."""
    sequence = [
        {"word": f"w{k}"} | ({"start_ms": time[0], "end_ms": time[1]} if time else {})
        for k, time in enumerate(times, 1)
    ]
    frames = [{"position": p} for p in range(1, len(times) + 1, interval)[:limit]]
    base = {"frames": frames, "frame_interval": interval, "final_pass": 2, "sequence": sequence}
    return base | fields


THREE = [(100, 500), (700, 900), (1500, 2000)]
SEVEN = [(1000 * k, 1000 * k + 400) for k in range(7)]


def spans(plan):
    return [(shot.start_ms, shot.end_ms) for shot in plan.shots]


def test_the_first_picture_is_there_at_once_and_each_stays_until_the_next_word():
    plan = timeline(manifest(THREE), FilmSettings())
    assert spans(plan) == [(0, 700), (700, 1500), (1500, 2000)]
    assert [(c.start_ms, c.end_ms) for c in plan.captions] == THREE


def test_the_last_picture_stays_until_the_total_duration():
    plan = timeline(manifest(THREE, total_duration_ms=2600), FilmSettings())
    assert spans(plan)[-1] == (1500, 2600)


def test_words_without_times_last_frame_ms_each():
    plan = timeline(manifest([None] * 3), FilmSettings(frame_ms=250))
    assert spans(plan) == [(0, 250), (250, 500), (500, 750)]


def test_with_an_interval_a_picture_is_held_until_the_next():
    plan = timeline(manifest(SEVEN, interval=3), FilmSettings())
    assert spans(plan) == [(0, 3000), (3000, 6000), (6000, 6400)]
    assert [shot.word for shot in plan.shots] == ["w1", "w4", "w7"] and len(plan.captions) == 7


@pytest.mark.parametrize(
    ("end", "sound_ms", "expected"),
    [
        ("longest", None, 2000),
        ("longest", 5000, 5000),
        ("longest", 300, 2000),
        ("sound", 1000, 1000),
        ("words", 5000, 2000),
    ],
)
def test_the_film_ends_with_the_longest_the_sound_or_the_words(end, sound_ms, expected):
    plan = timeline(manifest(THREE), FilmSettings(end=end), sound_ms)
    assert plan.shots[-1].end_ms == plan.end_ms == expected
    assert all(caption.end_ms <= expected for caption in plan.captions)


def test_the_pictures_after_a_short_sound_are_left_out():
    plan = timeline(manifest(THREE), FilmSettings(end="sound"), 1000)
    assert spans(plan) == [(0, 700), (700, 1000)]
    assert "the film ends at 1.0 s, before the last word" in plan.remarks


def test_a_run_with_a_limit_ends_with_its_pictures_or_holds_the_last_with_a_remark():
    short = manifest(SEVEN, limit=2)
    assert timeline(short, FilmSettings()).end_ms == 2000
    plan = timeline(short, FilmSettings(end="words"))
    assert spans(plan) == [(0, 1000), (1000, 6400)]
    assert plan.remarks == ("2 pictures for 7 words: the last picture is held from 2.0 s on",)


@pytest.mark.parametrize(("sound_ms", "count"), [(2500, 0), (2501, 1), (1500, 0), (1499, 1)])
def test_a_sound_that_differs_by_more_than_half_a_second_is_a_remark(sound_ms, count):
    remarks = timeline(manifest(THREE), FilmSettings(), sound_ms).remarks
    assert remarks == (f"the sound lasts {sound_ms / 1000:.1f} s, the words 2.0 s",) * count


def test_a_picture_that_stands_for_long_is_a_remark():
    plan = timeline(manifest([(0, 1), (11_000, 11_001)]), FilmSettings())
    assert plan.remarks == ("1 pictures stand longer than 10 s, the longest 11.0 s",)


def test_words_that_begin_together_have_a_millisecond_each():
    plan = timeline(manifest([(0, 5), (7, 7), (7, 7), (7, 9)]), FilmSettings())
    assert [start for start, _ in spans(plan)] == [0, 7, 8, 9]
    assert plan.remarks == (
        "2 words begin together with the word before: their pictures come later, by at most 2 ms",
    )


@pytest.mark.parametrize(
    ("times", "actual"),
    [
        ([(0, 10), None, (20, 30)], "1 words without"),
        ([(0, 10), (50, 60), (20, 30)], "word 3 begins 30 ms before word 2"),
        ([(40, 50), (40, 50)], "all 2 words begin at 40 ms"),
    ],
)
def test_times_that_make_no_sense_are_an_error(times, actual):
    with pytest.raises(RunError, match=actual):
        timeline(manifest(times), FilmSettings())


@pytest.mark.parametrize(
    ("passes", "expected"),
    [("final", [(2,)]), (1, [(1,)]), ("all", [(1,), (2,)]), ("side", [(1, 2)])],
)
def test_passes_are_shown_alone_in_turn_or_side_by_side(passes, expected):
    plan = timeline(manifest(THREE), FilmSettings(passes=passes))
    assert [shot.passes for shot in plan.shots] == [p for p in expected for _ in THREE]
    assert plan.repeats == len(expected) and plan.end_ms == 2000 * len(expected)
    starts = [caption.start_ms for caption in plan.captions]
    assert starts == [k * 2000 + start for k in range(len(expected)) for start, _ in THREE]


def test_a_pass_that_is_not_there_and_an_end_without_sound_are_errors():
    with pytest.raises(ParameterError, match="from 1 to 2"):
        timeline(manifest(THREE), FilmSettings(passes=3))
    with pytest.raises(ParameterError, match="give a sound"):
        timeline(manifest(THREE), FilmSettings(end="sound"))


def test_a_silent_word_has_a_picture_but_no_caption():
    silent = manifest(THREE)
    silent["sequence"][1]["silent"] = True
    plan = timeline(silent, FilmSettings())
    assert len(plan.shots) == 3 and [c.text for c in plan.captions] == ["w1", "w3"]


RATES = st.sampled_from([Fraction(25), Fraction(30), Fraction(24000, 1001), Fraction(1)])


@given(st.integers(0, 10**8), RATES)
def test_a_cut_is_at_most_half_a_frame_from_its_word(milliseconds, rate):
    error = frame_at(milliseconds, rate) / rate - Fraction(milliseconds, 1000)
    assert abs(error) <= Fraction(1, 2) / rate


def shots(lengths, transition_ms):
    edges = [sum(lengths[:k]) for k in range(len(lengths) + 1)]
    return [
        Shot(start, stop, k, (1,), "w", min(transition_ms, (stop - start) // 2))
        for k, (start, stop) in enumerate(pairwise(edges))
    ]


@given(
    st.lists(st.integers(1, 3000), min_size=1, max_size=20),
    st.integers(0, 500),
    st.sampled_from(["exact", "fps"]),
)
def test_the_frames_of_a_film_follow_each_other_without_a_gap(lengths, transition_ms, timing):
    settings = FilmSettings(timing=timing)
    parts = shots(lengths, transition_ms)
    frames = list(instants(parts, settings))
    assert frames[0].pts == 0
    for frame, following in pairwise(frames):
        assert frame.duration > 0 and frame.pts + frame.duration == following.pts
    end = sum(lengths) if timing == "exact" else max(1, frame_at(sum(lengths), settings.rate))
    assert frames[-1].pts + frames[-1].duration == end
    if timing == "exact":
        assert [f.pts for f in frames if not f.mix] == [shot.start_ms for shot in parts]


def test_a_transition_ends_as_the_new_word_begins_and_is_seen_from_the_middle_of_each_frame():
    parts = shots([400, 400], 200)[:1]
    frames = list(instants(parts, FilmSettings(timing="fps")))
    assert [round(frame.mix, 2) for frame in frames] == [0] * 5 + [0.1, 0.3, 0.5, 0.7, 0.9]
    frames = list(instants(parts, FilmSettings()))
    assert [(f.pts, f.duration, round(f.mix, 2)) for f in frames] == [
        (0, 200, 0),
        (200, 40, 0.1),
        (240, 40, 0.3),
        (280, 40, 0.5),
        (320, 40, 0.7),
        (360, 40, 0.9),
    ]


def test_pictures_that_fall_between_two_frames_are_a_remark():
    remark = too_short(shots([400, 10, 10, 400], 0), FilmSettings(timing="fps"))
    assert remark.startswith("2 pictures are shorter than a frame at 25 fps")
    assert too_short(shots([400, 10, 10, 400], 0), FilmSettings()) == ""
