"""Memory: what is free, and what a lack of it means."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from flopslab.errors import MemoryShortageError, ModelError

_MEMORY_PHRASES = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "Invalid buffer size",  # Apple's
)
_MEMORY_HINTS = (
    "set a smaller width and height",
    "on a card, set offload to model, or dtype to bfloat16 or float16",
)


def free_memory() -> None:
    """Give back what nobody uses: unreachable objects, and what torch's allocator keeps."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def explain_memory_errors(place: str, *hints: str) -> Iterator[None]:
    """In the `with` block a lack of memory is a MemoryShortageError that names the place.

    `hints`: what to do besides what always helps.
    """
    try:
        yield
    except MemoryShortageError:
        raise
    except (RuntimeError, MemoryError, ModelError) as error:
        cause = error.__cause__ if isinstance(error, ModelError) else error
        if cause is None or not is_memory_error(cause):
            raise
        text = error.actual if isinstance(error, ModelError) else str(error)
        actual = (text or type(error).__name__).splitlines()[0]
        hint = "; or ".join([*hints, *_MEMORY_HINTS])
        raise MemoryShortageError(f"memory for {place}", actual, hint) from cause


def is_memory_error(error: BaseException) -> bool:
    """Whether there was too little memory; torch raises a bare RuntimeError on the CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(p in str(error) for p in _MEMORY_PHRASES)
