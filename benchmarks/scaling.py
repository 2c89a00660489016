"""How a run grows with its workers: `python -m benchmarks.scaling` and `... --simulate`.

Without an option: workers of a local Dask cluster, each a process whose networks only sleep, as a
card computes for them; all else is real. With --simulate: no cluster but a clock, and the real
order of batches, to see what hundreds of cards would do, with passes that overlap and without.
"""

import argparse
import heapq
import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.generators import FreeGenerator, FreeLoader
from benchmarks.report import publish
from flopslab.core.plan import Frame, Plan
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.execution.cluster.remote import RemoteGenerator
from flopslab.execution.executor import make_batches
from flopslab.execution.stages import Batch
from flopslab.execution.wavefront import Wavefront
from flopslab.passes import run
from flopslab.progress import NullProgress

THREADS = 2  # of a worker: one computes while the other composes and encodes
JITTER = 0.1  # relative standard deviation of a batch's time, in the simulation


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--simulate", action="store_true", help="a clock in place of a cluster")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=128, help="of a picture, in pixels")
    parser.add_argument("--sleep", type=float, default=1.0, help="seconds a batch of pass 1")
    parser.add_argument("--refine", type=float, default=1.0, help="of that, in later passes")
    parser.add_argument("--writer", type=float, default=0.001, help="seconds a frame to commit")
    parser.add_argument("--json", default="", metavar="FILE", help="write the numbers there too")
    options = parser.parse_args()
    rows = simulated_rows(options) if options.simulate else measured_rows(options)
    publish(rows, options.json)


def measured_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each number of workers, and what a task costs that computes nothing."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        for workers in options.workers:
            study = study_of(options, Path(directory) / str(workers))
            stopwatch = on_cluster(study, workers, FreeLoader(options.size, options.sleep))
            ideal = workers * options.batch / options.sleep
            rows.append({"workers": workers} | stopwatch.row() | of_ideal(stopwatch, ideal))
        study = study_of(options, Path(directory) / "empty").replace(batch_size=1, method="latent")
        stopwatch = on_cluster(study, 1, FreeLoader(8, 0.0))
        wall, cpu = stopwatch.wall / stopwatch.frames, stopwatch.cpu / stopwatch.frames
        print(
            f"a task of one frame that costs nothing: {1000 * wall:.1f} ms on the clock, "
            f"{1000 * cpu:.1f} ms of client and scheduler"
        )
    return rows


def of_ideal(stopwatch: "Stopwatch", ideal: float) -> dict[str, Any]:
    return {"ideal/s": round(ideal, 1), "of_ideal_%": round(100 * stopwatch.rate / ideal)}


def on_cluster(study: Study, workers: int, load: FreeLoader) -> "Stopwatch":
    """The times of a run on a cluster of its own, from the moment that every worker is ready."""
    with local_cluster(workers) as address:
        study = study.replace(cluster=address)
        generator = RemoteGenerator.connect(study, load=load)
        warm_up(study, generator)
        stopwatch = Stopwatch(study.passes)
        run(study, generator, stopwatch)
        generator.close()
    return stopwatch


def warm_up(study: Study, generator: RemoteGenerator) -> None:
    """A run before, so that each worker has imported and loaded what it needs."""
    place = f"{study.output_dir}-before"
    run(study.replace(output_dir=place, passes=1), generator, NullProgress())


@contextmanager
def local_cluster(workers: int) -> Iterator[str]:
    """The address of a scheduler with so many workers, each a process."""
    from distributed import LocalCluster

    options = {"threads_per_worker": THREADS, "dashboard_address": ":0", "memory_limit": 0}
    cluster: Any = LocalCluster(n_workers=workers, **options)
    with cluster:
        yield cluster.scheduler_address


