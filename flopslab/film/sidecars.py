"""The files beside a film: captions for players, a list of pictures for FFmpeg, a poster, and a
small moving picture for pages that play no film.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from PIL import Image

from flopslab.core.windows import FrameKey
from flopslab.film.pictures import Pictures
from flopslab.film.timeline import Caption, Shot

POSTER_QUALITY = 90
PREVIEW_SIDE = 256  # pixels, the longer side of the moving picture
PREVIEW_MOST = 60  # pictures in it
PREVIEW_MS = 250  # on the screen, each

_CLOCK = "option framerate 1000"  # FFmpeg would count the time of a picture in 1/25 s


def vtt(captions: Sequence[Caption]) -> str:
    """A WebVTT file, https://www.w3.org/TR/webvtt1/."""
    cues = [f"{_span(caption, '.')}\n{vtt_text(plain(caption.text))}\n" for caption in captions]
    return "\n".join(["WEBVTT\n", *cues])


def srt(captions: Sequence[Caption]) -> str:
    """A SubRip file."""
    cues = [
        f"{number}\n{_span(caption, ',')}\n{plain(caption.text)}\n"
        for number, caption in enumerate(captions, 1)
    ]
    return "\n".join(cues)


def concat(shots: Sequence[Shot], paths: Mapping[FrameKey, str]) -> str:
    """A list for FFmpeg's concat demuxer: the picture of each shot's last pass, hard cuts.

    `paths`: of the pictures, relative to the list. The last picture stands twice, because the
    demuxer ignores the last duration.
    """
    files = [_quoted(paths[FrameKey(shot.passes[-1], shot.position)]) for shot in shots]
    durations = [(shot.end_ms - shot.start_ms) / 1000 for shot in shots]
    pairs = zip(files, durations, strict=True)
    entries = [f"file {file}\n{_CLOCK}\nduration {duration:.3f}" for file, duration in pairs]
    return "\n".join(["ffconcat version 1.0", *entries, f"file {files[-1]}\n{_CLOCK}", ""])


def plain(text: str) -> str:
    """The text in one line, so that it cannot end a cue."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text).split()) or " "


def vtt_text(text: str) -> str:
    """The text as WebVTT writes it: no part of it is markup."""
    return escape(text, quote=False)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with the same line ends everywhere."""
    path.write_text(text, encoding="utf-8", newline="\n")


def write_poster(path: Path, pictures: Pictures, shots: Sequence[Shot]) -> None:
    """The film's middle picture as a JPEG."""
    pictures.rgb(shots[len(shots) // 2]).save(path, "JPEG", quality=POSTER_QUALITY)


def write_preview(path: Path, form: str, pictures: Pictures, shots: Sequence[Shot]) -> None:
    """A GIF or WebP that repeats for ever: at most 60 pictures of the film, evenly spread."""
    images = (_small(pictures.rgb(shot)) for shot in evenly(shots))
    first = next(images)
    first.save(path, form, save_all=True, append_images=images, duration=PREVIEW_MS, loop=0)


def evenly(shots: Sequence[Shot]) -> Iterator[Shot]:
    """At most `PREVIEW_MOST` shots, evenly spread over all of them, the first one among them."""
    count = min(PREVIEW_MOST, len(shots))
    return (shots[index * len(shots) // count] for index in range(count))


def _small(image: Image.Image) -> Image.Image:
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return image


def _span(caption: Caption, point: str) -> str:
    return f"{_clock(caption.start_ms, point)} --> {_clock(caption.end_ms, point)}"


def _clock(milliseconds: int, point: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{milliseconds:03}"


def _quoted(path: str) -> str:
    """The path as the list writes it: a quote ends the quoted text and begins it again."""
    quote = "'"
    return quote + path.replace(quote, rf"{quote}\{quote}{quote}") + quote
