"""The main loop: words to pictures, then pass after pass of pictures that see their neighbours."""

import shlex
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from flopslab import validation as checks
from flopslab.backends import load_generator
from flopslab.core import refinement
from flopslab.core.compositing import Context
from flopslab.core.generator import FrameRequest, Generator
from flopslab.core.plan import Frame, plan
from flopslab.core.study import Study
from flopslab.core.windows import positions
from flopslab.errors import FlopslabWarning, ModelError, RunError
from flopslab.progress import NoProgress, Progress
from flopslab.runs.store import Store
from flopslab.words.sequence import Word, read_sequence


@dataclass(frozen=True)
class Pass:
    """What one pass came to: numbers of frames, and seconds on the clock."""

    number: int
    made: int  # generated now
    kept: int  # found in the directory and proven
    shared: int  # copied from another run
    seconds: float


@dataclass(frozen=True)
class Run:
    """A finished run. `flopslab.runs.reader.open_run(run.directory)` reads its pictures."""

    study: Study
    directory: Path
    passes: tuple[Pass, ...]
    set_aside: tuple[Path, ...]  # where files went that could not be kept
    manifest: Path


def run(
    study: Study,
    generator: Generator | None = None,
    progress: NoProgress | None = None,
    *,
    last_only: bool = False,
    share_from: str | Path | None = None,
    given: Mapping[int, Image.Image] | None = None,
) -> Run:
    """The finished run of a study: what its directory proves is kept, all else is made.

    `generator`: by default the study's model is loaded. `progress`: by default a bar for each
    pass. `last_only`: make only the last pass; those before it must be complete. `share_from`:
    another run's directory; frames there that are the very ones asked for are copied. `given`:
    pictures from outside (RGB, of the model's size) that are the first pass's at these positions.

    Raises RunError (other parameters, pass before incomplete, another process, disk),
    ParameterError, SequenceError, ModelError. Frames made until then stay.
    """
    words, given = read_sequence(study.sequence), given or {}
    progress = progress or _bars(study, len(words))
    with Store(study.output_dir, share_from) as store, _ended(progress):
        generator = _prepare(study, words, generator, store, given)
        passes = []
        for number in _numbers(study, words, generator, store, given, last_only):
            began = time.perf_counter()
            frames = plan(study, words, number, generator, given)
            require_previous(study, frames, store)
            todo = store.missing(frames)
            progress.begin(number, len(frames), kept=len(frames) - len(todo))
            for batch in _batches(todo, generator.settings["batch_size"]):
                contexts = compose(study, batch, store)
                images, latents, seconds = generate(
                    study, batch, contexts, generator, store.keeps_latents
                )
                images, latents = lead_back(study, batch, images, latents, store)
                store.commit(batch, images, latents, seconds)
                progress.advance(len(batch), " ".join(word.text for word in batch[-1].words))
            passes.append(_summary(store, frames, todo, time.perf_counter() - began))
        manifest = store.finish(frames)
    return Run(study, store.directory, tuple(passes), tuple(store.set_aside), manifest)


def compose(study: Study, batch: Sequence[Frame], store: Store) -> list[Context]:
    """What each frame of the batch starts from and looks at; in pass 1 nothing."""
    return [
        refinement.context(
            study, store, frame.number, frame.position, frame.weighted_inputs, frame.sources
        )
        for frame in batch
    ]


def generate(
    study: Study,
    batch: Sequence[Frame],
    contexts: Sequence[Context],
    generator: Generator,
    keep_latents: bool,
) -> tuple[list[Image.Image], Sequence[np.ndarray | None], float]:
    """The pictures of a batch, their latents if they are kept, and the seconds that it took.

    ModelError if one is no picture.
    """
    began = time.perf_counter()
    asked = [pair for pair in zip(batch, contexts, strict=True) if pair[0].given is None]
    requests = [FrameRequest(frame.prompt, frame.seed, context) for frame, context in asked]
    strength = study.strength(batch[0].number)
    made, latents = [], [None] * len(batch)
    if requests and keep_latents:
        made, latents = generator.generate_with_latents(requests, strength)
    elif requests:
        made = generator.generate(requests, strength)
    for (frame, _), image in zip(asked, made, strict=True):
        _require_picture(frame, image, generator)
    rest = iter(made)
    images = [frame.given or next(rest) for frame in batch]
    return images, latents, time.perf_counter() - began


def lead_back(
    study: Study,
    batch: Sequence[Frame],
    images: Sequence[Image.Image],
    latents: Sequence[np.ndarray | None],
    store: Store,
) -> tuple[Sequence[Image.Image], Sequence[np.ndarray | None]]:
    """The pictures and latents with the colours of pass 1, as far as the study asks for it.

    A frame that looks at no other, as in pass 1, stays as it is.
    """
    led = [
        refinement.anchored(study, store, frame.position, image, z) if frame.inputs else (image, z)
        for frame, image, z in zip(batch, images, latents, strict=True)
    ]
    return [image for image, _ in led], [z for _, z in led]


