"""Frames are made as soon as what they look at is there, by any number of threads."""

import random
import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from painted import WORDS, PaintedGenerator, pixels, write_words

from flopslab.core.compositing import METHODS
from flopslab.core.plan import Plan
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.errors import ModelError, RunInterrupted
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.runs.store import Store

LONG = [f"{word}-{number}" for number in range(4) for word in WORDS]  # 48 words


class Diary(NullProgress):
    """The batches of a run in the order in which they are committed, as (pass, frames)."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []

    def advance(self, pass_number, count, words):
        self.batches.append((pass_number, count))


class Impatient(NullProgress):
    """Somebody presses Ctrl-C once there are frames of this pass; `diary` has what was before."""

    def __init__(self, pass_number: int, diary: NullProgress) -> None:
        self._pass_number, self._diary = pass_number, diary

    def advance(self, pass_number, count, words):
        if pass_number == self._pass_number:
            raise KeyboardInterrupt
        self._diary.advance(pass_number, count, words)


class Slow(PaintedGenerator):
    """Takes a random while for each batch, so that threads overtake one another."""

    chance = random.Random(0)

    def generate_with_latents(self, requests, strength=1.0):
        time.sleep(self.chance.random() / 200)
        return super().generate_with_latents(requests, strength)


class Broken(PaintedGenerator):
    """Fails at the tenth batch, in whatever thread it is; `interrupts` counts the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.batches, self.interrupts, self.lock = 0, 0, threading.Lock()

    def interrupt(self):
        self.interrupts += 1

    def generate_with_latents(self, requests, strength=1.0):
        with self.lock:
            self.batches += 1
            if self.batches == 10:
                raise ModelError("a batch", "a planted fault", "mend it")
        return super().generate_with_latents(requests, strength)


def make_long_study(directory: Path) -> Study:
    """48 words, three passes; words reach 2, images 4 positions."""
    return Study(
        sequence=write_words(directory / "long.json", LONG),
        output_dir=str(directory / "run"),
        passes=3,
        context_diameter=4,
        denoising_strength=0.5,
    )


@pytest.fixture
def long_study(tmp_path) -> Study:
    return make_long_study(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Diary, dict]:
    """The diary of the long study's run, and its pixels."""
    diary = Diary()
    return diary, make(make_long_study(tmp_path_factory.mktemp("undisturbed")), progress=diary)


def make(study: Study, generator: PaintedGenerator | None = None, progress=None) -> dict:
    directory = run(study, generator or PaintedGenerator(), progress or NullProgress()).directory
    return pixels(directory)


def test_a_batch_is_made_once_the_pass_before_is_far_enough_ahead(undisturbed):
    diary, _ = undisturbed
    made = Counter()
    for number, count in diary.batches:
        made[number] += count
        if number > 1:
            assert made[number - 1] >= min(made[number] + 4, 48)
    assert made == {1: 48, 2: 48, 3: 48}


def test_batches_are_taken_by_position_plus_the_reach_of_the_passes_before(undisturbed):
    diary, _ = undisturbed
    made, order = Counter(), []
    for number, count in diary.batches:
        order.append(made[number] + 1 + 4 * (number - 1))
        made[number] += count
    assert max(before - after for before, after in pairwise(order)) <= 4


def test_the_first_final_frame_comes_early(tmp_path):
    words = [f"w{number}" for number in range(700)]
    paths = {"sequence": write_words(tmp_path / "w.json", words), "output_dir": str(tmp_path / "r")}
    study = Study(**paths, passes=3, denoising_strength=0.5)
    diary = Diary()
    with pytest.raises(RunInterrupted):
        make(study, PaintedGenerator(batch_size=8), Impatient(3, diary))
    assert sum(count for _, count in diary.batches) / 2100 <= 0.08


@pytest.mark.parametrize("method", METHODS)
def test_no_number_of_threads_changes_a_pixel(study, tmp_path, method):
    study = study.replace(method=method, passes=3, colour_anchor=0.5)
    alone = make(study.replace(workers=1))
    for workers in (2, 4):
        crowd = study.replace(workers=workers, output_dir=str(tmp_path / f"run{workers}"))
        assert make(crowd, Slow()) == alone


