"""The way to a cluster's scheduler, and what is said when it, or all workers, are gone."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, NoReturn

from flopslab.commands import papermill_command
from flopslab.core.study import Study
from flopslab.errors import FlopslabError, ParameterError, RunError
from flopslab.execution.cluster.machine import LOCAL, start_cluster

if TYPE_CHECKING:
    from distributed import Client, Future

PATIENCE = 30  # seconds for a scheduler to answer
WAIT = 600  # seconds for a first worker, or for another one when all are gone
POLL = 1.0  # seconds between two looks at the workers

Note = Callable[[str], object]


def open_client(study: Study) -> "Client":
    """A client of the study's `cluster`: at an address, in a scheduler file, or started here.

    ParameterError without Dask, RunError if no scheduler answers. See `leave`.
    """
    try:
        from distributed import Client
    except ImportError:
        hint = "pip install 'flopslab[cluster]', or leave cluster empty"
        raise ParameterError("Dask's distributed, for a cluster", "none", hint) from None
    cluster = study.cluster
    if cluster == LOCAL:
        return Client(start_cluster(study), set_as_default=False)
    is_file = cluster.endswith(".json")
    if is_file and not Path(cluster).is_file():
        hint = "start dask scheduler --scheduler-file with this path, or give its address"
        raise RunError(f"the scheduler file {cluster}", "no such file", hint)
    try:
        if is_file:
            return Client(scheduler_file=cluster, timeout=PATIENCE, set_as_default=False)
        return Client(cluster, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise RunError(
            f"a Dask scheduler at {cluster}",
            str(error).splitlines()[0] if str(error) else type(error).__name__,
            "start one with dask scheduler, or correct cluster, for instance tcp://host:8786; for "
            "tls:// give Dask the certificates here too",
        ) from error


def leave(client: "Client") -> None:
    """Close the client; a cluster that was started for it ends, any other keeps its workers."""
    cluster = client.cluster
    client.close()
    if cluster is not None:
        cluster.close()


class Workers:
    """The workers of a cluster, looked at now and then."""

    def __init__(self, client: "Client", study: Study, note: Note) -> None:
        self._client, self._study, self._note = client, study, note
        self._absent_since: float | None = None  # when there was none for the first time
        self._looked = float("-inf")
        self.resources: dict[str, float] = {}  # that a batch takes
        self.slots = 0  # how many batches they take at once
        self.count = 0  # how many they are

    def look(self) -> None:
        """Count them, at most once in a while. RunError if there has been none for too long."""
        if time.monotonic() - self._looked < POLL:
            return
        workers = self._ask()
        cards = [worker["resources"].get("GPU", 0) for worker in workers]
        threads = [worker["nthreads"] for worker in workers]
        self.resources = {"GPU": 1} if any(cards) else {}
        places = [int(number) for number in (cards if any(cards) else threads)]
        self.slots, self.count = sum(places), sum(number > 0 for number in places)
        self._looked = time.monotonic()
        if self.slots:
            self._absent_since = None
        else:
            self._be_patient()

    def report_surplus(self, frames: int, batch_size: int, device: str) -> None:
        """Say so if more batches can be computed at once than a pass of so many frames keeps busy.

        A batch waits for those that it looks at, so that half of a pass is in hand at best.
        """
        computing = self.slots if device == "cpu" else self.count
        useful = max(frames // (2 * batch_size), 1)
        if computing > useful:
            self._note(
                f"{computing} batches can be computed at once: about {useful} will be, as a pass "
                f"has {frames} frames in batches of {batch_size}"
            )

    def fail(self, actual: str) -> NoReturn:
        """The cluster is of no use any more."""
        raise RunError(
            f"workers of the cluster {self._study.cluster}",
            actual,
            f"start workers, then resume: frames already made are kept: "
            f"{papermill_command(self._study)}",
        )

    def _ask(self) -> list[dict[str, Any]]:
        """What the scheduler says of the workers; nothing while it is lost, where to ask waits."""
        if self._client.status != "running":
            return []
        return list(self._client.scheduler_info().get("workers", {}).values())

    def _be_patient(self) -> None:
        if self._client.status == "closed":
            self.fail("the connection to the scheduler is lost")
        if self._absent_since is None:
            self._absent_since = self._looked
            self._note(f"no worker in the cluster: waiting up to {WAIT} s for one")
        elif self._looked - self._absent_since > WAIT:
            self.fail(f"none for {WAIT} s")


def wait_for(future: "Future", workers: Workers) -> Any:
    """The result of a future, however long it takes, as long as there are workers."""
    done = Event()
    future.add_done_callback(lambda _: done.set())
    while not done.wait(POLL):
        workers.look()
    try:
        return future.result()
    except BaseException as error:
        raise explain(error, workers) from error


def explain(error: BaseException, workers: Workers) -> BaseException:
    """What went wrong on a worker, as an error of ours."""
    from distributed import CancelledError, KilledWorker

    if isinstance(error, FlopslabError) or not isinstance(error, Exception | CancelledError):
        return error
    if isinstance(error, KilledWorker):
        actual = f"{error.allowed_failures + 1} workers died as they loaded it"
        hint = "give the workers more memory (--memory-limit), or use fewer on a machine"
        return RunError("a worker that can load the model", actual, hint)
    return RunError(
        "a task done by a worker",
        f"{type(error).__name__}: {error}",
        "see the worker's log; the scheduler and all workers need flopslab in the client's "
        "version. Frames already made are kept",
    )
