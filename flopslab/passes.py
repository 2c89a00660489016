"""The main loop: words to pictures, then pass after pass of pictures that see their neighbours."""

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from flopslab.backends import load_generator
from flopslab.commands import describe_positions, papermill_command
from flopslab.core.compositing import Context
from flopslab.core.generator import FrameRequest, Generator, capabilities_of, watching_steps
from flopslab.core.plan import Frame, plan_pass
from flopslab.core.refinement import Refinement
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing
from flopslab.errors import FlopslabWarning, ModelError, RunError, RunInterrupted
from flopslab.progress import PassBars, Progress, open_stderr
from flopslab.runs import layout
from flopslab.runs.quarantine import QuarantineEntry, describe_entries
from flopslab.runs.reader import frozen_batch_size
from flopslab.runs.store import Store
from flopslab.validation import (
    check_capabilities,
    check_external_frames,
    check_output_dir,
    check_refinement,
    check_space,
    warnings_for,
)
from flopslab.words.sequence import TimedSequence

Latents = Sequence[np.ndarray | None]


@dataclass(frozen=True)
class Pass:
    """What one pass came to: numbers of frames, and seconds on the clock."""

    number: int
    made: int  # generated now
    kept: int  # verified in the directory
    copied: int  # from another run
    seconds: float
    quarantine: tuple[QuarantineEntry, ...] = ()  # what stood in the place of its frames

    def __str__(self) -> str:
        """`pass 2: 34 made, 62 kept, 3 set aside (2 damaged, 1 outdated) in quarantine/`."""
        counts = {"made": self.made, "kept": self.kept, "copied": self.copied}
        parts = [f"{count} {name}" for name, count in counts.items() if count]
        parts += filter(None, [describe_entries(self.quarantine)])
        return f"pass {self.number}: {', '.join(parts)}"


@dataclass(frozen=True)
class Run:
    """A finished run. `flopslab.open_run(run.directory)` reads its pictures."""

    study: Study
    directory: Path
    passes: tuple[Pass, ...]
    quarantine: tuple[QuarantineEntry, ...]  # what could not be kept, why, and where it is now
    manifest: Path

    @property
    def quarantined(self) -> tuple[Path, ...]:
        """Where the files are now that could not be kept."""
        return tuple(path for entry in self.quarantine for path in entry.paths)


def run(
    study: Study,
    generator: Generator | None = None,
    progress: Progress | None = None,
    *,
    last_only: bool = False,
    external_frames: Mapping[int, Image.Image] | None = None,
) -> Run:
    """The finished run of a study: verified frames in its directory are kept, all others made.

    `generator`: by default the study's model is loaded. `progress`: by default a bar for each
    pass, or lines where there is no terminal, and a log in the run directory. `last_only`: make
    only the last pass; those before it must be complete. `external_frames`: pictures from outside
    (RGB, of the model's size) that are the first pass's at these positions.

    Raises RunError (other parameters, pass before incomplete, another process, disk),
    ParameterError, SequenceError, ModelError. Frames made until then stay.
    """
    sequence = study.read_words()
    words = sequence.words
    check_output_dir(study, len(words))
    progress = progress or _pass_bars(study, len(words))
    with (
        open_stderr(),
        _explaining_interrupts(study, Windowing(study, len(words)).positions),
        Store(study.output_dir, study.reuse_from) as store,
        _closing(progress),
    ):
        generator = _prepare(study, sequence, generator, store, external_frames or {}, progress)
        refinement = Refinement(study, store)
        passes, frames = [], []
        for number in range(1, study.passes + 1):
            start, frames = time.perf_counter(), []  # one plan at a time: it takes 5 kB a frame
            frames = plan_pass(study, words, number, generator, external_frames)
            if last_only and number < study.passes:
                store.verify(frames)
                continue
            require_previous(study, frames, store)
            missing = store.find_missing(frames)
            progress.begin(number, len(frames), kept=len(frames) - len(missing))
            for batch in _batches(missing, generator.settings["batch_size"]):
                contexts = compose(refinement, batch)
                with watching_steps(generator, partial(progress.step, frames=len(batch))):
                    images, latents, seconds = generate(study, batch, contexts, generator, store)
                images, latents = anchor_colours(refinement, batch, images, latents)
                store.commit(batch, images, latents, seconds)
                progress.advance(len(batch), " ".join(word.text for word in batch[-1].words))
            passes.append(_summary(store, frames, missing, time.perf_counter() - start))
            progress.end(str(passes[-1]))
        manifest = store.finish(frames)
    return Run(study, store.directory, tuple(passes), tuple(store.quarantine.entries), manifest)


def compose(refinement: Refinement, batch: Sequence[Frame]) -> list[Context]:
    """What each frame of the batch starts from and looks at; in pass 1 nothing."""
    return [refinement.context_of(frame.key, frame.inputs) for frame in batch]


