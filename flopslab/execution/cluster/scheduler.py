"""What runs on the scheduler: it tells of each death of a worker, where Dask would try others."""

from typing import Any

from distributed import Scheduler, SchedulerPlugin

PREFIX = "flopslab-"  # of the keys of all batches


class FirstDeath(SchedulerPlugin):
    """Dask gives a batch up as soon as one worker that has it dies; all other tasks as before.

    By itself Dask gives a task to `distributed.scheduler.allowed-failures` more workers, and the
    client, which cannot change that, would learn of the death of the last.
    """

    name = "flopslab"
    idempotent = True

    async def start(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def transition(self, key: Any, start: Any, finish: Any, *_: Any, **__: Any) -> None:
        if finish == "processing" and str(key).startswith(PREFIX):
            scheduler = self._scheduler
            scheduler.tasks[key].suspicious = scheduler.allowed_failures or 0  # deaths so far
