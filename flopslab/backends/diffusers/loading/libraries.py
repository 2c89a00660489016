"""The libraries that load models: kept quiet, and their errors put in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

import diffusers
import transformers

from flopslab.backends.diffusers.hardware.memory import is_memory_error


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """No progress bars and no log messages of diffusers and transformers, errors apart.

    What matters in them is checked here. Downloads keep their bars.
    """
    modules = [diffusers.utils.logging, transformers.utils.logging]
    states = [(log, log.get_verbosity(), log.is_progress_bar_enabled()) for log in modules]
    for log in modules:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log, verbosity, has_bars in states:
            log.set_verbosity(verbosity)
            if has_bars:
                log.enable_progress_bar()


def first_line(error: Exception) -> str:
    """The error's message up to its first line break, or its type where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def describe_failure(error: Exception, size: int = 0) -> tuple[str, str]:
    """(actual, hint) of an error that diffusers, transformers or torch raised at load.

    `size` is that of the weights in bytes.
    """
    text = first_line(error)
    if is_memory_error(error):
        weights = f" for weights of {size / 2**30:.1f} GiB" if size else ""
        return f"too little memory{weights}: {text}", "close other programs, or use a smaller model"
    if isinstance(error, ImportError):
        return text, "install the package that it names, or set scheduler to another"
    if "size mismatch" in str(error) or "shape" in str(error):
        return text, "take config and weights from one model: the shapes of these two differ"
    if "find a pipeline linked to" in str(error):
        return text, (
            "use a text-to-image model of a family that diffusers knows: Stable Diffusion 1 to 3, "
            "SDXL, Flux, PixArt, ..."
        )
    return text, "fetch or copy the model again if it is damaged, or use another"
