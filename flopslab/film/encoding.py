"""A film file, written frame by frame: pictures, sound, captions and chapters, in step.

Everything that FFmpeg would add of its own (versions, dates) is left out and the number of threads
is fixed, so that the same film is the same bytes.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from flopslab.errors import ParameterError
from flopslab.film.settings import FilmSettings
from flopslab.film.sidecars import plain, vtt_text
from flopslab.film.sound import RATE
from flopslab.film.timeline import Caption, Instant

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container.core import Chapter
    from av.packet import Packet
    from av.subtitles.stream import SubtitleStream
    from av.video.stream import VideoStream

THREADS = 2  # of the encoder: another number gives other bytes
BT709 = 1  # the number of this colour space, its primaries and its curve in FFmpeg
LIMITED = 1  # the number of the range of video in FFmpeg
MILLISECOND = Fraction(1, 1000)
SOUND_BITS = 192_000  # a second
KEY_FRAMES = {"exact": 30, "fps": 50}  # frames between two places to jump to, at most

# What FFmpeg's text captions want to know of their looks: the header of an ASS file.
_ASS = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, \
Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


@dataclass(frozen=True, slots=True)
class Format:
    """What a file with this suffix is made of, by FFmpeg's names."""

    container: str
    video: Literal["libx264", "libvpx-vp9"]
    sound: Literal["aac", "libopus"]
    block: int  # samples in a frame of the sound
    captions: Literal["mov_text", "webvtt"]


FORMATS = {
    ".mp4": Format("mp4", "libx264", "aac", 1024, "mov_text"),
    ".webm": Format("webm", "libvpx-vp9", "libopus", 960, "webvtt"),
}


def require_av() -> None:
    """ParameterError if PyAV is not installed."""
    try:
        import av  # noqa: F401
    except ImportError as error:
        hint = "install the extra: pip install 'flopslab[film]'"
        raise ParameterError("a film with PyAV", f"no PyAV ({error})", hint) from error


def format_of(path: Path) -> Format:
    """The format that the file's suffix names; ParameterError for any other."""
    if path.suffix.lower() not in FORMATS:
        actual = f"the suffix {path.suffix!r}"
        hint = f"end its name in one of {', '.join(FORMATS)}"
        raise ParameterError(f"a film in {path}", actual, hint)
    return FORMATS[path.suffix.lower()]


