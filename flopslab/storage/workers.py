"""Work on files in several threads: reading, decompressing and digesting run side by side."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

THREADS = min(os.cpu_count() or 1, 8)

Result = TypeVar("Result")


def map_ahead(
    function: Callable[..., Result], *items: Iterable[Any], threads: int = THREADS
) -> Iterator[Result]:
    """`map` in several threads: the results in order, of which only a few wait in memory."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for arguments in zip(*items, strict=True):
                waiting.append(pool.submit(function, *arguments))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # after an error nobody wants the rest
            for future in waiting:
                future.cancel()