class Stopwatch(NullProgress):
    """When frames come, by the clock on the wall or by a simulated one."""

    def __init__(self, passes: int) -> None:
        self._passes = passes
        self._start, self._cpu = time.perf_counter(), time.process_time()
        self.frames, self.wall, self.first = 0, 0.0, 0.0
        self.cpu = 0.0

    def advance(self, pass_number: int, count: int, words: str) -> None:
        self.add(pass_number, count, time.perf_counter() - self._start)
        self.cpu = time.process_time() - self._cpu

    def add(self, pass_number: int, count: int, seconds: float) -> None:
        """So many frames of a pass are committed, so many seconds after the start."""
        self.frames, self.wall = self.frames + count, seconds
        if pass_number == self._passes:
            self.first = self.first or seconds

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.wall

    def row(self) -> dict[str, Any]:
        """Its numbers, for a table; `first_final_%`: when the first frame of the last pass came."""
        first = round(100 * self.first / self.wall)
        rate = round(self.rate, 1)
        return {"wall_s": round(self.wall, 1), "frames/s": rate, "first_final_%": first}


def simulated_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Two rows for each number of cards: passes one after the other, and overlapping."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        study = study_of(options, Path(directory))
        words = study.read_words().words
        plan = Plan(study, words, FreeGenerator(8))
    for workers in options.workers:
        for name, groups in (("barrier", [[n] for n in plan.passes]), ("wavefront", [plan.passes])):
            simulation = Simulation(options, workers)
            batches = chain.from_iterable(simulation.batches(plan, passes) for passes in groups)
            stopwatch = Stopwatch(options.passes)
            for batch in batches:
                stopwatch.add(batch[0].key.pass_number, len(batch), simulation.clock)
            busy = {"busy_%": round(100 * simulation.busy / workers / simulation.clock)}
            rows.append({"cards": workers, "order": name} | stopwatch.row() | busy)
    return rows


class Simulation:
    """An executor (see there) and a store of a run that only a clock makes, in seconds."""

    def __init__(self, options: argparse.Namespace, workers: int) -> None:
        self._options, self._chance = options, random.Random(0)
        self._cards = [0.0] * workers  # when each is free
        self._results: list[tuple[float, int, Batch]] = []  # committed when
        self._verified: set[FrameKey] = set()
        self._count, self._writer = 0, 0.0
        self.clock = self.busy = 0.0

    def batches(self, plan: Plan, passes: Sequence[int]) -> Iterator[Batch]:
        """The batches of these passes, in the order in which they are committed."""
        size = self._options.batch
        return make_batches(Wavefront(plan, passes, self, size, lambda *_: None), self)  # pyright: ignore

    @property
    def has_room(self) -> bool:
        return len(self._results) < 2 * len(self._cards)

    @property
    def is_idle(self) -> bool:
        return not self._results

    def submit(self, batch: Batch) -> None:
        options, share = self._options, self._options.refine
        seconds = options.sleep * (1 if batch[0].key.pass_number == 1 else share)
        seconds *= max(self._chance.gauss(1, JITTER), 0.1)
        end = max(heapq.heappop(self._cards), self.clock) + seconds
        heapq.heappush(self._cards, end)
        self.busy += seconds
        self._count += 1
        heapq.heappush(self._results, (end, self._count, batch))

    def next(self) -> Batch:
        """One process writes the frames of all cards, one after the other."""
        end, _, batch = heapq.heappop(self._results)
        self._writer = max(self._writer, end) + self._options.writer * len(batch)
        self.clock = self._writer
        self._verified |= {frame.key for frame in batch}
        return batch

    def is_verified(self, key: FrameKey) -> bool:
        return key in self._verified

    def find_missing(self, frames: Sequence[Frame]) -> list[Frame]:
        return list(frames)


def study_of(options: argparse.Namespace, directory: Path) -> Study:
    """A study of so many words, in a directory of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    words = directory / "words.json"
    words.write_text(json.dumps([f"word-{number}" for number in range(options.frames)]))
    return Study(
        sequence=str(words),
        output_dir=str(directory / "run"),
        passes=options.passes,
        batch_size=options.batch,
    )


if __name__ == "__main__":
    main()
