"""Waiting for an answer while looking at how far it is."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

INTERVAL = 1.0  # seconds from one look to the next

Answer = TypeVar("Answer")


def wait_for(request: Callable[[], Answer], look: Callable[[], None]) -> Answer:
    """What the request returns or raises. Calls `look` once in an INTERVAL while it runs.

    The request runs in a thread of its own that nothing waits for at exit, so that `look` is called
    by the thread that waits here, and Ctrl-C ends the waiting at once.
    """
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(request())
        except BaseException as error:  # it belongs to whoever waits
            future.set_exception(error)

    Thread(target=run, name="request", daemon=True).start()
    while not wait([future], INTERVAL).done:
        look()
    return future.result()
