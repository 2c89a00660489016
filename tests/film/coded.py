"""Runs whose pictures show their position in black and white blocks, and films read back."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image

from flopslab.core.generator import FrameRequest
from flopslab.core.study import Study
from flopslab.passes import run
from flopslab.progress import NullProgress

BITS = 16  # a square of four by four blocks


class CodedGenerator:
    """Paints the number in a word (w12) as blocks, the lowest bit first; 0 and 1 have `colours`."""

    def __init__(self, size: tuple[int, int], colours: Sequence[tuple[int, int, int]]) -> None:
        self.size, self._colours = size, np.array(colours, np.uint8)
        self.settings = {
            "model": "coded",
            "model_digest": hashlib.sha256(b"coded").hexdigest(),
            "width": size[0],
            "height": size[1],
            "steps": 4,
            "guidance_scale": 3.0,
            "guidance_stop": 1.0,
            "scheduler": "none",
            "negative_prompt": "",
            "batch_size": 8,
            "device": "cpu",
            "dtype": "uint8",
            "versions": {"numpy": np.__version__},
        }

    def tokens(self, prompt: object) -> int:
        return 1

    def nearest_colour(self, words: tuple[str, ...]) -> str:
        return "grey"

    def generate(self, requests: Sequence[FrameRequest], strength: float = 1.0) -> list:
        return [self._paint(int(re.findall(r"\d+", r.prompt.text)[0])) for r in requests]

    def generate_with_latents(self, requests, strength=1.0):
        return self.generate(requests, strength), [np.zeros((4, 1, 1), np.float32)] * len(requests)

    def clone(self) -> "CodedGenerator":
        return self

    def interrupt(self) -> None: ...

    def _paint(self, number: int) -> Image.Image:
        bits = [number >> bit & 1 for bit in range(BITS)]
        image = Image.fromarray(self._colours[bits].reshape(4, 4, 3))
        return image.resize(self.size, Image.Resampling.NEAREST)


def words(count: int, *, step: int = 600, spread: int = 0, length: int = 400) -> list[dict]:
    """Words w1, w2, ... that begin `step` ms apart, give or take `spread`."""
    moves = np.random.default_rng(0).integers(-spread, spread + 1, count)
    starts = [0, *(int(k * step + moves[k]) for k in range(1, count))]
    return [
        {"word": f"w{k}", "start_ms": start, "end_ms": start + length}
        for k, start in enumerate(starts, 1)
    ]


def make_run(
    directory: Path,
    entries: Sequence[dict | str],
    size: tuple[int, int] = (16, 16),
    colours: Sequence[tuple[int, int, int]] = ((0, 0, 0), (255, 255, 255)),
    **parameters: object,
) -> Path:
    """A finished run of coded pictures; those of later passes are the same."""
    sequence = directory.with_suffix(".json")
    timed = isinstance(entries[0], dict)
    sequence.write_text(json.dumps({"sequence": list(entries)} if timed else list(entries)))
    names = {"passes": 1, "context_diameter": 0, "method": "blend", "denoising_strength": 0.5}
    study = Study(sequence=str(sequence), output_dir=str(directory), **names | parameters)
    return run(study, CodedGenerator(size, colours), NullProgress()).directory


def luma(path: Path) -> list[tuple[float, np.ndarray]]:
    """Every frame of a film: (milliseconds, its luma in [0, 1], [height, width])."""
    with av.open(str(path)) as film:
        return [
            (frame.time * 1000, (frame.to_ndarray()[: frame.height] - 16.0) / 219)
            for frame in film.decode(video=0)
        ]


def code(picture: np.ndarray) -> int:
    """The number in a picture, [height, width] in [0, 1]."""
    rows, columns = ((np.arange(4) * 2 + 1) * side // 8 for side in picture.shape)
    bits = picture[np.ix_(rows, columns)].reshape(-1) > 0.5
    return sum(1 << bit for bit in range(BITS) if bits[bit])


def cuts(path: Path) -> list[tuple[float, int]]:
    """When each picture of a film begins, and its number."""
    frames = [(time, code(picture)) for time, picture in luma(path)]
    before = [None, *(number for _, number in frames)]
    return [frame for frame, last in zip(frames, before, strict=False) if frame[1] != last]


def video_end(path: Path) -> float:
    """Milliseconds at which the last picture ends; an MP4 must say the same in its header."""
    with av.open(str(path)) as film:
        header = film.streams.video[0].duration
        packets = [p for p in film.demux(video=0) if p.pts is not None]
    end, unit = max(p.pts + p.duration for p in packets), packets[0].time_base
    assert header in (None, end)
    return float(end * unit) * 1000


def sound_of(path: Path) -> np.ndarray:
    """The decoded sound of a film or a sound file, mixed to one channel, from its start on."""
    with av.open(str(path)) as film:
        frames = list(film.decode(audio=0))
    return np.concatenate([frame.to_ndarray() for frame in frames], axis=1).mean(axis=0)