@pytest.mark.parametrize("control", ["shuffled", "constant", "no_images", "no_text"])
def test_a_control_waits_for_what_it_looks_at(study, tmp_path, control):
    study = study.replace(control=control, passes=3, colour_anchor=0.5)
    alone = make(study.replace(workers=1))
    assert make(study.replace(workers=3, output_dir=str(tmp_path / "crowd")), Slow()) == alone


def test_frames_between_those_of_an_earlier_run_share_batches(long_study):
    whole = make(long_study)
    for position in range(1, 49, 3):
        (Path(long_study.output_dir) / f"pass3/frame_{position:06d}.png").unlink()
    diary, generator = Diary(), PaintedGenerator(batch_size=2)
    assert make(long_study, generator, diary) == whole
    assert diary.batches == [(3, 2)] * 8 and generator.calls == 16


@pytest.mark.parametrize("workers", [1, 4])
def test_what_fails_in_a_thread_ends_the_run_and_what_was_made_stays(long_study, workers):
    study, generator = long_study.replace(workers=workers), Broken()
    with pytest.raises(ModelError, match="a planted fault"):
        make(study, generator)
    kept = len(list(Path(study.output_dir).glob("pass*/*.png")))
    assert kept >= 16 and not list(Path(study.output_dir).glob("pass*/.*"))
    assert generator.interrupts == (0 if workers == 1 else workers)
    rest = PaintedGenerator()
    assert len(make(study, rest)) == rest.calls + kept == 144


@pytest.mark.parametrize("workers", [1, 4])
def test_an_interrupted_run_goes_on_where_it_was(long_study, undisturbed, workers):
    study = long_study.replace(workers=workers)
    with pytest.raises(RunInterrupted, match=r"\d+ of 144 frames are in"):
        make(study, Slow(), Impatient(2, Diary()))
    made = len(list(Path(study.output_dir).glob("pass*/*.png")))
    rest = PaintedGenerator()
    frames = make(study, rest)
    assert 0 < made == 144 - rest.calls
    assert frames == undisturbed[1]


def test_no_batch_that_waits_begins_once_the_run_has_ended(study):
    class Blocking(PaintedGenerator):
        begun, ended = 0, threading.Event()

        def generate_with_latents(self, requests, strength=1.0):
            self.begun += 1
            if self.begun > 1:
                self.ended.wait(10)
            return super().generate_with_latents(requests, strength)

        def interrupt(self):
            self.ended.set()

    generator = Blocking(device="cuda")
    with pytest.raises(RunInterrupted):
        make(study, generator, Impatient(1, Diary()))
    assert generator.begun <= 2, "of five: the one that was committed, and the one in hand"


class Stepping(PaintedGenerator):
    on_step = None

    def generate_with_latents(self, requests, strength=1.0):
        if self.on_step:
            self.on_step(1, 2)
        return super().generate_with_latents(requests, strength)


def test_the_steps_of_an_only_thread_are_told_by_the_thread_that_waits(study):
    threads = []

    class Listener(NullProgress):
        def step(self, pass_number, number, total, frames):
            threads.append((threading.current_thread(), pass_number, number, total, frames))

    make(study.replace(passes=1), Stepping(device="cuda"), Listener())
    assert threads == [(threading.main_thread(), 1, 1, 2, 2)] * 6
    make(study.replace(passes=2, workers=2), Stepping(device="cuda"), Listener())
    assert len(threads) == 6, "steps of batches side by side are no progress of one"


def test_a_planned_frame_needs_its_neighbours_and_the_frame_of_its_colours(study):
    plan = Plan(study.replace(colour_anchor=0.5), study.read_words().words, PaintedGenerator())
    assert plan.frame(FrameKey(1, 5)).needs == []
    near = [FrameKey(1, position) for position in range(3, 8)]
    assert plan.frame(FrameKey(2, 5)).needs == [*near, FrameKey(1, 5)]
    with Store(study.output_dir) as store:
        assert not any(map(store.is_verified, near))
