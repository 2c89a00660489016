"""The generator of a study: of this process, or of the workers of a cluster."""

from collections.abc import Callable

from flopslab.backends import load_generator
from flopslab.core.generator import Generator
from flopslab.core.study import Study


def open_generator(
    study: Study, batch_size: int = 0, note: Callable[[str], object] = lambda _: None
) -> Generator:
    """The study's generator, see `load_generator`; with `cluster` the workers have it.

    `note` is told what takes time.
    """
    if study.cluster:
        from flopslab.execution.cluster.remote import RemoteGenerator

        return RemoteGenerator.connect(study, batch_size, note=note)
    note(f"loading the model {study.model}")
    return load_generator(study, batch_size)
