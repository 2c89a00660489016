"""The generator of a study: of this process, or of the workers of a cluster."""

from collections.abc import Callable

from flopslab.backends import load_generator
from flopslab.core.generator import Generator
from flopslab.core.study import Study
from flopslab.execution.models import model_key
from flopslab.runs.reader import frozen_batch_size


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


class SharedGenerator:
    """The generator of a study, shared by studies of the same model. One is in memory at a time.

    `load` makes it (default: `open_generator`).
    """

    def __init__(self, load: Callable[[Study], Generator] | None = None) -> None:
        self._load, self._key = load or open_generator, None
        self._generator: Generator | None = None

    def get(self, study: Study) -> Generator:
        """The study's generator, with the batch size of its run."""
        key, size = model_key(study), frozen_batch_size(study)
        generator = self._generator
        if generator and key == self._key and size in (0, generator.settings["batch_size"]):
            return generator
        del generator
        self._generator = None  # before the next one needs its memory
        self._generator, self._key = self._load(study.replace(batch_size=size)), key
        return self._generator