class Encoder:
    """An open film file: `add` its pictures in order, then `finish` it.

    `size`: of a picture, (width, height), both even. `sound`: blocks of samples, float32
    [2, `form.block`] at 48 kHz, the last one maybe shorter. `captions` are written into the film,
    `chapters` are its chapters. As a context it closes the file, finished or not.
    """

    def __init__(
        self,
        path: Path,
        form: Format,
        size: tuple[int, int],
        settings: FilmSettings,
        sound: Iterator[np.ndarray] | None = None,
        captions: Sequence[Caption] = (),
        chapters: Sequence[Caption] = (),
    ) -> None:
        import av

        options = {"fflags": "+bitexact"}
        options |= {"movflags": "+faststart"} if form.container == "mp4" else {}
        self._file = av.open(str(path), "w", format=form.container, options=options)
        self._unit = MILLISECOND if settings.timing == "exact" else 1 / settings.rate
        self._durations: dict[int, int] = {}
        self._video = self._add_video(form, size, settings)
        self._sound, self._samples = sound, 0
        self._track = self._add_sound(form) if sound else None
        self._captions, self._webvtt = deque(captions), form.captions == "webvtt"
        self._text = self._add_captions(form) if captions else None
        if chapters:
            self._file.set_chapters(_chapters(chapters))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def add(self, picture: np.ndarray, instant: Instant) -> None:
        """The picture (planar YUV 4:2:0) of an instant, and what is heard and read until then."""
        import av

        self._add_until(float(instant.pts * self._unit))
        frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
        frame.pts, frame.duration, frame.time_base = instant.pts, instant.duration, self._unit
        frame.colorspace = frame.color_primaries = frame.color_trc = BT709
        frame.color_range = LIMITED
        self._durations[instant.pts] = instant.duration
        self._mux(self._video.encode(frame))

    def finish(self) -> None:
        """Write what the encoders still hold, and the rest of the sound."""
        self._mux(self._video.encode(None))
        self._add_until(float("inf"))
        if self._track:
            self._file.mux(self._track.encode(None))

    def _mux(self, packets: Sequence["Packet"]) -> None:
        """Packets of pictures, each with its own duration: FFmpeg loses that of the last one."""
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts or 0)
            self._file.mux(packet)

    def _add_until(self, seconds: float) -> None:
        """Captions and sound that begin before this time."""
        while self._text and self._captions and self._captions[0].start_ms <= seconds * 1000:
            self._add_caption(self._text, self._captions.popleft())
        while self._track and self._sound and self._samples <= seconds * RATE:
            block = next(self._sound, None)
            if block is None:
                break
            self._add_block(self._track, block)

    def _add_block(self, track: "AudioStream", block: np.ndarray) -> None:
        import av

        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", "stereo")
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        frame.pts = self._samples
        self._samples += block.shape[1]
        self._file.mux(track.encode(frame))

    def _add_caption(self, stream: "SubtitleStream", caption: Caption) -> None:
        import av

        text = plain(caption.text)
        data = vtt_text(text).encode() if self._webvtt else _timed_text(text)
        packet = av.Packet(data)
        packet.stream, packet.time_base = stream, MILLISECOND
        packet.pts = packet.dts = caption.start_ms
        packet.duration = caption.end_ms - caption.start_ms
        self._file.mux(packet)

    def _add_video(
        self, form: Format, size: tuple[int, int], settings: FilmSettings
    ) -> "VideoStream":
        options = _OPTIONS[form.video](settings) | {"flags": "+bitexact"}
        rate = settings.rate  # of a variable rate it is a hint only
        stream = self._file.add_stream(form.video, rate=rate, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = self._unit
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range, context.thread_count = LIMITED, THREADS
        context.gop_size = KEY_FRAMES[settings.timing]
        return stream

    def _add_sound(self, form: Format) -> "AudioStream":
        stream = self._file.add_stream(form.sound, rate=RATE, options={"flags": "+bitexact"})
        stream.codec_context.layout = "stereo"
        stream.codec_context.bit_rate = SOUND_BITS
        return stream

    def _add_captions(self, form: Format) -> "SubtitleStream":
        stream = self._file.add_stream(form.captions)
        stream.codec_context.subtitle_header = _ASS
        stream.time_base = stream.codec_context.time_base = MILLISECOND
        return stream


def _x264(settings: FilmSettings) -> dict[str, str]:
    """Frames of unlike length keep their order: from reordered ones MP4 gets a wrong last one."""
    order = {"bf": "0"} if settings.timing == "exact" else {}
    return {"preset": settings.preset, "crf": str(settings.quality)} | order


def _vp9(settings: FilmSettings) -> dict[str, str]:
    """Its rate factor goes to 63 where that of x264 goes to 51."""
    quality = round(settings.quality * 63 / 51)
    return {"crf": str(quality), "b": "0", "cpu-used": "4", "deadline": "good"}


_OPTIONS = {"libx264": _x264, "libvpx-vp9": _vp9}


def _timed_text(text: str) -> bytes:
    """A sample of 3GPP timed text: its length in two bytes, then UTF-8."""
    data = text.encode()[:0xFFFF]
    return len(data).to_bytes(2, "big") + data


def _chapters(words: Sequence[Caption]) -> list["Chapter"]:
    """A chapter for each word, from its start to that of the next; the first one begins at 0."""
    edges = [0, *(word.start_ms for word in words[1:]), words[-1].end_ms]
    return [
        {
            "id": number,
            "start": start,
            "end": stop,
            "time_base": MILLISECOND,
            "metadata": {"title": plain(word.text)},
        }
        for number, (word, (start, stop)) in enumerate(zip(words, pairwise(edges), strict=True), 1)
    ]
