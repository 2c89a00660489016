"""A generator whose model is in the memory of a cluster's workers, not in this process."""

import pickle
import uuid
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from PIL import Image

from flopslab.backends import load_generator
from flopslab.core.generator import Capabilities, FrameRequest
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study
from flopslab.core.windows import Windowing
from flopslab.execution.cluster.connection import Note, Workers, leave, open_client, wait_for
from flopslab.execution.cluster.messages import Description, Job, Loader

if TYPE_CHECKING:
    from distributed import Client


class RemoteGenerator:
    """A `Generator` (see there) of the workers of a cluster.

    `run` sends them whole batches to compose, generate and encode. Called directly, it has one
    worker answer. `connect` makes one.
    """

    def __init__(self, client: "Client", job: Job, description: Description, note: Note) -> None:
        self.client, self._job, self._note = client, job, note
        self.settings, self.size = description.settings, description.size
        self.capabilities: Capabilities = description.capabilities
        self._tokens, self._colours = description.tokens, description.colours
        self._leave = weakref.finalize(self, leave, client)  # when nobody uses it any more

    @classmethod
    def connect(
        cls,
        study: Study,
        batch_size: int = 0,
        load: Loader = load_generator,
        note: Note = lambda _: None,
    ) -> Self:
        """The generator that the workers of the study's `cluster` load with `load`.

        One of them says what it is; its settings, batch size included, are those of all. Raises
        ParameterError without Dask, RunError without a scheduler or workers, and what `load` raises
        on a worker.
        """
        client = open_client(study)
        try:
            job = Job(study, load, batch_size or study.batch_size)
            return cls._of_workers(client, job, note)
        except BaseException:
            leave(client)
            raise

    @classmethod
    def _of_workers(cls, client: "Client", job: Job, note: Note) -> Self:
        """The generator that a client's workers load for a job."""
        from flopslab.execution.cluster.worker import describe

        study, workers = job.study, Workers(client, job.study, note)
        note(f"loading the model {study.model} on the workers of {study.cluster}")
        workers.look()
        words = study.read_words().words
        data = pickle.dumps(job), pickle.dumps(words)
        future = client.submit(describe, *data, pure=False, resources=workers.resources)
        description = wait_for(future, workers)
        size, settings = description.settings["batch_size"], description.settings
        frames = len(Windowing(study, len(words)).positions)
        workers.report_surplus(frames, size, settings["device"])
        return cls(client, replace(job, batch_size=size, settings=settings), description, note)

    def job_of(self, study: Study, directory: Path) -> Job:
        """What the workers are told of a new start of a study's run."""
        path = str(directory.resolve())
        return replace(self._job, study=study, directory=path, run=uuid.uuid4().hex)

    def close(self) -> None:
        """Leave the cluster; unless it was started here, its workers stay and keep the model."""
        self._leave()

    def tokens(self, prompt: Prompt) -> int | None:
        if prompt not in self._tokens:
            self._tokens[prompt] = self._call("tokens", prompt)
        return self._tokens[prompt]

    def nearest_colour(self, words: tuple[str, ...]) -> str:
        if words not in self._colours:
            self._colours[words] = self._call("nearest_colour", words)
        return self._colours[words]

    def generate(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> list[Image.Image]:
        return self._call("generate", requests, strength)

    def generate_with_latents(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> tuple[list[Image.Image], list[np.ndarray]]:
        return self._call("generate_with_latents", requests, strength)

    def decode(self, latents: np.ndarray) -> Image.Image:
        return self._call("decode", latents)

    def clone(self) -> Self:
        return self

    def interrupt(self) -> None: ...

    def _call(self, name: str, *arguments: object) -> Any:
        from flopslab.execution.cluster.worker import call

        workers = Workers(self.client, self._job.study, self._note)
        workers.look()
        data = pickle.dumps(self._job), name, pickle.dumps(arguments)
        future = self.client.submit(call, *data, pure=False, resources=workers.resources)
        return wait_for(future, workers)
