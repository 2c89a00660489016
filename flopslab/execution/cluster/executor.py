"""The executor on a cluster: workers make batches, this process alone plans and commits them.

Parents come from committed frames, never from Dask's futures: if a worker is lost, Dask computes a
future again, and a GPU may give other bits than those that a child's recipe names.
"""

import pickle
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, SimpleQueue
from typing import Self

from distributed import CancelledError, Future, KilledWorker

from flopslab.commands import describe_positions
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.execution.cluster.connection import POLL, Note, Workers, explain
from flopslab.execution.cluster.messages import Absence, Answer, Files, Task
from flopslab.execution.cluster.remote import RemoteGenerator
from flopslab.execution.cluster.scheduler import PREFIX, FirstDeath
from flopslab.execution.cluster.worker import compute
from flopslab.execution.local import HELPERS, fail
from flopslab.execution.stages import Batch
from flopslab.runs import layout
from flopslab.runs.store import Store
from flopslab.storage import filesystem

DEATHS = 3  # of workers that had a batch, until it is given up
SUPPLIES = 3  # of the frames that a worker lacks, until it has no room for them


@dataclass(eq=False)
class Attempt:
    """A batch on its way; `files` are what workers could not read, `address` the last of these."""

    batch: Batch
    files: dict[FrameKey, Files] = field(default_factory=dict)
    address: str = ""
    deaths: int = 0  # how many workers that had it died
    absences: int = 0  # how often a worker lacked frames


class ClusterExecutor:
    """See `Executor`. A batch whose workers died is tried again, one such batch at a time.

    So one that kills its workers is told from those that only waited behind it.
    """

    def __init__(self, study: Study, generator: RemoteGenerator, store: Store, note: Note) -> None:
        job = generator.job_of(study, store.directory)
        self._client, self._store, self._interval = generator.client, store, study.frame_interval
        self._job, self._name, self._numbers = pickle.dumps(job), job.run, count()
        self._workers = Workers(generator.client, study, note)
        self._workers.look()
        self._client.register_plugin(FirstDeath())
        self._pool = ThreadPoolExecutor(HELPERS, "collect-commit")
        self._events: SimpleQueue[Callable[[], Batch | None]] = SimpleQueue()
        self._futures: dict[Attempt, Future] = {}
        self._suspects: deque[Attempt] = deque()  # the first is on its way, the rest wait
        self._running = 0

    @property
    def has_room(self) -> bool:
        return self._running < max(self._workers.slots + self._workers.count, 1)

    @property
    def is_idle(self) -> bool:
        return self._running == 0

    def submit(self, batch: Batch) -> None:
        self._running += 1
        self._send(Attempt(batch))

    def next(self) -> Batch:
        """See `Executor`. RunError for a batch that kills its workers, or without workers."""
        while (batch := self._wait()()) is None:
            continue
        self._running -= 1
        return batch

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Give up what is still on its way; what has arrived is committed."""
        self._client.cancel(list(self._futures.values()))
        self._pool.shutdown()

    def _wait(self) -> Callable[[], Batch | None]:
        while True:
            self._workers.look()
            with suppress(Empty):
                return self._events.get(timeout=POLL)

    def _send(self, attempt: Attempt) -> None:
        batch, places = attempt.batch, [attempt.address] if attempt.address else None
        digests = {key: self._store.digests(key) for frame in batch for key in frame.needs}
        future = self._client.submit(
            compute,
            self._job,
            pickle.dumps(Task(batch, digests, attempt.files)),
            key=f"{PREFIX}{self._name}-{next(self._numbers)}",
            resources=self._workers.resources,
            workers=places,
            allow_other_workers=bool(places),
        )
        self._futures[attempt] = future
        future.add_done_callback(lambda _: self._collect_later(attempt, future))

    def _collect_later(self, attempt: Attempt, future: Future) -> None:
        with suppress(RuntimeError):  # the run is over
            self._pool.submit(self._collect, attempt, future)

    def _collect(self, attempt: Attempt, future: Future) -> None:
        """Commit what a worker answers, or read what it lacks; in a thread of the pool."""
        try:
            answer: Answer | Absence = future.result()
            if isinstance(answer, Absence):
                self._supply(attempt, answer)
                return
            device = answer.device
            self._store.commit(attempt.batch, answer.pictures, answer.seconds, device)
            self._events.put(lambda: self._finish(attempt))
        except (KilledWorker, CancelledError) as error:
            self._events.put(lambda error=error: self._retry(attempt, error))
        except BaseException as error:
            self._events.put(lambda error=error: fail(explain(error, self._workers)))

    def _supply(self, attempt: Attempt, absence: Absence) -> None:
        """Have the batch sent again to the same worker, with the files of frames that it lacks."""
        attempt.absences += 1
        if attempt.absences > SUPPLIES:
            raise RunError(
                f"workers with room in memory for what a batch of {len(attempt.batch)} looks at",
                f"worker {absence.address} dropped frames that had just been sent",
                "give the workers more memory, or let them see the run directory",
            )
        attempt.address = absence.address
        for key in absence.keys:
            path = layout.frame_path(self._store.directory, key)
            latents = filesystem.read(layout.latents_path(path))
            attempt.files[key] = filesystem.read(path) or b"", latents
        self._events.put(lambda: self._send(attempt))  # in `next`: not once the run is over

    def _finish(self, attempt: Attempt) -> Batch:
        del self._futures[attempt]
        if attempt in self._suspects:
            self._suspects.remove(attempt)
            if self._suspects:
                self._send(self._suspects[0])
        return attempt.batch

    def _retry(self, attempt: Attempt, error: BaseException) -> None:
        attempt.deaths += 1
        if attempt.deaths == DEATHS:
            raise self._poison(attempt) from error
        if attempt not in self._suspects:
            self._suspects.append(attempt)
        if attempt is self._suspects[0]:
            self._send(attempt)

    def _poison(self, attempt: Attempt) -> RunError:
        positions = [frame.key.position for frame in attempt.batch]
        number = attempt.batch[0].key.pass_number
        return RunError(
            f"pass {number}, positions {describe_positions(positions, self._interval)}, "
            "from a worker",
            f"{attempt.deaths} workers that had it died",
            "most often it is memory: give the workers more (--memory-limit), or use fewer on a "
            "machine; frames already made are kept",
        )
