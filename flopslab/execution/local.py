"""Executors in this process: the batches of a run on one thread, or on many.

Compute threads have a generator each, all of the same weights; a few more threads compose the next
batches and commit the last ones meanwhile. Which thread makes a batch, and when, changes no pixel.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import NoReturn, Self

from flopslab.core.compositing import Context
from flopslab.core.generator import Generator, batch_bytes_of
from flopslab.core.study import Study
from flopslab.execution.stages import Batch, OnStep, Pictures, Stages, commit
from flopslab.progress import Progress
from flopslab.runs.store import Store
from flopslab.storage.space import available_memory

MEMORY_SHARE = 0.8  # of what is free, for the batches of all threads
AHEAD = 3  # batches that are composed or committed while others are computed
HELPERS = 4  # threads that compose and commit: NumPy, Pillow and the disk let others run


@contextmanager
def local_executor(
    study: Study, generator: Generator, store: Store, progress: Progress
) -> "Iterator[SerialExecutor | ThreadedExecutor]":
    """An executor of `workers` compute threads, or of as many as suit the device."""
    workers = study.workers or suitable_workers(generator, progress.note)
    stages, on_step = Stages(study, store), progress.step
    with one_torch_thread():
        if workers == 1 and generator.settings["device"] == "cpu":
            yield SerialExecutor(generator, stages, store, on_step)
            return
        clones = [generator.clone() for _ in range(workers)]  # its own thread may go on with it
        with ThreadedExecutor(clones, stages, store, on_step) as executor:
            yield executor


def suitable_workers(generator: Generator, note: Callable[[str], object]) -> int:
    """A compute thread for each core that this process may use; one for a GPU, which fills it.

    Where the batches of so many threads have no room in memory there are fewer: `note` says so.
    """
    if generator.settings["device"] != "cpu":
        return 1
    cores, memory = count_cores(), available_memory()
    needed = max(batch_bytes_of(generator), 1)
    workers = min(max(int(MEMORY_SHARE * memory / needed), 1), cores)
    if workers < cores:
        note(
            f"{workers} of {cores} cores compute: a batch takes about {needed / 1e9:.1f} GB of "
            f"memory, {memory / 1e9:.1f} GB are free"
        )
    return workers


def count_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux alone
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class SerialExecutor:
    """One batch after the other, on the thread that calls."""

    def __init__(self, generator: Generator, stages: Stages, store: Store, on_step: OnStep) -> None:
        self._generator, self._stages, self._on_step = generator, stages, on_step
        self._store = store
        self._batches: deque[Batch] = deque()

    @property
    def has_room(self) -> bool:
        return not self._batches

    @property
    def is_idle(self) -> bool:
        return not self._batches

    def submit(self, batch: Batch) -> None:
        self._batches.append(batch)

    def next(self) -> Batch:
        batch, stages = self._batches.popleft(), self._stages
        contexts = stages.compose(batch)
        pictures = stages.generate(batch, contexts, self._generator, self._on_step)
        commit(self._store, batch, stages.anchor(batch, pictures))
        return batch


class ThreadedExecutor:
    """As many compute threads as there are generators; of a single one the steps are told."""

    def __init__(
        self, generators: Sequence[Generator], stages: Stages, store: Store, on_step: OnStep
    ) -> None:
        self._stages, self._generators, self._on_step = stages, generators, on_step
        self._store = store
        self._free: SimpleQueue[Generator] = SimpleQueue()
        for generator in generators:
            self._free.put(generator)
        self._compute = ThreadPoolExecutor(len(generators), "compute", use_one_torch_thread)
        self._help = ThreadPoolExecutor(HELPERS, "compose-commit", use_one_torch_thread)
        self._events: SimpleQueue[Callable[[], Batch | None]] = SimpleQueue()
        self._running = 0

    @property
    def has_room(self) -> bool:
        return self._running < len(self._generators) + AHEAD

    @property
    def is_idle(self) -> bool:
        return self._running == 0

    def submit(self, batch: Batch) -> None:
        self._running += 1
        contexts = self._help.submit(self._stages.compose, batch)
        self._compute.submit(self._generate, batch, contexts)

    def next(self) -> Batch:
        while (batch := self._events.get()()) is None:
            continue
        self._running -= 1
        return batch

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        """Wait for the batches in hand. After an error no more begin, and those that compute stop;
        what was computed is still committed."""
        self._compute.shutdown(wait=False, cancel_futures=True)
        if kind is not None:
            for generator in self._generators:
                generator.interrupt()
        self._compute.shutdown()
        self._help.shutdown()

    def _generate(self, batch: Batch, contexts: "Future[list[Context]]") -> None:
        generator = self._free.get()
        try:
            pictures = self._stages.generate(batch, contexts.result(), generator, self._tell_step)
            self._help.submit(self._commit, batch, pictures)
        except BaseException as error:  # it belongs to whoever waits for the batch
            self._events.put(partial(fail, error))
        finally:
            self._free.put(generator)

    def _commit(self, batch: Batch, pictures: Pictures) -> None:
        try:
            commit(self._store, batch, self._stages.anchor(batch, pictures))
            self._events.put(lambda: batch)
        except BaseException as error:
            self._events.put(partial(fail, error))

    def _tell_step(self, pass_number: int, number: int, total: int, frames: int) -> None:
        if len(self._generators) == 1:
            self._events.put(lambda: self._on_step(pass_number, number, total, frames=frames))


def fail(error: BaseException) -> NoReturn:
    """Raise it."""
    raise error


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """While it is entered torch has one thread: two would change the last bits of pixels."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def use_one_torch_thread() -> None:
    """The same for a thread of ours; torch counts in each thread anew."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
