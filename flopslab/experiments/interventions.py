"""Interventions: change one word or one picture, keep every seed, and see where it arrives.

The changed study runs in a directory of its own beside the base run and takes from it every frame
whose key is the same. What the change cannot reach is therefore the base run's own picture, and
what it does reach, its cone, is made.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flopslab.core.generator import Generator
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing
from flopslab.digests import json_digest
from flopslab.errors import RunError
from flopslab.execution.generators import open_generator
from flopslab.experiments.changes import (
    Change,
    Cone,
    Insert,
    Remove,
    Replace,
    ReplaceFrame,
    Words,
    affected_frames,
    check_change,
    describe_change,
    external_frames,
)
from flopslab.passes import run
from flopslab.progress import NullProgress, Progress, RunBar
from flopslab.runs import layout
from flopslab.runs.reader import RunDirectory, common_parameters, finished_run, frozen_batch_size
from flopslab.storage import filesystem
from flopslab.words.sequence import TimedSequence

__all__ = [
    "Change",
    "Cone",
    "Insert",
    "Intervention",
    "Remove",
    "Replace",
    "ReplaceFrame",
    "base_run",
    "intervene",
    "intervene_each",
    "intervention_directory",
]


@dataclass(frozen=True)
class Intervention:
    """A change, the two runs to compare, and the frames in which they can differ."""

    change: Change
    base: Path
    directory: Path
    computed: dict[int, int]  # how many frames are its own, by pass
    reused: dict[int, int]  # how many are the base run's, by pass
    cone: Cone  # positions of the frames that the change can reach, by pass


def intervene(
    study: Study,
    change: Change,
    generator: Generator | None = None,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Intervention:
    """The study run with one change; the base run, in `study.output_dir`, is made if need be.

    `directory`: by default `intervention_directory(study, change)`. Started again, it goes on
    where it was. Raises ParameterError if nothing would change or the position does not exist, and
    what `flopslab.run` raises.
    """
    (intervention,) = intervene_each(study, [change], generator, progress, [directory])
    return intervention


def intervene_each(
    study: Study,
    changes: Sequence[Change],
    generator: Generator | None = None,
    progress: Progress | None = None,
    directories: Sequence[str | Path | None] | None = None,
) -> list[Intervention]:
    """One intervention for each change, in order, with one generator and one bar for all.

    Every change is checked before the first is run. See `intervene`.
    """
    if not changes:
        return []
    sequence = study.read_words()
    for change in changes:
        check_change(study, change, sequence.words)
    generator = base_run(study, generator, progress)
    paths = _directories(study, changes, sequence.words, directories)
    length = len(sequence.words)
    cones = [affected_frames(study, change, length) for change in changes]
    cone_progress = _ConeProgress(progress or _bar(paths), cones)
    try:
        return [
            _intervene(study, sequence, change, cone, generator, cone_progress, path)
            for change, cone, path in zip(changes, cones, paths, strict=True)
        ]
    finally:
        cone_progress.close()


def intervention_directory(study: Study, change: Change) -> Path:
    """Where the intervention lies: beside the base run, under a digest of its identity.

    The identity is the change, the words, and what the base run's pictures were really made with:
    whoever asks for it, however the study spells it, and wherever the file with the words lies.
    Words are data and become no name. RunError if there is no base run yet.
    """
    (directory,) = _directories(study, [change], study.read_words().words)
    return directory


def base_run(
    study: Study, generator: Generator | None = None, progress: Progress | None = None
) -> Generator:
    """The generator of a study's runs, once the run itself is complete and verified."""
    generator = generator or open_generator(study, frozen_batch_size(study))
    run(study, generator, NullProgress() if _is_complete(study) else progress)
    return generator


def _bar(paths: Sequence[Path]) -> RunBar:
    """One bar; it is logged in the directory of an only intervention, else beside them all."""
    if len(paths) == 1:
        return RunBar(title="1 intervention", log=paths[0] / layout.LOG)
    return RunBar(title=f"{len(paths)} interventions", log=paths[0].parent / layout.LOG)


