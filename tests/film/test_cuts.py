"""Films decoded again: every picture is there, in its place, at its time."""

import shutil
import subprocess

import av
import numpy as np
import pytest
from coded import code, cuts, luma, make_run, video_end, words

pytestmark = pytest.mark.slow

MINUTES_10 = words(200, step=3000, spread=1200)


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    """200 pictures over ten minutes."""
    return make_run(tmp_path_factory.mktemp("long") / "run", MINUTES_10)


def errors(path):
    """By how many milliseconds each cut is late; every picture must be there, in order."""
    begins = cuts(path)
    assert [number for _, number in begins] == list(range(1, len(MINUTES_10) + 1))
    late = [begin[0] - word["start_ms"] for begin, word in zip(begins, MINUTES_10, strict=True)]
    return np.round(late, 6)  # seconds are floats


def test_exact_timing_puts_every_cut_at_the_millisecond_of_its_word(long_run, film):
    path = film(long_run).path
    assert np.all(errors(path) == 0)
    assert round(video_end(path), 6) == MINUTES_10[-1]["end_ms"]


@pytest.mark.parametrize("fps", [8.0, 11.988])
def test_a_constant_rate_is_never_more_than_half_a_frame_off_and_does_not_drift(
    long_run, film, fps
):
    path = film(long_run, timing="fps", fps=fps).path
    late = errors(path)
    assert np.all(np.abs(late) <= 500 / fps + 0.1)
    assert abs(late[:50].mean() - late[-50:].mean()) < 20
    assert abs(video_end(path) - MINUTES_10[-1]["end_ms"]) <= 500 / fps + 0.1


@pytest.mark.parametrize("name", ["film.mp4", "film.webm"])
@pytest.mark.parametrize("timing", ["exact", "fps"])
def test_both_formats_show_every_picture(twelve, film, name, timing):
    path = film(twelve, name, timing=timing).path
    expected = [word["start_ms"] for word in words(12, spread=90)]
    begins = cuts(path)
    assert [number for _, number in begins] == list(range(1, 13))
    late = np.array([time for time, _ in begins]) - expected
    assert np.all(np.abs(late) <= (0 if timing == "exact" else 20))


