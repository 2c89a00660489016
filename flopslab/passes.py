"""The main loop: words to pictures, then passes of pictures that see their neighbours."""

import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from flopslab.calibration.strength import resolve_strength
from flopslab.commands import describe_positions, papermill_command
from flopslab.core.generator import Generator, capabilities_of
from flopslab.core.plan import Frame, Plan
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing
from flopslab.errors import FlopslabWarning, RunError, RunInterrupted
from flopslab.execution.executor import make_batches, make_executor
from flopslab.execution.generators import open_generator
from flopslab.execution.stages import Batch
from flopslab.execution.wavefront import Wavefront
from flopslab.progress import Progress, RunBar, SafeProgress, open_stderr
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
    suit_single_pass,
    warnings_for,
)
from flopslab.words.sequence import TimedSequence


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

    `generator`: by default the study's model is loaded, with `cluster` on its workers. `progress`:
    by default a bar, or lines where there is no terminal, and a log in the run directory.
    `last_only`: make only the last pass; those before it must be complete. `external_frames`:
    pictures from outside (RGB, of the model's size) that are the first pass's at these positions.

    Raises RunError (other parameters, pass before incomplete, another process, disk),
    ParameterError, SequenceError, ModelError. Frames made until then stay.
    """
    sequence = study.read_words()
    words = sequence.words
    check_output_dir(study, len(words))
    progress = SafeProgress(progress or _run_bar(study))
    with (
        open_stderr(),
        _explaining_interrupts(study, Windowing(study, len(words)).positions),
        Store(study.output_dir, study.reuse_from) as store,
        _closing(progress),
    ):
        resolved, generator = _prepare(
            study, sequence, generator, store, external_frames or {}, progress
        )
        plan = Plan(resolved, words, generator, external_frames or {})
        passes = _passes_to_make(plan, store, last_only)
        tally = Tally(plan, passes, store, progress)
        missing = Wavefront(plan, passes, store, generator.settings["batch_size"], tally.check)
        with make_executor(resolved, generator, store, progress) as executor:
            for batch in make_batches(missing, executor):  # composed, generated, committed
                tally.add(batch)
        manifest = store.finish(plan.frames(study.passes))
    entries = tuple(store.quarantine.entries)
    return Run(study, store.directory, tuple(tally.passes), entries, manifest)


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
) -> tuple[Study, Generator]:
    """The study as it runs and the generator, after every check before the first frame."""
    length = len(sequence.words)
    if study.passes > 1:
        for sentence in warnings_for(study, length):
            warnings.warn(sentence, FlopslabWarning, stacklevel=3)
    if generator is None:
        generator = open_generator(study, frozen_batch_size(study), progress.note)
    capabilities = capabilities_of(generator)
    study = suit_single_pass(study, capabilities)
    check_capabilities(study, capabilities)
    resolution = resolve_strength(study, generator, progress)
    study = resolution.study
    check_refinement(study)
    frames = Windowing(study, length).positions
    check_external_frames(study, external_frames, frames, generator.size)
    store.bind(study, generator.settings, sequence, external_frames, resolution.follows)
    check_space(study, frames, generator.size)
    return study, generator


class Tally:
    """How many frames of each pass were verified and made; tells the progress of it."""

    def __init__(self, plan: Plan, passes: Sequence[int], store: Store, progress: Progress) -> None:
        self.passes: list[Pass] = []  # that are complete
        self._store, self._progress = store, progress
        self._total = len(plan.windowing.positions)
        self._made: Counter[int] = Counter()
        self._kept: Counter[int] = Counter()
        self._start: dict[int, float] = {}
        self._warned = False  # that makers differ
        progress.start([self._total * (number in passes) for number in plan.passes])

    def check(self, number: int, kept: int) -> None:
        """Frames of a pass were looked up, of which so many are verified."""
        self._start.setdefault(number, time.perf_counter())
        self._kept[number] += kept
        self._compare_makers()
        if kept:
            self._progress.keep(number, kept)
            self._finish(number)

    def add(self, batch: Batch) -> None:
        """These frames are made."""
        number = batch[0].key.pass_number
        self._made[number] += len(batch)
        self._compare_makers()
        words = " ".join(word.text for word in batch[-1].words)
        self._progress.advance(number, len(batch), words)
        self._finish(number)

    def _compare_makers(self) -> None:
        """Warn, once, that frames of the run were made on other devices or by other versions."""
        if not self._warned and (changes := self._store.maker_changes):
            self._warned = True
            warnings.warn(
                f"the frames of {self._store.directory} are made with {changes}: they are kept, "
                "and the manifest lists what made them under made_by",
                FlopslabWarning,
                stacklevel=4,
            )

    def _finish(self, number: int) -> None:
        """The pass is complete, if all its frames are there."""
        made, kept = self._made[number], self._kept[number]
        if made + kept < self._total:
            return
        copied = sum(key.pass_number == number for key in self._store.copied)
        seconds = time.perf_counter() - self._start[number]
        entries = self._store.quarantine.entries_of(number)
        self.passes.append(Pass(number, made, kept - copied, copied, seconds, entries))
        self._progress.finish(number, str(self.passes[-1]))


def _passes_to_make(plan: Plan, store: Store, last_only: bool) -> Sequence[int]:
    """All passes, or the last one: then those before it must be complete."""
    if not last_only:
        return plan.passes
    for number in plan.passes[:-1]:
        store.verify(plan.frames(number))
    require_previous(plan.study, plan.frames(plan.study.passes), store)
    return plan.passes[-1:]


def _run_bar(study: Study) -> RunBar:
    costs = [study.strength(number) for number in range(1, study.passes + 1)]
    return RunBar(costs, log=Path(study.output_dir) / layout.LOG)


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
