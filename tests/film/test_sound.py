"""The sound of a film: from any common file, as long as the film, in step with the words."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from coded import cuts, make_run, sound_of, video_end, words

from flopslab.errors import FlopslabWarning, ParameterError
from flopslab.film.sound import RATE, open_sound, write_tones
from flopslab.film.timeline import Caption

pytestmark = pytest.mark.slow

KINDS = {
    ".wav": "pcm_s16le",
    ".mp3": "libmp3lame",
    ".ogg": "libopus",
    ".flac": "flac",
    ".m4a": "aac",
}


def write_sound(path: Path, seconds: float, rate: int = 0, click: float = 1.0) -> Path:
    """Silence with one click in it, in the format that the suffix names."""
    rate = rate or (48_000 if path.suffix == ".ogg" else 44_100)
    samples = np.zeros((1, round(seconds * rate)), np.int16)
    samples[0, round(click * rate) :][:200] = 20_000
    with av.open(str(path), "w") as file:
        stream = file.add_stream(KINDS[path.suffix], rate=rate)
        frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(
            stream.codec_context.format, "mono", rate, stream.codec_context.frame_size or None
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return path


def click_ms(path: Path) -> float:
    samples = np.abs(sound_of(path))
    return 1000 * np.flatnonzero(samples > samples.max() / 2)[0] / RATE


@pytest.fixture(scope="module")
def ten_words(tmp_path_factory):
    """A run of ten words, 5.8 seconds."""
    return make_run(tmp_path_factory.mktemp("ten") / "run", words(10))


@pytest.mark.parametrize("suffix", KINDS)
def test_every_common_format_is_heard_at_its_time(ten_words, film, tmp_path, suffix):
    sound = write_sound(tmp_path / f"sound{suffix}", 5.8, click=3.0)
    made = film(ten_words, sound=sound)
    assert abs(made.sound_ms - 5800) <= 60  # a lossy encoder rounds up to its frames
    assert abs(click_ms(made.path) - 3000) < 5
    assert abs(1000 * len(sound_of(made.path)) / RATE - video_end(made.path)) < 40


@pytest.mark.parametrize("name", ["film.mp4", "film.webm"])
@pytest.mark.parametrize(("seconds", "end_ms"), [(3.0, 5800), (9.0, 9000)])
def test_a_short_sound_is_padded_and_after_a_long_one_the_last_picture_is_held(
    ten_words, film, tmp_path, name, seconds, end_ms
):
    sound = write_sound(tmp_path / "sound.wav", seconds)
    with pytest.warns(FlopslabWarning, match=f"the sound lasts {seconds} s, the words 5.8 s"):
        made = film(ten_words, name, sound=sound)
    assert made.duration_ms == end_ms
    assert abs(1000 * len(sound_of(made.path)) / RATE - end_ms) < 40
    assert cuts(made.path)[-1][1] == 10
    if name == "film.mp4":  # WebM does not say how long the last picture lasts
        assert abs(video_end(made.path) - end_ms) < 1


def test_the_sound_is_heard_with_each_pass(tmp_path, film):
    run_dir = make_run(tmp_path / "run", words(10), passes=2)
    sound = write_sound(tmp_path / "sound.wav", 5.8, click=3.0)
    samples = np.abs(sound_of(film(run_dir, sound=sound, passes="all").path))
    for start in (3000, 8800):
        heard = samples[(start - 20) * RATE // 1000 : (start + 20) * RATE // 1000]
        assert heard.max() > 0.3


def test_stereo_and_other_rates_are_read(tmp_path):
    path = write_sound(tmp_path / "sound.wav", 2.0, rate=22_050)
    assert open_sound(path).duration_ms == 2000


def picture_file(path: Path) -> Path:
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width = stream.height = 16
        file.mux(stream.encode(av.VideoFrame(16, 16)))
        file.mux(stream.encode(None))
    return path


def test_what_is_no_sound_is_an_error(tmp_path):
    (tmp_path / "text.wav").write_text("no sound at all")
    (tmp_path / "empty.mp3").write_bytes(b"")
    for name, actual in [
        ("missing.wav", "No such file"),
        ("text.wav", "Invalid data"),
        ("empty.mp3", "Invalid data"),
        (".", "Is a directory"),
    ]:
        with pytest.raises(ParameterError, match=actual):
            open_sound(tmp_path / name)
    with pytest.raises(ParameterError, match="no sound in it"):
        open_sound(picture_file(tmp_path / "silent.mp4"))


def test_tones_begin_with_their_words_and_equal_words_sound_equal(tmp_path):
    said = [Caption(200, 500, "sea"), Caption(1500, 1800, "sky"), Caption(2800, 3100, "sea")]
    samples = sound_of(write_tones(tmp_path / "tones.wav", said)) / 32768
    assert len(samples) == round((3.1 + 0.4) * 24_000)
    assert not samples[: 200 * 24].any() and not samples[1000 * 24 : 1500 * 24].any()
    first, second, third = (samples[start * 24 :][: 700 * 24] for start in (200, 1500, 2800))
    assert np.array_equal(first, third) and not np.array_equal(first, second)
    assert 0.1 < np.abs(samples).max() < 0.4


def test_tones_of_words_close_together_overlap_without_a_click(tmp_path):
    said = [Caption(50 * k, 50 * k + 300, f"w{k}") for k in range(8)]
    samples = sound_of(write_tones(tmp_path / "tones.wav", said)) / 32768
    assert np.abs(np.diff(samples)).max() < 0.35 and np.abs(samples).max() < 1
