"""What runs on a worker: it composes, generates and encodes a batch, and writes nothing.

A worker's process has one model in memory, whichever of its threads takes the next batch.
"""

import pickle
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from flopslab.core.generator import Generator, capabilities_of
from flopslab.core.plan import Plan
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.execution.cluster.frames import AbsentError, WorkerFrames
from flopslab.execution.cluster.messages import (
    Absence,
    Answer,
    Description,
    Job,
    Task,
    code_version,
)
from flopslab.execution.local import use_one_torch_thread
from flopslab.execution.models import model_key
from flopslab.execution.stages import Stages, encode
from flopslab.words.sequence import Word


class Model:
    """A generator in memory, and a clone of it for each thread; on a GPU they take turns."""

    def __init__(self, generator: Generator) -> None:
        self.generator, self._clones = generator, threading.local()
        is_cpu = generator.settings["device"] == "cpu"
        self.turn: AbstractContextManager = nullcontext() if is_cpu else threading.Lock()

    @property
    def clone(self) -> Generator:
        """The generator of the thread that asks."""
        if not hasattr(self._clones, "generator"):
            self._clones.generator = self.generator.clone()
        return self._clones.generator


class Room:
    """What a worker keeps for the batches of one run."""

    def __init__(self, job: Job) -> None:
        self.model = model_of(job)
        if job.settings is not None:
            require_alike(job.settings, self.model.generator.settings)
        self.frames = WorkerFrames(Path(job.directory))
        self.stages = Stages(job.study, self.frames)


_lock = threading.RLock()
_models: dict[Any, Model] = {}  # one at most, by what it is loaded for and its batch size
_rooms: dict[str, Room] = {}  # one at most


def describe(job_data: bytes, words_data: bytes) -> Description:
    """What the generator of a pickled job is, and says of the prompts of these pickled words."""
    job, words = _open_job(job_data), pickle.loads(words_data)
    with _lock:
        generator = model_of(job).generator
        recorder = PromptRecorder(generator)
        read_prompts(job.study, words, recorder)
    return Description(
        generator.settings,
        generator.size,
        capabilities_of(generator),
        recorder.token_counts,
        recorder.colours,
    )


def call(job_data: bytes, name: str, arguments: bytes) -> Any:
    """What the method of this name of the job's generator returns."""
    room = _room_of(_open_job(job_data))
    with room.model.turn:
        return getattr(room.model.clone, name)(*pickle.loads(arguments))


def compute(job_data: bytes, task_data: bytes) -> Answer | Absence:
    """The pictures of a pickled task, or what is needed to make them."""
    job, task = _open_job(job_data), pickle.loads(task_data)
    room = _room_of(job)
    room.frames.expect(task.digests, task.files)
    try:
        if absent := room.frames.absent(task.digests):
            return Absence(absent, worker_name())
        return _make(room, task)
    except AbsentError as error:  # no longer in memory
        return Absence([error.key], worker_name())
    finally:
        room.frames.forget_files(task.files)


def worker_name() -> str:
    """The address of the worker in whose process this runs."""
    from distributed import get_worker

    return get_worker().address


def model_of(job: Job) -> Model:
    """The model of a job, loaded unless it is in memory."""
    with _lock:
        kind, size = (model_key(job.study), job.load), job.batch_size
        if (kind, size) not in _models:
            _rooms.clear()
            _models.clear()  # before the next one needs its memory
            use_one_torch_thread()
            model = Model(job.load(job.study, size))
            own_size = model.generator.settings["batch_size"]
            _models[kind, size] = _models[kind, own_size] = model
        return _models[kind, size]


def require_alike(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> None:
    """RunError, with both values of each difference, unless these settings give equal pixels.

    Cards of different names are allowed: a frame's recipe says which one made it.
    """
    names = {*expected, *actual} - {"model", "device"}
    if "cpu" in (expected["device"], actual["device"]):
        names |= {"device"}
    unlike = [name for name in sorted(names) if expected.get(name) != actual.get(name)]
    if unlike:
        raise RunError(
            f"workers that are alike, with {_describe(expected, unlike)}",
            f"worker {worker_name()} has {_describe(actual, unlike)}",
            "give all workers the same environment, model and kind of device; stop this one",
        )


def read_prompts(study: Study, words: Sequence[Word], recorder: "PromptRecorder") -> None:
    """Ask all that planning the study asks of a generator."""
    plan = Plan(study, words, recorder)
    for number in plan.passes[:2]:  # those after it have the prompts of the second
        for position in plan.windowing.positions:
            plan.frame(FrameKey(number, position))


class PromptRecorder:
    """What a generator says of prompts, remembered."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self.token_counts: dict[Prompt, int | None] = {}
        self.colours: dict[tuple[str, ...], str] = {}

    def tokens(self, prompt: Prompt) -> int | None:
        return _remember(self.token_counts, prompt, self._generator.tokens)

    def nearest_colour(self, words: tuple[str, ...]) -> str:
        return _remember(self.colours, words, self._generator.nearest_colour)


def _make(room: Room, task: Task) -> Answer:
    batch, stages = task.batch, room.stages
    contexts = stages.compose(batch)
    use_one_torch_thread()
    with room.model.turn:
        pictures = stages.generate(batch, contexts, room.model.clone, _ignore_step)
    pictures = stages.anchor(batch, pictures)
    encoded = encode(pictures)
    for picture, image, latents in zip(encoded, pictures.images, pictures.latents, strict=True):
        room.frames.keep(picture.digests, image, latents)
    return Answer(encoded, pictures.seconds, room.model.generator.settings["device"])


def _open_job(data: bytes) -> Job:
    job: Job = pickle.loads(data)
    if job.version != (actual := code_version()):
        raise RunError(
            f"flopslab {job.version}, as the client has it",
            f"flopslab {actual} on worker {worker_name()}",
            "install the same version everywhere, then start the workers again",
        )
    return job


def _room_of(job: Job) -> Room:
    with _lock:
        if job.run not in _rooms:
            _rooms.clear()
            _rooms[job.run] = Room(job)
        return _rooms[job.run]


def _remember(answers: dict, question: Any, ask: Callable[[Any], Any]) -> Any:
    if question not in answers:
        answers[question] = ask(question)
    return answers[question]


def _describe(settings: Mapping[str, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name} = {settings.get(name)!r}" for name in names)


def _ignore_step(*_: object, **__: object) -> None: ...
