"""The executor of a run: what makes its batches, in this process or on a cluster."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from flopslab.core.generator import Generator
from flopslab.core.study import Study
from flopslab.errors import ParameterError
from flopslab.execution.cluster.remote import RemoteGenerator
from flopslab.execution.local import local_executor
from flopslab.execution.stages import Batch
from flopslab.execution.wavefront import Wavefront
from flopslab.progress import Progress
from flopslab.runs.store import Store


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


def make_executor(
    study: Study, generator: Generator, store: Store, progress: Progress
) -> AbstractContextManager[Executor]:
    """The executor for a study: the generator's cluster, or threads of this process.

    The steps of a batch, and what is to be noted, are told by the thread that waits for batches.
    """
    if isinstance(generator, RemoteGenerator):
        from flopslab.execution.cluster.executor import ClusterExecutor  # imports distributed

        return ClusterExecutor(study, generator, store, progress.note)
    if study.cluster:
        hint = "leave generator out: the workers load the model; or leave cluster empty"
        raise ParameterError(f"cluster {study.cluster}", "a generator of this process", hint)
    return local_executor(study, generator, store, progress)


def make_batches(wavefront: Wavefront, executor: Executor) -> Iterator[Batch]:
    """The batches of a wavefront, each once it is committed."""
    while True:
        while executor.has_room and (batch := wavefront.next_batch()):
            executor.submit(batch)
        if executor.is_idle:
            return
        yield executor.next()