def generate(
    study: Study,
    batch: Sequence[Frame],
    contexts: Sequence[Context],
    generator: Generator,
    store: Store,
) -> tuple[list[Image.Image], Latents, float]:
    """The pictures of a batch, their latents if they are kept, and the seconds that it took.

    ModelError if one is no picture.
    """
    start = time.perf_counter()
    pairs = [pair for pair in zip(batch, contexts, strict=True) if pair[0].external is None]
    requests = [FrameRequest(frame.prompt, frame.seed, context) for frame, context in pairs]
    strength = study.strength(batch[0].key.pass_number)
    pictures, latents = [], [None] * len(batch)
    if requests and store.keeps_latents:
        pictures, latents = generator.generate_with_latents(requests, strength)
    elif requests:
        pictures = generator.generate(requests, strength)
    for (frame, _), image in zip(pairs, pictures, strict=True):
        _require_picture(frame, image, generator)
    rest = iter(pictures)
    images = [frame.external or next(rest) for frame in batch]
    return images, latents, time.perf_counter() - start


def anchor_colours(
    refinement: Refinement,
    batch: Sequence[Frame],
    images: Sequence[Image.Image],
    latents: Latents,
) -> tuple[Sequence[Image.Image], Latents]:
    """The pictures and latents with the colours of pass 1, as far as the study says.

    A frame that looks at no other, as in pass 1, stays as it is.
    """
    pairs = [
        refinement.anchor_colours(frame.key.position, image, z) if frame.inputs else (image, z)
        for frame, image, z in zip(batch, images, latents, strict=True)
    ]
    return [image for image, _ in pairs], [z for _, z in pairs]


def require_previous(study: Study, frames: Sequence[Frame], store: Store) -> None:
    """RunError if a frame that these frames look at is not verified; nothing is overwritten."""
    sources = sorted({source for frame in frames for source in frame.sources})
    gaps = [source for source in sources if not store.is_verified(source)]
    if gaps:
        number = gaps[0].pass_number
        positions = describe_positions([key.position for key in gaps], study.frame_interval)
        raise RunError(
            f"pass {number + 1} of {store.directory}, which needs all of pass {number}",
            f"{len(gaps)} of {len(sources)} frames of pass {number} are missing or cannot be "
            f"verified, at positions {positions}",
            f"make them with: {papermill_command(study.replace(passes=number))}",
        )


def _prepare(
    study: Study,
    sequence: TimedSequence,
    generator: Generator | None,
    store: Store,
    external_frames: Mapping[int, Image.Image],
    progress: Progress,
) -> Generator:
    """The generator, after every check that can be made before the first frame."""
    length = len(sequence.words)
    if study.passes > 1:
        for sentence in warnings_for(study, length):
            warnings.warn(sentence, FlopslabWarning, stacklevel=3)
    if generator is None:
        progress.note(f"loading the model {study.model}")
        generator = load_generator(study, frozen_batch_size(study))
    check_capabilities(study, capabilities_of(generator))
    check_refinement(study, generator.settings["steps"])
    frames = Windowing(study, length).positions
    check_external_frames(study, external_frames, frames, generator.size)
    store.bind(study, generator.settings, sequence, external_frames)
    check_space(study, frames, generator.size)
    return generator


def _require_picture(frame: Frame, image: Image.Image, generator: Generator) -> None:
    """A flat frame is what NaN or an overflow in the model looks like: never an input unnoticed."""
    expected = f"a picture for position {frame.key.position} in pass {frame.key.pass_number}"
    if image.mode != "RGB" or image.size != generator.size:
        actual = f"{image.mode} {image.size}"
        raise ModelError(expected, actual, f"the generator must give RGB {generator.size}")
    if image.getcolors(1):
        raise ModelError(
            expected,
            f"one flat colour, RGB {image.getpixel((0, 0))}; it was not kept",
            "usually numbers overflow in the model: try a smaller guidance_scale, another "
            "scheduler, or another model or VAE; the frames made before are kept",
        )


def _batches(frames: Sequence[Frame], size: int) -> Iterator[Sequence[Frame]]:
    for start in range(0, len(frames), size):
        yield frames[start : start + size]


def _summary(
    store: Store, frames: Sequence[Frame], missing: Sequence[Frame], seconds: float
) -> Pass:
    number = frames[0].key.pass_number
    copied = sum(key.pass_number == number for key in store.copied)
    kept = len(frames) - len(missing) - copied
    entries = store.quarantine.entries_of(number)
    return Pass(number, len(missing), kept, copied, seconds, entries)


def _pass_bars(study: Study, length: int) -> PassBars:
    frames = len(Windowing(study, length).positions)
    costs = [study.strength(number) for number in range(1, study.passes + 1)]
    return PassBars(study.passes, frames, costs, log=Path(study.output_dir) / layout.LOG)


@contextmanager
def _explaining_interrupts(study: Study, positions: Sequence[int]) -> Iterator[None]:
    """Turn an interrupt into one that says how many frames are there and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        directory = Path(study.output_dir)
        keys = {FrameKey(n, p) for n in range(1, study.passes + 1) for p in positions}
        count = len(keys.intersection(layout.frame_keys(directory)))
        raise RunInterrupted(
            f"Interrupted: {count} of {len(keys)} frames are in {directory}.\n"
            "Run it again to go on from there."
        ) from None


@contextmanager
def _closing(progress: Progress) -> Iterator[None]:
    try:
        yield
    finally:
        progress.end()
