"""The words in the film and beside it, and the other files that come with it."""

import shutil
import subprocess

import av
import pytest
from coded import make_run, words
from PIL import Image

from flopslab.film.sidecars import srt, vtt
from flopslab.film.timeline import Caption

SPOKEN = [
    Caption(0, 620, "silence"),
    Caption(3_600_000, 3_661_007, "<b>a & b</b> --> c"),
    Caption(3_700_000, 3_700_001, "سماء\n\nzwei  Zeilen\x00"),
]


def test_webvtt_is_written_to_the_letter():
    assert vtt(SPOKEN) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:00.620\nsilence\n\n"
        "01:00:00.000 --> 01:01:01.007\n&lt;b&gt;a &amp; b&lt;/b&gt; --&gt; c\n\n"
        "01:01:40.000 --> 01:01:40.001\nسماء zwei Zeilen\n"
    )


def test_subrip_is_written_to_the_letter():
    assert srt(SPOKEN) == (
        "1\n00:00:00,000 --> 00:00:00,620\nsilence\n\n"
        "2\n01:00:00,000 --> 01:01:01,007\n<b>a & b</b> --> c\n\n"
        "3\n01:01:40,000 --> 01:01:40,001\nسماء zwei Zeilen\n"
    )


ENTRIES = [
    {"word": "w1 <b>&", "start_ms": 100, "end_ms": 400},
    {"word": "w2 سماء 🜁", "start_ms": 700, "end_ms": 1300},
    {"word": "w3", "start_ms": 1300, "end_ms": 2000},
]


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("it's") / "run", ENTRIES)


def captions_in(path):
    """(start, end, text) of every caption in the film."""
    with av.open(str(path)) as film:
        packets = [p for p in film.demux(subtitles=0) if p.pts is not None]
    rows = []
    for packet in packets:
        data = bytes(packet)
        text = data[2 : 2 + int.from_bytes(data[:2], "big")] if path.suffix == ".mp4" else data
        ends = (packet.pts, packet.pts + packet.duration)
        rows.append((*(round(end * packet.time_base * 1000) for end in ends), text.decode()))
    return [row for row in rows if row[2]]


@pytest.mark.parametrize(("name", "first"), [("a.mp4", "w1 <b>&"), ("a.webm", "w1 &lt;b&gt;&amp;")])
def test_every_word_is_a_caption_and_a_chapter_of_the_film(three, film, name, first):
    path = film(three, name, sound="tones").path
    assert captions_in(path) == [
        (100, 400, first),
        (700, 1300, "w2 سماء 🜁"),
        (1300, 2000, "w3"),
    ]
    with av.open(str(path)) as file:
        chapters = [
            (round(c["start"] * c["time_base"] * 1000), c["metadata"]["title"])
            for c in file.chapters()
        ]
    assert chapters == [(0, "w1 <b>&"), (700, "w2 سماء 🜁"), (1300, "w3")]


def test_captions_and_chapters_can_be_left_out(three, film):
    made = film(three, captions=False, chapters=False)
    with av.open(str(made.path)) as file:
        assert [stream.type for stream in file.streams] == ["video"] and not file.chapters()
    assert {path.suffix for path in made.beside} == {".jpg", ".txt"}


def test_the_files_beside_the_film_have_its_name(three, film):
    made = film(three, "my.film.mp4", sound="tones", preview="webp")
    assert sorted(path.name for path in made.path.parent.iterdir()) == [
        "my.film.concat.txt", "my.film.jpg", "my.film.mp4", "my.film.srt", "my.film.vtt",
        "my.film.wav", "my.film.webp",
    ]  # fmt: skip
    assert {made.path, *made.beside} == set(made.path.parent.iterdir())


@pytest.mark.parametrize("form", ["webp", "gif"])
def test_the_preview_moves(twelve, film, form):
    made = film(twelve, preview=form)
    with Image.open(made.path.with_suffix(f".{form}")) as image:
        assert image.n_frames == 12 and image.size == (16, 16)
    with Image.open(made.path.with_suffix(".jpg")) as poster:
        assert poster.size == (16, 16)


def test_ffmpeg_reads_the_list_of_pictures(three, film, tmp_path):
    made = film(three)
    lines = made.path.with_suffix(".concat.txt").read_text().splitlines()
    durations = [line.split()[1] for line in lines if line.startswith("duration")]
    assert durations == ["0.700", "0.600", "0.700"] and lines[-2] == lines[-5]
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg on this machine")
    command = ["ffmpeg", "-v", "error", "-f", "concat", "-safe", "0", "-i"]
    rest = ["-fps_mode", "vfr", "-c:v", "ffv1", tmp_path / "list.mkv"]
    done = subprocess.run(
        [*command, made.path.with_suffix(".concat.txt"), *rest], capture_output=True, text=True
    )
    assert done.stderr == "" and done.returncode == 0
    with av.open(str(tmp_path / "list.mkv")) as file:
        times = [round(frame.time * 1000) for frame in file.decode(video=0)]
    assert times[:3] == [0, 700, 1300]


def test_a_film_of_every_third_word_has_captions_for_all(tmp_path, film):
    run_dir = make_run(tmp_path / "run", words(7), frame_interval=3)
    texts = [text for _, _, text in captions_in(film(run_dir).path)]
    assert texts == [f"w{k}" for k in range(1, 8)]