def require_previous(study: Study, frames: Sequence[Frame], store: Store) -> None:
    """RunError if a frame that these frames look at is not proven; nothing is overwritten."""
    number = frames[0].number - 1
    needed = sorted({position for frame in frames for position in frame.sources.values()})
    gaps = [position for position in needed if not store.proves(number, position)]
    if gaps:
        before = study.model_copy(update={"passes": number})
        raise RunError(
            f"pass {number + 1} of {store.directory}, which needs all of pass {number}",
            f"{len(gaps)} of {len(needed)} frames of pass {number} are not there or not proven, "
            f"at positions {spans(gaps, study.frame_interval)}",
            f"make them with: {command(before)}",
        )


def command(study: Study) -> str:
    """The papermill command that runs the study."""
    named = study.model_dump(include={"output_dir", "passes"})
    named |= study.model_dump(exclude_defaults=True)
    options = [_option(name, value) for name, value in named.items()]
    return " ".join(["papermill notebooks/run.ipynb out.ipynb", *options])


def spans(gaps: Sequence[int], interval: int = 1, most: int = 8) -> str:
    """Positions for people: `3, 7-9, 12 and 4 more`; frames stand `interval` apart."""
    runs: list[list[int]] = []
    for position in gaps:
        if runs and position == runs[-1][-1] + interval:
            runs[-1].append(position)
        else:
            runs.append([position])
    shown = ", ".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in runs[:most])
    rest = sum(len(r) for r in runs[most:])
    return f"{shown} and {rest} more" if rest else shown


def _prepare(
    study: Study,
    words: Sequence[Word],
    generator: Generator | None,
    store: Store,
    given: Mapping[int, Image.Image],
) -> Generator:
    """The generator, after every check that can be made before the first frame."""
    if study.passes > 1:
        for remark in checks.remarks(study, len(words)):
            warnings.warn(remark, FlopslabWarning, stacklevel=3)
    frozen = study.batch_size or store.made_with.get("batch_size", 0)
    generator = generator or load_generator(study, frozen)
    checks.refinement(study, generator.settings["steps"])
    frames = positions(len(words), study.frame_interval, study.limit)
    checks.pictures(study, given, frames, generator.size)
    store.accept(study, generator.settings, words, given)
    return generator


def _numbers(
    study: Study,
    words: Sequence[Word],
    generator: Generator,
    store: Store,
    given: Mapping[int, Image.Image],
    last_only: bool,
) -> range:
    """The passes to make; if only the last one, those before it are proven here."""
    first = study.passes if last_only else 1
    for number in range(1, first):
        store.inspect(plan(study, words, number, generator, given))
    return range(first, study.passes + 1)


def _require_picture(frame: Frame, image: Image.Image, generator: Generator) -> None:
    """A flat frame is what NaN or an overflow in the model looks like: never an input unnoticed."""
    asked = f"a picture for position {frame.position} in pass {frame.number}"
    if image.mode != "RGB" or image.size != generator.size:
        found = f"{image.mode} {image.size}"
        raise ModelError(asked, found, f"the generator must give RGB {generator.size}")
    if all(low == high for low, high in image.getextrema()):
        raise ModelError(
            asked,
            f"one flat colour, RGB {image.getpixel((0, 0))}; it was not kept",
            "usually numbers overflow in the model: try a smaller guidance_scale, another "
            "scheduler, or another model or VAE; the frames made before are kept",
        )


def _batches(frames: Sequence[Frame], size: int) -> Iterator[Sequence[Frame]]:
    for start in range(0, len(frames), size):
        yield frames[start : start + size]


def _summary(store: Store, frames: Sequence[Frame], todo: Sequence[Frame], seconds: float) -> Pass:
    number = frames[0].number
    shared = sum(frame.number == number for frame in store.shared)
    kept = len(frames) - len(todo) - shared
    return Pass(number, len(todo), kept, shared, seconds)


def _option(name: str, value: object) -> str:
    if isinstance(value, list):
        return f"-y {shlex.quote(f'{name}: {value}')}"
    return f"{_flag(value)} {name} {shlex.quote(str(value))}"


def _flag(value: object) -> str:
    """papermill reads the value of -p as a literal where it can; that of -r stays a string."""
    if not isinstance(value, str):
        return "-p"
    try:
        float(value)
    except ValueError:
        return "-r" if value in ("True", "False", "None") else "-p"
    return "-r"


def _bars(study: Study, length: int) -> Progress:
    frames = len(positions(length, study.frame_interval, study.limit))
    costs = [study.strength(number) for number in range(1, study.passes + 1)]
    return Progress(study.passes, frames, costs)


@contextmanager
def _ended(progress: NoProgress) -> Iterator[None]:
    try:
        yield
    finally:
        progress.end()