@pytest.mark.parametrize("timing", ["exact", "fps"])
def test_a_crossfade_ends_with_the_pure_new_picture_at_its_word(twelve, film, timing):
    path = film(twelve, timing=timing, transition="crossfade", quality=1).path
    frames, starts = luma(path), [word["start_ms"] for word in words(12, spread=90)]
    slack = 0 if timing == "exact" else 20
    assert abs(video_end(path) - words(12, spread=90)[-1]["end_ms"]) <= slack + 1e-6
    for number, start in enumerate(starts[1:], 2):
        new = next(picture for time, picture in frames if time >= start - slack)
        assert code(new) == number and np.all(np.minimum(abs(new), abs(1 - new)) < 0.08)
        between = [picture for time, picture in frames if start - 205 < time < start - 25]
        assert len(between) >= 4 and 0.3 < np.ptp(between[len(between) // 2]) < 1.05


def test_the_middle_of_a_crossfade_is_the_mean_of_both_pictures(twelve, film):
    frames = luma(film(twelve, transition="crossfade", quality=1).path)
    start = words(12, spread=90)[1]["start_ms"]
    (middle,) = [p for time, p in frames if start - 121 < time < start - 119]
    old = frames[0][1]
    new = next(picture for time, picture in frames if time == start)
    assert np.allclose(middle, (old + new) / 2, atol=0.03)


def test_a_dissolve_is_black_in_the_middle(twelve, film):
    frames = luma(film(twelve, transition="dissolve", quality=1).path)
    start = words(12, spread=90)[2]["start_ms"]  # picture 2 and 3 have white blocks
    (middle,) = [p for time, p in frames if start - 121 < time < start - 119]
    assert middle.max() < 0.05


def test_the_flow_of_small_pictures_is_a_film_too(twelve, film):
    path = film(twelve, transition="flow").path
    times = [time for time, _ in luma(path)]
    assert set(times) >= {float(word["start_ms"]) for word in words(12, spread=90)}


def test_all_passes_in_turn_and_side_by_side(twelve, film):
    turn = film(twelve, "turn.mp4", passes="all")
    assert [number for _, number in cuts(turn.path)] == [*range(1, 13), *range(1, 13)]
    beside = luma(film(twelve, "side.mp4", passes="side").path)
    assert {picture.shape for _, picture in beside} == {(16, 32)}
    assert [(code(p[:, :16]), code(p[:, 16:])) for _, p in beside] == [(k, k) for k in range(1, 13)]


@pytest.mark.parametrize(
    ("size", "expected"), [((63, 47), (48, 64)), ((16, 8), (8, 16)), ((8, 16), (16, 8))]
)
def test_pictures_of_any_size(tmp_path, film, size, expected):
    run_dir = make_run(tmp_path / "run", words(3), size=size)
    frames = luma(film(run_dir).path)
    assert {picture.shape for _, picture in frames} == {expected}
    assert [code(picture) for _, picture in frames] == [1, 2, 3]


def test_the_height_can_be_chosen(twelve, film):
    frames = luma(film(twelve, height=50).path)
    assert {picture.shape for _, picture in frames} == {(50, 50)}
    assert [code(picture) for _, picture in frames] == list(range(1, 13))


@pytest.mark.parametrize("name", ["film.mp4", "film.webm"])
@pytest.mark.parametrize("timing", ["exact", "fps"])
def test_a_film_of_one_picture(tmp_path, film, name, timing):
    run_dir = make_run(tmp_path / "run", words(1))
    path = film(run_dir, name, "tones", timing=timing).path
    assert cuts(path) == [(0, 1)]


def test_words_without_times_and_frames_at_every_third_word(tmp_path, film):
    run_dir = make_run(tmp_path / "run", [f"w{k}" for k in range(1, 8)], frame_interval=3)
    assert cuts(film(run_dir, frame_ms=250).path) == [(0, 1), (750, 4), (1500, 7)]


COLOURS = [(40, 60, 110), (210, 120, 80)]


@pytest.mark.parametrize("name", ["film.mp4", "film.webm"])
def test_colours_are_those_of_the_pictures(tmp_path, film, name):
    """They are marked as BT.709 in the limited range, and that is what they are."""
    run_dir = make_run(tmp_path / "run", words(3), size=(64, 64), colours=COLOURS)
    with av.open(str(film(run_dir, name, quality=1).path)) as file:
        frame = next(file.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 1)
        rgb = frame.to_ndarray(format="rgb24").astype(int)
    assert np.abs(rgb[40, 40] - COLOURS[0]).max() <= 4  # picture 1 has one bright block
    assert np.abs(rgb[8, 8] - COLOURS[1]).max() <= 4


def test_ffprobe_agrees(twelve, film):
    if shutil.which("ffprobe") is None:
        pytest.skip("no ffprobe on this machine")
    made = film(twelve, sound="tones")
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,duration", "-of"]
    done = subprocess.run([*command, "csv=p=0", made.path], capture_output=True, text=True)
    rows = dict(line.split(",") for line in done.stdout.splitlines())
    assert done.stderr == "" and {"h264", "aac", "mov_text"} <= set(rows)
    assert abs(float(rows["h264"]) - float(rows["aac"])) < 0.04


@pytest.mark.parametrize("name", ["film.mp4", "film.webm"])
@pytest.mark.parametrize("timing", ["exact", "fps"])
def test_the_same_film_is_the_same_bytes(twelve, film, name, timing):
    names = {"timing": timing, "transition": "crossfade"}
    first = film(twelve, name, "tones", **names).path.read_bytes()
    assert film(twelve, name, "tones", **names).path.read_bytes() == first
