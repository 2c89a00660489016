"""A crash at every operation on the disk: what the directory claims then, and what comes after.

The full product is each operation x four kinds of torn data x renames undone or not, over six
scenarios. After each crash a reader either finds a complete run, old or new, with its very frames,
or is told that the run is not finished; the next run ends like an undisturbed one.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from painted import PaintedGenerator, StoppingGenerator, files, pixels, write_words
from torn import TEARS, Crash, Disk

from flopslab.core.study import Study
from flopslab.errors import RunError
from flopslab.experiments.changes import Replace
from flopslab.experiments.interventions import intervene
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.runs.reader import finished_run, read_manifest

State = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    """A directory before, what is done with it, and how many frames a resume makes at most."""

    before: dict[str, Any] | None  # parameters of the run that is there; None: no directory
    after: dict[str, Any]
    most: int


SCENARIOS = {
    "first run": Scenario(None, {"limit": 3}, 6),
    "limit 2 to 3": Scenario({"limit": 2}, {"limit": 3}, 4),
    "passes 2 to 3": Scenario({"limit": 3}, {"limit": 3, "passes": 3}, 3),
    "passes 3 to 2": Scenario({"limit": 3, "passes": 3}, {"limit": 3}, 0),
    "latents": Scenario({"limit": 2, "method": "latent"}, {"limit": 3, "method": "latent"}, 4),
    "intervention": Scenario({"limit": 2}, {"limit": 2}, 4),
}
CHANGE = Replace(2, "comet")


class Trial:
    """One scenario in a directory of its own: prepared once, then crashed as often as wanted."""

    def __init__(self, scenario: Scenario, intervenes: bool, root: Path) -> None:
        self.scenario, self._intervenes, self._root = scenario, intervenes, root
        self._sequence = write_words(root / "words.json")
        self.directory = root / "changed" if intervenes else root / "run"
        self.legal: list[State | None] = []
        with Disk().in_place():
            self._prepare()
            self.legal.append(state(self.directory))
            self.do()
            self.legal.append(state(self.directory))
            self.result = contents(self.directory)
            shutil.rmtree(self.directory)

    def reset(self, source: Path | None = None) -> None:
        """The directory as it is before the scenario, or a copy of `source`."""
        shutil.rmtree(self.directory, ignore_errors=True)
        source = source or self._root / "before"
        if source.exists():
            shutil.copytree(source, self.directory, symlinks=True)

    def do(self) -> int:
        """Do what the scenario does; returns how many frames were made."""
        generator = PaintedGenerator()
        if self._intervenes:
            intervene(self._study(), CHANGE, generator, NullProgress(), self.directory)
        else:
            run(self._study(**self.scenario.after), generator, NullProgress())
        return generator.calls

    def crash(self, at: int) -> Disk | None:
        """The disk as it is when operation number `at` fails; None if there are fewer."""
        self.reset()
        with Disk(at, _crash).in_place() as disk:
            try:
                self.do()
            except Crash:
                return disk
        return None

    def _prepare(self) -> None:
        if self.scenario.before is not None:
            run(self._study(**self.scenario.before), PaintedGenerator(), NullProgress())
        if self.scenario.before is not None and not self._intervenes:
            shutil.copytree(self.directory, self._root / "before", symlinks=True)

    def _study(self, **parameters) -> Study:
        fixed = {"sequence": self._sequence, "output_dir": str(self._root / "run")}
        limits = {"passes": 2, "context_diameter": 2, "limit": 2}
        return Study.of(**fixed, **limits | parameters)


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch):
    """Frames hold times; without them two crashes can leave the same bytes."""

    class Noon(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2030, 1, 1, 12, tzinfo=tz)

    monkeypatch.setattr("flopslab.runs.store.datetime", Noon)
    monkeypatch.setattr("time.perf_counter", lambda: 0.0)


def _crash() -> None:
    raise Crash


def state(directory: Path) -> State | None:
    """What a reader finds: the frames of a complete run, or None where it is told there is none.

    Whatever a directory claims otherwise is an error: a manifest that is not true of it.
    """
    try:
        found = finished_run(directory)
    except RunError as error:
        assert "as its manifest describes it" not in error.expected, error
        return None
    digests = {frame["position"]: frame["pixel_digests"] for frame in found.manifest["frames"]}
    for key in found.frames:  # every picture is read whole
        assert found.frame(key)[1].digest == digests[key.position][key.pass_number - 1]
    for position in found.positions:
        last = found.path(found.frames[-1]._replace(position=position))
        assert (directory / "final" / last.name).read_bytes() == last.read_bytes()
    assert len(list((directory / "final").iterdir())) == len(found.positions)
    return {"passes": found.passes, "digests": digests}


def check(trial: Trial) -> bool:
    """Whether the directory is complete now; then the next run must end like an undisturbed one."""
    now = state(trial.directory)
    assert now is None or now in trial.legal
    with Disk().in_place():
        frames = trial.do()
    assert frames <= trial.scenario.most, "no frame is made that was there"
    assert contents(trial.directory) == trial.result
    return now is not None


def contents(directory: Path) -> dict[str, Any]:
    """Each file and link of a run, byte for byte; what was set aside has no part in it."""
    contents = {name: content for name, (content, _) in files(directory).items()}
    return {name: contents[name] for name in contents if not name.startswith("quarantine")}


def outcomes(trial: Trial, tears: Callable[[int], Iterator[tuple[str, bool]]]) -> list[bool]:
    """Whether the directory was complete, crash by crash, over every operation."""
    complete, at, crashed = [], 0, trial.directory.with_name("crashed")
    known: dict[str, bool] = {}  # by the bytes that the crash left
    while disk := trial.crash(at):
        shutil.rmtree(crashed, ignore_errors=True)
        if trial.directory.exists():
            trial.directory.rename(crashed)
        for tear, undo in tears(at):
            trial.reset(crashed)
            disk.power_off(TEARS[tear], undo)
            fingerprint = repr({name: entry[0] for name, entry in files(trial.directory).items()})
            if fingerprint not in known:  # the same bytes have the same future
                known[fingerprint] = check(trial)
            complete.append(known[fingerprint])
        at += 1
    return complete


def every(at: int) -> Iterator[tuple[str, bool]]:
    return ((tear, undo) for tear in TEARS for undo in (False, True))


def some(at: int) -> Iterator[tuple[str, bool]]:
    """One at each sixth operation, each kind at some of them."""
    return iter([(list(TEARS)[at // 6 % 4], at // 6 % 2 == 0)] if at % 6 == 0 else [])


@pytest.mark.parametrize("name", ["limit 2 to 3", "passes 3 to 2"])
def test_a_crash_leaves_a_directory_that_is_true(name, tmp_path):
    trial = Trial(SCENARIOS[name], name == "intervention", tmp_path)
    complete = outcomes(trial, some)
    assert len(complete) > 4 and not all(complete)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_at_any_operation_leaves_a_directory_that_is_true(name, tmp_path, record_property):
    trial = Trial(SCENARIOS[name], name == "intervention", tmp_path)
    complete = outcomes(trial, every)
    record_property("crashes", len(complete))
    print(f"{name}: {len(complete)} crashes, complete after {sum(complete)}, never untrue")
    assert len(complete) >= 8 * 20 and not all(complete)


def test_the_manifest_says_running_before_a_frame_changes_and_complete_at_the_end(paint):
    class Watching(PaintedGenerator):
        def generate(self, requests, strength=1.0):
            manifest = read_manifest(directory)
            statuses.append((manifest["status"], "frames" in manifest))
            return super().generate(requests, strength)

    statuses: list[tuple[str, bool]] = []
    directory = paint(limit=2).directory
    paint(Watching(), limit=3)
    assert statuses == [("complete", True), ("running", False), ("running", False)]
    assert json.loads((directory / "visual-manifest.json").read_bytes())["status"] == "complete"


def test_a_run_that_only_adds_frames_says_running_before_the_first(paint, study):
    paint(passes=1, limit=2)
    with pytest.raises(KeyboardInterrupt):
        paint(StoppingGenerator(2), passes=1, limit=6)
    assert len(pixels(Path(study.output_dir))) == 4
    assert read_manifest(Path(study.output_dir))["status"] == "running"


def test_a_run_that_changes_nothing_never_says_running(paint, monkeypatch):
    paint()
    monkeypatch.setattr("flopslab.runs.manifest.announce", pytest.fail)
    assert all(done.made == 0 for done in paint().passes)
