"""A cluster on this machine alone: a worker for each card, or workers that share the cores.

They listen on loopback, and end with the client that started them.
"""

import logging
from typing import TYPE_CHECKING, Any

from flopslab.backends import list_cards
from flopslab.core.study import Study
from flopslab.errors import ParameterError, RunError
from flopslab.execution.local import count_cores

if TYPE_CHECKING:
    from distributed import SpecCluster

LOCAL = "local"  # the `cluster` that is started for a run
CARD_THREADS = 2  # of a worker with a card: one computes while the other composes and encodes
LOOPBACK = "127.0.0.1"


def start_cluster(study: Study) -> "SpecCluster":
    """A scheduler, and the workers that the study asks for, each a process of its own.

    Raises ParameterError for one card alone, RunError if the processes do not start.
    """
    from distributed import Nanny, Scheduler, Security, SpecCluster

    protocol = "tls://" if Security().require_encryption else "tcp://"  # of Dask's configuration
    options = {"host": LOOPBACK, "protocol": protocol, "dashboard": False}
    scheduler = {"cls": Scheduler, "options": options}
    # A limit would end a worker that takes more than its share while it loads a model.
    options = options | {"memory_limit": 0, "silence_logs": logging.ERROR}
    plans = enumerate(plan_workers(study))
    workers = {n: {"cls": Nanny, "options": options | plan} for n, plan in plans}
    try:
        silence: Any = logging.ERROR  # declared as bool
        return SpecCluster(workers=workers, scheduler=scheduler, silence_logs=silence)
    except (OSError, RuntimeError) as error:
        raise RunError(
            f"{len(workers)} workers on this machine",
            str(error).splitlines()[0] if str(error) else type(error).__name__,
            'in a script, call run below if __name__ == "__main__": each worker imports it',
        ) from error


def plan_workers(study: Study) -> list[dict[str, Any]]:
    """The threads and the environment of each worker: `workers` of them, on cards at most one each.

    `workers` 0 is one for each card, or without a card a single one with all cores.
    """
    if study.device.startswith("cuda:"):
        hint = "set device to auto: each worker has a card of its own; or leave cluster empty"
        raise ParameterError("all cards, for a cluster local", f"device {study.device}", hint)
    cards = list_cards() if study.device in ("auto", "cuda") else []
    if cards:
        cards = cards[: study.workers or None]
        return [{"nthreads": CARD_THREADS, "env": {"CUDA_VISIBLE_DEVICES": c}} for c in cards]
    count = study.workers or 1
    return [{"nthreads": max(count_cores() // count, 1)}] * count
