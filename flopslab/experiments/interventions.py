"""Interventions: change one word or one picture, keep every seed, and see where it arrives.

The changed study runs in a directory of its own beside the base run and takes from it every frame
whose key is the same. What the change cannot reach is therefore the base run's own picture, and
what it does reach is made: the cone.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from flopslab.backends import load_generator
from flopslab.core.generator import Generator
from flopslab.core.plan import place
from flopslab.core.study import Study
from flopslab.core.windows import positions
from flopslab.errors import RunError
from flopslab.experiments.changes import (
    Change,
    Cone,
    Insert,
    Remove,
    Replace,
    ReplaceFrame,
    Words,
    check,
    cone,
    given,
)
from flopslab.passes import run
from flopslab.progress import NoProgress, Progress
from flopslab.runs import filesystem as disk
from flopslab.runs.provenance import json_digest, peek, pixel_digest
from flopslab.runs.reader import open_run
from flopslab.words.sequence import read_sequence

__all__ = [
    "Change",
    "Cone",
    "Insert",
    "Intervention",
    "Remove",
    "Replace",
    "ReplaceFrame",
    "base_run",
    "cone",
    "intervene",
    "interventions",
]

RECORD = "intervention.json"  # in the run directory of an intervention
SEQUENCE = "sequence.json"


@dataclass(frozen=True)
class Intervention:
    """A change, the two runs to compare, and the frames in which they can differ."""

    change: Change
    base: Path
    directory: Path
    computed: dict[int, int]  # frames that are its own, by pass
    shared: dict[int, int]  # frames taken from the base run, by pass
    cone: Cone  # positions of the frames that the change can reach, by pass


def intervene(
    study: Study,
    change: Change,
    generator: Generator | None = None,
    progress: NoProgress | None = None,
    directory: str | Path | None = None,
) -> Intervention:
    """The study run with one change; the base run, in `study.output_dir`, is made if need be.

    `directory`: by default one in `<output_dir>-interventions/`, named by a digest of the change.
    Started again, it goes on where it was. Raises ParameterError if nothing would change or the
    position does not exist, and what `flopslab.passes.run` raises.
    """
    (intervention,) = interventions(study, [change], generator, progress, [directory])
    return intervention


def interventions(
    study: Study,
    changes: Sequence[Change],
    generator: Generator | None = None,
    progress: NoProgress | None = None,
    directories: Sequence[str | Path | None] | None = None,
) -> list[Intervention]:
    """Many interventions in one study, in order, with one generator and one bar for all.

    Every change is checked before the first is run. See `intervene`.
    """
    words = read_sequence(study.sequence)
    for change in changes:
        check(study, change, words)
    generator = base_run(study, generator, progress)
    cones = [cone(study, change, len(words)) for change in changes]
    places = directories or [None] * len(changes)
    name = "intervention" + "s" * (len(changes) > 1)
    whole = _Cones(progress or Progress(1, 0, names=[f"{len(changes)} {name}"]), cones)
    try:
        return [
            _intervene(study, words, change, reached, generator, whole, directory)
            for change, reached, directory in zip(changes, cones, places, strict=True)
        ]
    finally:
        whole.close()


def base_run(
    study: Study, generator: Generator | None = None, progress: NoProgress | None = None
) -> Generator:
    """The generator of a study's runs, once the run itself is complete and proven."""
    generator = generator or load_generator(study, study.batch_size or _frozen(study))
    run(study, generator, NoProgress() if _complete(study) else progress)
    return generator


def _intervene(
    study: Study,
    words: Words,
    change: Change,
    reached: Cone,
    generator: Generator,
    progress: "_Cones",
    directory: str | Path | None,
) -> Intervention:
    base, pictures = Path(study.output_dir), given(change, generator.size)
    record = _record(change, words, pictures)
    directory = Path(directory or _place(study, record))
    _write(directory, record, change.apply(words))
    own = {"output_dir": str(directory), "sequence": str(directory / SEQUENCE)}
    changed = study.model_copy(update=own)
    progress.follow(reached)
    run(changed, generator, progress, share_from=base, given=pictures)
    frames = positions(len(words), study.frame_interval, study.limit)
    computed = {n: len(_own(base, directory, n, frames)) for n in reached}
    shared = {number: len(frames) - count for number, count in computed.items()}
    return Intervention(change, base, directory, computed, shared, reached)


def _own(base: Path, directory: Path, number: int, frames: range) -> list[int]:
    """Positions of the pictures that are not the base run's."""
    names = {position: place(number, position) for position in frames}
    return [p for p, name in names.items() if _key(base / name) != _key(directory / name)]


def _key(path: Path) -> str:
    return peek(path.read_bytes()).key


def _place(study: Study, record: dict) -> Path:
    """Where an intervention lives: words are data and become no name, their digest does."""
    asked = [record, study.pixel_parameters()]
    base = Path(study.output_dir)
    return base.with_name(f"{base.name}-interventions") / json_digest(asked)[:16]


def _record(change: Change, words: Words, pictures: dict[int, Image.Image]) -> dict:
    """What tells one intervention from another, JSON-ready."""
    values = asdict(change) | {"change": type(change).__name__}
    for image in pictures.values():
        values["image"] = pixel_digest(image)
    return values | {"base_words": json_digest([word.entry for word in words])}


def _write(directory: Path, record: dict, sequence: Words) -> None:
    """The record and the changed words. RunError if another intervention lives there."""
    data = json.dumps(record, indent=2).encode()
    found = disk.read(directory / RECORD)
    if found not in (None, data):
        remedy = "choose another directory"
        raise RunError(f"{record} in {directory}", f"another one: {found.decode()}", remedy)
    entries = {"sequence": [word.entry for word in sequence]}
    with disk.explained(directory):
        directory.mkdir(parents=True, exist_ok=True)
        words = json.dumps(entries, indent=2).encode()
        disk.replace({directory / RECORD: data, directory / SEQUENCE: words})


def _complete(study: Study) -> bool:
    """Whether the study's directory has the manifest of the finished run."""
    try:
        parameters = open_run(study.output_dir).manifest["parameters"]
    except RunError:
        return False
    return parameters == study.model_dump(exclude={"output_dir"}, mode="json")


def _frozen(study: Study) -> int:
    """The batch size of the pictures that are there; 0 if there are none."""
    try:
        found = open_run(study.output_dir)
        _, recipe = found.frame(found.passes[0], found.positions[0])
    except RunError:
        return 0
    return recipe.made_with["batch_size"]


class _Cones(NoProgress):
    """Many runs as one pass of another progress: it counts the frames of their cones."""

    def __init__(self, progress: NoProgress, cones: Sequence[Cone]) -> None:
        self._progress = progress
        total = sum(len(reached) for cone in cones for reached in cone.values())
        progress.begin(1, total, kept=0)

    def follow(self, cone: Cone) -> None:
        """The run of an intervention with this cone begins."""
        self._cone = cone

    def begin(self, number: int, total: int, kept: int) -> None:
        self._progress.keep(len(self._cone[number]) - (total - kept))

    def advance(self, count: int, words: str) -> None:
        self._progress.advance(count, words)

    def close(self) -> None:
        self._progress.end()
