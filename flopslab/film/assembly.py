"""A finished run to a film: what is seen when, then frame by frame into a file."""

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from flopslab.errors import FlopslabWarning
from flopslab.film.drafts import Drafts
from flopslab.film.encoding import Encoder, Format, format_of, require_av
from flopslab.film.pictures import Decode, Pictures, load_decoder, require_latents
from flopslab.film.settings import FilmSettings
from flopslab.film.sidecars import concat, srt, vtt, write_poster, write_preview, write_text
from flopslab.film.sound import RATE, Sound, fitted, open_sound, write_tones
from flopslab.film.timeline import (
    Instant,
    Shot,
    Timeline,
    instants,
    timeline,
    too_short,
)
from flopslab.film.transitions import TRANSITIONS, Embed, with_transitions
from flopslab.progress import Progress, RunBar
from flopslab.runs.reader import RunDirectory, finished_run

TONES = "tones"  # as a sound: a tone for each word


@dataclass(frozen=True)
class Film:
    """A film that was made, and the files beside it."""

    path: Path
    beside: tuple[Path, ...]  # captions, poster, list of pictures, preview, tones
    duration_ms: int
    sound: Path | None
    sound_ms: int | None  # before it was padded or cut
    shots: int
    frames: int  # coded
    remarks: tuple[str, ...]

    def __str__(self) -> str:
        sound = f"sound {self.sound_ms / 1000:.1f} s" if self.sound_ms else "no sound"
        length = f"{self.duration_ms / 1000:.1f} s"
        return f"{self.path}: {self.shots} pictures, {self.frames} frames, {length}, {sound}"


