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
from typing import NoReturn, Protocol, Self

from flopslab.core.compositing import Context
from flopslab.core.generator import Generator
from flopslab.core.study import Study
from flopslab.execution.stages import Batch, OnStep, Pictures, Stages
from flopslab.execution.wavefront import Wavefront

AHEAD = 3  # batches that are composed or committed while others are computed
HELPERS = 4  # threads that compose and commit: NumPy, Pillow and the disk let others run


class Executor(Protocol):
    """Makes batches: `submit` while there is room, `next` for one that is committed."""

    @property
    def has_room(self) -> bool:
        """Whether another batch would keep it busy."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether no batch is being made."""
        ...

    def submit(self, batch: Batch) -> None:
        """Begin a batch."""
        ...

    def next(self) -> Batch:
        """The next batch that is committed. Raises what went wrong with it."""
        ...


@contextmanager
def make_executor(
    study: Study, generator: Generator, stages: Stages, on_step: OnStep
) -> Iterator[Executor]:
    """The executor for a study: `workers` compute threads, or as many as suit the device.

    `on_step` is called in the thread that waits for batches.
    """
    workers = study.workers or suitable_workers(generator)
    with one_torch_thread():
        if workers == 1 and generator.settings["device"] == "cpu":
            yield SerialExecutor(generator, stages, on_step)
            return
        clones = [generator.clone() for _ in range(workers)]  # its own thread may go on with it
        with ThreadedExecutor(clones, stages, on_step) as executor:
            yield executor


def make_batches(wavefront: Wavefront, executor: Executor) -> Iterator[Batch]:
    """The batches of a wavefront, each once it is committed."""
    while True:
        while executor.has_room and (batch := wavefront.next_batch(executor.is_idle)):
            executor.submit(batch)
        if executor.is_idle:
            return
        yield executor.next()


def suitable_workers(generator: Generator) -> int:
    """A compute thread for each core that this process may use; one for a GPU, which fills it."""
    if generator.settings["device"] != "cpu":
        return 1
    return count_cores()


def count_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux alone
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class SerialExecutor:
    """One batch after the other, on the thread that calls."""

    def __init__(self, generator: Generator, stages: Stages, on_step: OnStep) -> None:
        self._generator, self._stages, self._on_step = generator, stages, on_step
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
        stages.commit(batch, stages.generate(batch, contexts, self._generator, self._on_step))
        return batch


class ThreadedExecutor:
    """As many compute threads as there are generators; of a single one the steps are told."""

    def __init__(self, generators: Sequence[Generator], stages: Stages, on_step: OnStep) -> None:
        self._stages, self._generators, self._on_step = stages, generators, on_step
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
            self._events.put(partial(_fail, error))
        finally:
            self._free.put(generator)

    def _commit(self, batch: Batch, pictures: Pictures) -> None:
        try:
            self._stages.commit(batch, pictures)
            self._events.put(lambda: batch)
        except BaseException as error:
            self._events.put(partial(_fail, error))

    def _tell_step(self, number: int, total: int, frames: int) -> None:
        if len(self._generators) == 1:
            self._events.put(lambda: self._on_step(number, total, frames=frames))


def _fail(error: BaseException) -> NoReturn:
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
