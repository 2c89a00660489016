"""The main loop: words to pictures, then pass after pass of pictures that see their neighbours."""

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from flopslab.backends import load_generator
from flopslab.commands import describe_positions, papermill_command
from flopslab.core.generator import Generator
from flopslab.core.plan import Frame, Plan
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing
from flopslab.errors import FlopslabWarning, RunError, RunInterrupted
from flopslab.execution.local import make_batches, make_executor
from flopslab.execution.stages import Batch, Stages
from flopslab.execution.wavefront import Wavefront
from flopslab.progress import PassBars, Progress
from flopslab.runs import layout
from flopslab.runs.reader import frozen_batch_size
from flopslab.runs.store import Store
from flopslab.validation import check_external_frames, check_refinement, warnings_for
from flopslab.words.sequence import TimedSequence


@dataclass(frozen=True)
class Pass:
    """What one pass came to: numbers of frames, and seconds on the clock."""

    number: int
    made: int  # generated now
    kept: int  # verified in the directory
    copied: int  # from another run
    seconds: float


@dataclass(frozen=True)
class Run:
    """A finished run. `flopslab.open_run(run.directory)` reads its pictures."""

    study: Study
    directory: Path
    passes: tuple[Pass, ...]
    quarantined: tuple[Path, ...]  # where files are now that could not be kept
    manifest: Path


def run(
    study: Study,
    generator: Generator | None = None,
    progress: Progress | None = None,
    *,
    last_only: bool = False,
    reuse_from: str | Path | None = None,
    external_frames: Mapping[int, Image.Image] | None = None,
) -> Run:
    """The finished run of a study: verified frames in its directory are kept, all others made.

    `generator`: by default the study's model is loaded. `progress`: by default a bar for each
    pass. `last_only`: make only the last pass; those before it must be complete. `reuse_from`:
    another run's directory; frames there with the right key are copied. `external_frames`:
    pictures from outside (RGB, of the model's size) that are the first pass's at these positions.

    Raises RunError (other parameters, pass before incomplete, another process, disk),
    ParameterError, SequenceError, ModelError. Frames made until then stay.
    """
    sequence = study.read_words()
    words = sequence.words
    progress = progress or _pass_bars(study, len(words))
    with (
        _explaining_interrupts(study, Windowing(study, len(words)).positions),
        Store(study.output_dir, reuse_from) as store,
        _closing(progress),
    ):
        generator = _prepare(study, sequence, generator, store, external_frames or {})
        plan = Plan(study, words, generator, external_frames or {})
        tally = Tally(plan, store, progress)
        passes = _passes_to_make(plan, store, last_only)
        missing = Wavefront(plan, passes, store, tally.check)
        with make_executor(study, generator, Stages(study, store)) as executor:
            for batch in make_batches(missing, executor):  # composed, generated, committed
                tally.add(batch)
        manifest = store.finish(plan.frames(study.passes))
    return Run(study, store.directory, tally.passes, tuple(store.quarantined), manifest)


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
) -> Generator:
    """The generator, after every check that can be made before the first frame."""
    length = len(sequence.words)
    if study.passes > 1:
        for sentence in warnings_for(study, length):
            warnings.warn(sentence, FlopslabWarning, stacklevel=3)
    generator = generator or load_generator(study, frozen_batch_size(study, store.reuse_from))
    check_refinement(study, generator.settings["steps"])
    frames = Windowing(study, length).positions
    check_external_frames(study, external_frames, frames, generator.size)
    store.bind(study, generator.settings, sequence, external_frames)
    return generator


class Tally:
    """How many frames of each pass were verified and made, as the progress is told."""

    def __init__(self, plan: Plan, store: Store, progress: Progress) -> None:
        self._store, self._progress, numbers = store, progress, plan.passes
        self._made, self._total = dict.fromkeys(numbers, 0), dict.fromkeys(numbers, 0)
        self._start, self._end = {}, {}
        progress.start([len(plan.windowing.positions)] * len(numbers))

    def check(self, number: int, kept: int, missing: int) -> None:
        """So many frames of a pass were looked up."""
        self._start.setdefault(number, time.perf_counter())
        self._total[number] += kept + missing
        self._progress.keep(number, kept)

    def add(self, batch: Batch) -> None:
        """These frames are made."""
        number = batch[0].key.pass_number
        self._made[number] += len(batch)
        self._end[number] = time.perf_counter()
        self._progress.advance(number, len(batch), " ".join(w.text for w in batch[-1].words))

    @property
    def passes(self) -> tuple[Pass, ...]:
        """What the passes came to that were looked at."""
        return tuple(self._pass(number) for number in self._start)

    def _pass(self, number: int) -> Pass:
        copied = sum(key.pass_number == number for key in self._store.copied)
        made, seconds = self._made[number], self._end.get(number, self._start[number])
        kept = self._total[number] - made - copied
        return Pass(number, made, kept, copied, seconds - self._start[number])


def _passes_to_make(plan: Plan, store: Store, last_only: bool) -> Sequence[int]:
    """All passes, or the last one: then those before it must be complete."""
    if not last_only:
        return plan.passes
    for number in plan.passes[:-1]:
        store.verify(plan.frames(number))
    require_previous(plan.study, plan.frames(plan.study.passes), store)
    return plan.passes[-1:]


def _pass_bars(study: Study, length: int) -> PassBars:
    frames = len(Windowing(study, length).positions)
    costs = [study.strength(number) for number in range(1, study.passes + 1)]
    return PassBars(study.passes, frames, costs)


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