@dataclass(frozen=True)
class _Script:
    """All that is decided before the first frame is encoded."""

    form: Format
    settings: FilmSettings
    run: RunDirectory
    plan: Timeline
    shots: tuple[Shot, ...]  # of the plan, with transitions
    pictures: Pictures
    sound: Sound | None
    decode: Decode | None  # of morph alone

    @property
    def remarks(self) -> tuple[str, ...]:
        return tuple(filter(None, [*self.plan.remarks, too_short(self.shots, self.settings)]))

    @property
    def tracks(self) -> dict[str, Any]:
        """What the film holds besides pictures, as an `Encoder` takes it."""
        words = self.plan.captions
        return {
            "sound": self.sound and fitted(self.sound, self._samples, self.form.block),
            "captions": words if self.settings.captions else (),
            "chapters": words if self.settings.chapters else (),
        }

    @property
    def _samples(self) -> list[int]:
        """How many samples each repetition of the sound has, from absolute times."""
        repeats = self.plan.repeats
        edges = [self.plan.end_ms * RATE * k // (1000 * repeats) for k in range(repeats + 1)]
        return [stop - start for start, stop in pairwise(edges)]


def make_film(
    run_dir: str | Path,
    output: str | Path = "",
    *,
    sound: str | Path = "",
    settings: FilmSettings | None = None,
    embed: Embed | None = None,
    decode: Decode | None = None,
    progress: Progress | None = None,
) -> Film:
    """The film of a finished run, written to `output` (.mp4 or .webm; default: in the run).

    `sound`: a sound file, "tones" for a soft tone with each word, or empty. `embed`: what gives
    words their embeddings, for transitions whose length depends on them. `decode`: what gives
    latents their picture, for transition morph; by default the run's model is loaded. `progress`:
    by default a bar. What works, but probably not as intended, is a FlopslabWarning. Raises
    RunError and ParameterError; no file is left half written, and an older film stays until the
    new one is whole.
    """
    require_av()
    sound = os.path.expanduser(sound)
    path = Path(output or Path(run_dir) / "film.mp4").expanduser()
    settings = settings or FilmSettings()
    form, run = format_of(path), finished_run(run_dir)
    with Drafts(path, _suffixes(path, settings, sound), sound) as drafts:
        heard = _open_sound(sound, drafts, run, settings)
        script = _script(form, run, settings, heard, embed, decode)
        for remark in script.remarks:
            warnings.warn(remark, FlopslabWarning, stacklevel=2)
        bar = progress or RunBar(title="film")
        frames = _encode(script, drafts[path.suffix], bar)
        _write_beside(script, drafts)
    return Film(
        path=path,
        beside=drafts.beside,
        duration_ms=script.plan.end_ms,
        sound=path.with_suffix(".wav") if sound == TONES else heard and heard.path,
        sound_ms=heard and heard.duration_ms,
        shots=len(script.shots),
        frames=frames,
        remarks=script.remarks,
    )


def _open_sound(
    sound: str | Path, drafts: Drafts, run: RunDirectory, settings: FilmSettings
) -> Sound | None:
    """The sound, measured; tones are made first, for the words that are in the film."""
    if sound == TONES:
        end = "longest" if settings.end == "sound" else settings.end
        once = settings.model_copy(update={"passes": 1, "end": end})
        sound = write_tones(drafts[".wav"], timeline(run.manifest, once).captions)
    return open_sound(sound) if sound else None


def _script(
    form: Format,
    run: RunDirectory,
    settings: FilmSettings,
    sound: Sound | None,
    embed: Embed | None,
    decode: Decode | None,
) -> _Script:
    if settings.transition == "morph":
        require_latents(run, settings)
        decode = decode or load_decoder(run)
    plan = timeline(run.manifest, settings, sound and sound.duration_ms)
    shots = with_transitions(plan.shots, settings, embed)
    pictures = Pictures(run, shots, settings.height)
    return _Script(form, settings, run, plan, shots, pictures, sound, decode)


def _suffixes(path: Path, settings: FilmSettings, sound: str | Path) -> list[str]:
    """Of the files beside the film."""
    suffixes = {
        ".jpg": True,
        ".concat.txt": True,
        ".vtt": settings.captions,
        ".srt": settings.captions,
        f".{settings.preview}": bool(settings.preview),
        ".wav": sound == TONES,
    }
    return [suffix for suffix, needed in suffixes.items() if needed]


def _encode(script: _Script, path: Path, progress: Progress) -> int:
    """Write the film; returns the number of its frames."""
    settings, shots, picture = script.settings, script.shots, script.pictures.yuv
    frames = sum(1 for _ in instants(shots, settings))
    rows, width = picture(shots[0]).shape
    progress.start([frames])
    try:
        with Encoder(path, script.form, (width, rows * 2 // 3), settings, **script.tracks) as file:
            for index, group in groupby(instants(shots, settings), key=lambda i: i.shot):
                moments = list(group)
                for moment, image in zip(moments, _images(script, index, moments), strict=True):
                    file.add(image, moment)
                progress.advance(1, len(moments), shots[index].word)
            file.finish()
    finally:
        progress.end()
    return frames


def _images(script: _Script, index: int, moments: Sequence[Instant]) -> Iterator[np.ndarray]:
    """The images of a shot: its picture, then those of the transition to the next."""
    pictures = script.pictures
    current = pictures.yuv(script.shots[index])
    shares = [moment.mix for moment in moments if moment.mix]
    yield from [current] * (len(moments) - len(shares))
    if not shares:
        return
    following = script.shots[index + 1]
    if script.decode and script.settings.transition == "morph":
        yield from pictures.between(script.shots[index], following, shares, script.decode)
    else:
        transition = TRANSITIONS[script.settings.transition]
        yield from transition(current, pictures.yuv(following), shares)


def _write_beside(script: _Script, drafts: Drafts) -> None:
    """Captions, poster, list of pictures and preview."""
    settings, plan, pictures = script.settings, script.plan, script.pictures
    directory = drafts.film.parent
    write_poster(drafts[".jpg"], pictures, plan.shots)
    paths = {key: os.path.relpath(script.run.path(key), directory) for key in script.run.frames}
    write_text(drafts[".concat.txt"], concat(plan.shots, paths))
    if settings.captions:
        write_text(drafts[".vtt"], vtt(plan.captions))
        write_text(drafts[".srt"], srt(plan.captions))
    if settings.preview:
        draft = drafts[f".{settings.preview}"]
        write_preview(draft, settings.preview, pictures, plan.shots)
