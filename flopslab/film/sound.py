"""The sound of a film: read from any file that FFmpeg decodes, or a soft tone for each word."""

import hashlib
import os
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flopslab.errors import ParameterError
from flopslab.film.timeline import Caption

RATE = 48_000  # samples a second in a film
TONE_RATE = 24_000  # in a file of tones
PENTATONIC = (0, 2, 4, 7, 9)  # semitones: any two of them sound well together
LOWEST_HZ = 220.0
LOUDNESS = 0.2  # of a tone, where 1 is the most that a file can hold
FADE_S = 0.03  # in and out, so that a tone does not click
TAIL_MS = 400  # after a tone's word, while it fades


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound file that was decoded to its end, and its length."""

    path: Path
    duration_ms: int


def open_sound(path: str | Path) -> Sound:
    """The sound in a file, decoded once to measure it. ParameterError if that is not possible."""
    samples = sum(block.shape[1] for block in decode(Path(path)))
    if not samples:
        raise _fault(Path(path), "a stream of sound without a sample")
    return Sound(Path(path), round(samples * 1000 / RATE))


def decode(path: Path) -> Iterator[np.ndarray]:
    """The sound's samples, block by block: float32 [2, n] at 48 kHz. Raises ParameterError."""
    import av
    from av.error import FFmpegError

    try:
        with av.open(os.fspath(path)) as file:
            if not file.streams.audio:
                raise _fault(path, "no sound in it")
            resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
            for frame in file.decode(audio=0):
                for block in resampler.resample(frame):
                    yield block.to_ndarray()
            for block in resampler.resample(None):
                yield block.to_ndarray()
    except (OSError, FFmpegError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _fault(path, reason) from error


def fitted(sound: Sound, durations: Sequence[int], size: int) -> Iterator[np.ndarray]:
    """The sound once for each duration (in samples), padded with silence or cut to it.

    In blocks of `size` samples, the last one maybe shorter: float32 [2, n].
    """
    rest = np.zeros((2, 0), np.float32)
    for duration in durations:
        for block in _exactly(decode(sound.path), duration):
            rest = np.concatenate([rest, block], axis=1)
            while rest.shape[1] >= size:
                yield rest[:, :size]
                rest = rest[:, size:]
    if rest.shape[1]:
        yield rest


def write_tones(path: str | Path, words: Sequence[Caption]) -> Path:
    """A WAV file with a soft tone for each word while it is spoken; equal words sound equal.

    A word's pitch is one of 15 in a pentatonic scale over three octaves, from the word's SHA-256.
    """
    stops = [*(word.start_ms for word in words[1:]), words[-1].end_ms + TAIL_MS]
    tail = np.zeros(0)
    with wave.open(os.fspath(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(TONE_RATE)
        file.writeframes(bytes(2 * _samples(words[0].start_ms)))
        for word, stop in zip(words, stops, strict=True):
            length = _samples(stop) - _samples(word.start_ms)
            tone = _tone(word.text, word.end_ms - word.start_ms)
            samples = np.zeros(max(length, len(tone), len(tail)))
            samples[: len(tone)] += tone
            samples[: len(tail)] += tail  # of the words before, which are still heard
            samples, tail = samples[:length], samples[length:]
            file.writeframes((samples * 32767).clip(-32768, 32767).astype("<i2").tobytes())
    return Path(path)


def _tone(text: str, milliseconds: int) -> np.ndarray:
    """A sine with two overtones that swells, then dies away, in [-1, 1]; silence for no text."""
    seconds = (milliseconds + TAIL_MS) / 1000
    time = np.arange(round(seconds * TONE_RATE)) / TONE_RATE
    if not text:
        return np.zeros_like(time)
    degree = hashlib.sha256(text.encode()).digest()[0] % 15
    semitones = 12 * (degree // 5) + PENTATONIC[degree % 5]
    phase = 2 * np.pi * LOWEST_HZ * 2 ** (semitones / 12) * time
    sine = np.sin(phase) + 0.3 * np.sin(2 * phase) + 0.1 * np.sin(3 * phase)
    envelope = np.minimum(1, time / FADE_S) * np.minimum(1, (seconds - time) / FADE_S)
    return LOUDNESS * sine * envelope * np.exp(-3 * time / seconds)


def _exactly(blocks: Iterator[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """The first `count` samples, then silence up to that many."""
    for block in blocks:
        yield block[:, :count]
        count -= min(count, block.shape[1])
        if not count:
            return
    while count:
        silence = np.zeros((2, min(count, RATE)), np.float32)
        yield silence
        count -= silence.shape[1]


def _samples(milliseconds: int) -> int:
    return milliseconds * TONE_RATE // 1000


def _fault(path: Path, actual: str) -> ParameterError:
    hint = "give a sound file that plays: wav, mp3, ogg, flac or m4a"
    return ParameterError(f"the sound in {path}", actual, hint)