def _intervene(
    study: Study,
    sequence: TimedSequence,
    change: Change,
    cone: Cone,
    generator: Generator,
    progress: "_ConeProgress",
    directory: Path,
) -> Intervention:
    base, words = Path(study.output_dir), sequence.words
    changed = replace(sequence, words=change.apply(words))
    _write_record(directory, _record(change, words), changed)
    progress.follow(cone)
    pictures = external_frames(change, generator.size)
    study = study.replace(output_dir=str(directory), reuse_from=str(base))
    study = study.with_sequence(directory / layout.SEQUENCE)
    run(study, generator, progress, external_frames=pictures)
    frames = Windowing(study, len(words)).positions
    before, after = finished_run(base), finished_run(directory)
    computed = {number: _count_own(before, after, number, frames) for number in cone}
    reused = {number: len(frames) - count for number, count in computed.items()}
    return Intervention(change, base, directory, computed, reused, cone)


def _directories(
    study: Study,
    changes: Sequence[Change],
    words: Words,
    directories: Sequence[str | Path | None] | None = None,
) -> list[Path]:
    """Where each intervention lies: the directory that is named for it, else its own."""
    base = Path(study.output_dir)
    parameters = common_parameters(base)
    if not parameters:
        hint = "run the study first: an intervention is compared with its base run"
        raise RunError(f"a base run in {base}", "no pictures", hint)
    parent = layout.interventions_directory(base)
    names = [json_digest([_record(change, words), parameters])[:16] for change in changes]
    paths = directories or [None] * len(changes)
    pairs = zip(paths, names, strict=True)
    return [Path(path or parent / name).expanduser() for path, name in pairs]


def _count_own(before: RunDirectory, after: RunDirectory, pass_number: int, frames: range) -> int:
    """How many pictures of a pass are not the base run's."""
    keys = [FrameKey(pass_number, position) for position in frames]
    return sum(before.recipe(key).key != after.recipe(key).key for key in keys)


def _record(change: Change, words: Words) -> dict[str, Any]:
    """What tells one intervention in a study from another, JSON-ready."""
    return describe_change(change) | {"base_words": json_digest([word.entry for word in words])}


def _write_record(directory: Path, record: dict[str, Any], sequence: TimedSequence) -> None:
    """Write the record and the changed words. RunError if another intervention lives there."""
    data = json.dumps(record, indent=2).encode()
    present = filesystem.read(directory / layout.INTERVENTION)
    if present not in (None, data):
        hint = "choose another directory"
        text = present.decode(errors="replace")
        raise RunError(f"{record} in {directory}", f"another one: {text}", hint)
    words = json.dumps(sequence.content, indent=2).encode()
    with filesystem.explained(directory):
        directory.mkdir(parents=True, exist_ok=True)
        files = {directory / layout.INTERVENTION: data, directory / layout.SEQUENCE: words}
        filesystem.replace(files)


def _is_complete(study: Study) -> bool:
    """Whether the study's directory holds the finished run."""
    try:
        parameters = finished_run(study.output_dir).manifest["parameters"]
    except RunError:
        return False
    places = {"output_dir", "reuse_from", "cluster"}
    return parameters == study.model_dump(exclude=places, mode="json")


class _ConeProgress(NullProgress):
    """Many runs as one pass of another progress: it counts the frames of their cones."""

    def __init__(self, progress: Progress, cones: Sequence[Cone]) -> None:
        self._progress, self._cone = progress, cones[0]
        self._outside: dict[int, int] = {}
        progress.start([sum(len(positions) for cone in cones for positions in cone.values())])

    def follow(self, cone: Cone) -> None:
        """The run of an intervention with this cone begins."""
        self._cone = cone

    def start(self, frames: Sequence[int]) -> None:
        """How many frames are outside the cone, by pass: all of them will be kept."""
        self._outside = {n: frames[n - 1] - len(self._cone[n]) for n in self._cone}

    def keep(self, pass_number: int, count: int) -> None:
        outside = min(count, self._outside[pass_number])
        self._outside[pass_number] -= outside
        if count > outside:
            self._progress.keep(1, count - outside)

    def advance(self, pass_number: int, count: int, words: str) -> None:
        self._progress.advance(1, count, words)

    def step(self, pass_number: int, number: int, total: int, frames: int) -> None:
        self._progress.step(1, number, total, frames)

    def close(self) -> None:
        """The last run is over, or was interrupted."""
        self._progress.end()
