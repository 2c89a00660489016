"""How one picture becomes the next: pictures in planar YUV 4:2:0, uint8 [height * 3 / 2, width]."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np

from flopslab.errors import ParameterError
from flopslab.film.settings import FilmSettings
from flopslab.film.timeline import Shot

Embed = Callable[[Sequence[str]], np.ndarray]
"""Words to their embeddings, [n, d]: near means alike."""

Transition = Callable[[np.ndarray, np.ndarray, Sequence[float]], Iterator[np.ndarray]]
"""Old picture, new picture, how far it has come (0 to 1, rising) to the pictures in between."""

BLACK, GREY = 16, 128  # of luma and of both chroma planes, in the limited range of video
BLOCK = 64  # pixels: a picture in which motion is looked for is made of whole blocks


def with_transitions(
    shots: Sequence[Shot], settings: FilmSettings, embed: Embed | None = None
) -> tuple[Shot, ...]:
    """The shots with the length of the transition at the end of each; the last has none.

    A transition takes at most half of its shot, so that every picture stands alone for a while.
    ParameterError if lengths go by the distance of the words and there is no `embed`.
    """
    if settings.transition == "cut":
        return tuple(shots)
    lengths = _lengths(shots, settings, embed)
    fitting = [
        min(length, (shot.end_ms - shot.start_ms) // 2) if shot.passes == following.passes else 0
        for length, (shot, following) in zip(lengths, pairwise(shots), strict=True)
    ]
    pairs = zip(shots, [*fitting, 0], strict=True)
    return tuple(replace(shot, transition_ms=length) for shot, length in pairs)


def distances(vectors: np.ndarray) -> list[float]:
    """The cosine distance of each vector from the next, [n, d] to n - 1 numbers from 0 to 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.maximum(lengths, 1e-12)
    similarities = np.sum(units[:-1] * units[1:], axis=1)
    return [float(value) for value in np.clip(1 - similarities, 0, 1)]


def mix(old: np.ndarray, new: np.ndarray, share: float) -> np.ndarray:
    """The mean of two pictures in which the new one counts for `share`, in steps of 1/256."""
    weight = np.uint16(round(256 * share))
    blend = old.astype(np.uint16) * (np.uint16(256) - weight) + new * weight
    return ((blend + np.uint16(128)) >> 8).astype(np.uint8)


def crossfade(old: np.ndarray, new: np.ndarray, shares: Sequence[float]) -> Iterator[np.ndarray]:
    """A linear mix of both."""
    return (mix(old, new, share) for share in shares)


def dissolve(old: np.ndarray, new: np.ndarray, shares: Sequence[float]) -> Iterator[np.ndarray]:
    """The old picture fades to black, then the new one out of it."""
    black = np.full_like(old, GREY)
    black[: len(old) * 2 // 3] = BLACK
    for share in shares:
        if share < 0.5:
            yield mix(old, black, 2 * share)
        else:
            yield mix(black, new, 2 * share - 1)


def flow(old: np.ndarray, new: np.ndarray, shares: Sequence[float]) -> Iterator[np.ndarray]:
    """Both pictures moved along the motion between them, evenly spaced in time.

    Motion by blocks, compensated in both directions: the filter `minterpolate` of FFmpeg. It looks
    at four pictures, so each stands twice.
    """
    import av
    from av.filter import Graph
    from av.video.format import VideoFormat

    steps, width, height = len(shares) + 1, old.shape[1], len(old) * 2 // 3
    pictures = [_whole_blocks(picture) for picture in (old, new)]
    rows, columns = pictures[0].shape
    base = Fraction(1, steps)
    graph = Graph()
    source = graph.add_buffer(
        width=columns, height=rows * 2 // 3, format=VideoFormat("yuv420p"), time_base=base
    )
    motion = graph.add("minterpolate", f"fps={steps}:mi_mode=mci:scd=none")
    crop = graph.add("crop", f"{width}:{height}:0:0")
    graph.link_nodes(source, motion, crop, graph.add("buffersink")).configure()
    for number, picture in enumerate(np.repeat(pictures, 2, axis=0)):
        frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
        frame.pts, frame.time_base = number * steps, base
        graph.vpush(frame)
    graph.vpush(None)
    inside = range(steps + 1, 2 * steps)  # after the second picture and before the third
    for number in range(inside.stop):
        frame = graph.vpull()
        if number in inside:
            yield frame.to_ndarray()


def _whole_blocks(picture: np.ndarray) -> np.ndarray:
    """The picture with its right and lower edge repeated, until it is made of whole blocks."""
    width, height = picture.shape[1], len(picture) * 2 // 3
    right, below = ((-side) % BLOCK for side in (width, height))
    luma, chroma = np.split(picture.reshape(-1), [width * height])
    planes = [
        luma.reshape(height, width),
        *chroma.reshape(2, height // 2, width // 2),
    ]
    pads = [(below, right), (below // 2, right // 2), (below // 2, right // 2)]
    padded = [
        np.pad(plane, ((0, rows), (0, columns)), "edge")
        for plane, (rows, columns) in zip(planes, pads, strict=True)
    ]
    flat = np.concatenate([plane.reshape(-1) for plane in padded])
    return flat.reshape((height + below) * 3 // 2, width + right)


TRANSITIONS: Mapping[str, Transition] = {
    "crossfade": crossfade,
    "dissolve": dissolve,
    "flow": flow,
}


def _lengths(shots: Sequence[Shot], settings: FilmSettings, embed: Embed | None) -> list[int]:
    """The length of the transition between each shot and the next."""
    if isinstance(settings.transition_ms, int):
        return [settings.transition_ms] * (len(shots) - 1)
    if embed is None:
        actual = "no embeddings of the words"
        hint = "set transition_ms to one number, or pass a function that embeds words"
        raise ParameterError(f"transitions of {settings.transition_ms} ms", actual, hint)
    shortest, longest = settings.transition_ms
    values = distances(embed([shot.word for shot in shots]))
    return [round(shortest + value * (longest - shortest)) for value in values]
