"""What the workers of a test's cluster load in place of a model, and how they misbehave."""

import os
import signal
from contextlib import suppress
from itertools import count
from pathlib import Path

from painted import PaintedGenerator

from flopslab.core.study import Study


def load(study: Study, batch_size: int) -> PaintedGenerator:
    """Paints frames; how many this process has painted stands in the directory of the model."""
    return Counting(Path(study.model), batch_size or 2)


def load_slow(study: Study, batch_size: int) -> PaintedGenerator:
    return PaintedGenerator(batch_size or 2, delay=0.02)


def load_unlike(study: Study, batch_size: int) -> PaintedGenerator:
    """The second worker has another guidance scale."""
    from distributed import get_worker

    return PaintedGenerator(batch_size or 2, guidance_scale=3.0 + get_worker().name)


def load_poisoned(study: Study, batch_size: int) -> PaintedGenerator:
    return Deadly(batch_size or 2, Path(study.model), deaths=99)


def load_mortal(study: Study, batch_size: int) -> PaintedGenerator:
    return Deadly(batch_size or 2, Path(study.model), deaths=2)


def load_fragile(study: Study, batch_size: int) -> PaintedGenerator:
    return Fragile(Path(study.model), batch_size or 2)


class Counting(PaintedGenerator):
    """Takes its time, so that each worker gets something; leaves a line for each frame."""

    def __init__(self, directory: Path, batch_size: int) -> None:
        super().__init__(batch_size, delay=0.02)
        self._directory = directory

    def generate_with_latents(self, requests, strength=1.0):
        with (self._directory / f"painted-{os.getpid()}").open("a") as file:
            file.write("frame\n" * len(requests))
        return super().generate_with_latents(requests, strength)


class Deadly(PaintedGenerator):
    """Ends its process at the prompt of position 7, so many times, as a lack of memory does."""

    def __init__(self, batch_size: int, directory: Path, deaths: int) -> None:
        super().__init__(batch_size)
        self._directory, self._deaths = directory, deaths

    def generate_with_latents(self, requests, strength=1.0):
        is_deadly = any(request.prompt.text == "river light shadow" for request in requests)
        if is_deadly and len(list(self._directory.glob("death-*"))) < self._deaths:
            (self._directory / f"death-{os.getpid()}").touch()
            os._exit(1)
        return super().generate_with_latents(requests, strength)


class Fragile(Counting):
    """Of all batches that workers begin, each fifth is the end of its process."""

    def generate_with_latents(self, requests, strength=1.0):
        if self._number_of_batch() % 5 == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().generate_with_latents(requests, strength)

    def _number_of_batch(self) -> int:
        """The next of all workers' numbers; a file stands for each."""
        for number in count(1):
            with suppress(FileExistsError):
                (self._directory / f"begun-{number}").touch(exist_ok=False)
                return number
        raise AssertionError
