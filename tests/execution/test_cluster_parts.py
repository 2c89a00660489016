"""What a cluster is made of, without a cluster: a worker's frames and model, and refusals."""

import sys
from concurrent.futures import Future
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
from painted import PaintedGenerator
from PIL import Image

from flopslab.backends import load_generator
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.digests import array_digest, pixel_digest
from flopslab.errors import ModelError, ParameterError, RunError
from flopslab.execution import local
from flopslab.execution.cluster import connection, remote, worker
from flopslab.execution.cluster.frames import AbsentError, WorkerFrames
from flopslab.execution.cluster.messages import Absence, Job
from flopslab.execution.cluster.remote import RemoteGenerator
from flopslab.runs.provenance import Digests
from flopslab.runs.reader import open_run

KEY = FrameKey(1, 5)


@pytest.fixture
def written(paint):
    """The directory of a run that keeps latents, and one of its frames."""
    directory = paint(method="latent").directory
    run = open_run(directory)
    image, latents = run.image(KEY), run.latents(KEY)
    digests = Digests(pixel_digest(image), array_digest(latents))
    files = run.path(KEY).read_bytes(), run.path(KEY).with_suffix(".safetensors").read_bytes()
    return directory, digests, files


def test_a_worker_reads_a_frame_where_it_sees_the_run(written):
    directory, digests, _ = written
    frames = WorkerFrames(directory)
    frames.expect({KEY: digests}, {})
    assert frames.absent([KEY]) == []
    assert pixel_digest(frames.image(KEY)) == digests.digest
    assert array_digest(frames.latents(KEY)) == digests.latents


def test_a_worker_takes_nothing_else_for_a_frame(written):
    directory, digests, _ = written
    frames = WorkerFrames(directory)
    for name in ("digest", "latents"):
        frames.expect({KEY: digests._replace(**{name: "0" * 64})}, {})
        assert frames.absent([KEY]) == [KEY]
        with pytest.raises(AbsentError):
            frames.image(KEY)


def test_a_worker_uses_what_is_sent_or_what_it_made_itself(written, tmp_path):
    _, digests, files = written
    frames, elsewhere = WorkerFrames(tmp_path / "elsewhere"), FrameKey(1, 6)
    own = Image.fromarray(np.arange(288, dtype=np.uint8).reshape(8, 12, 3))
    frames.keep(Digests(pixel_digest(own), None), own, None)
    frames.expect({KEY: digests, elsewhere: Digests(pixel_digest(own), None)}, {})
    assert frames.absent([KEY, elsewhere]) == [KEY]
    frames.expect({}, {KEY: files})
    assert frames.absent([KEY, elsewhere]) == []
    frames.forget_files([KEY])
    assert pixel_digest(frames.image(KEY)) == digests.digest


def test_a_worker_has_one_model_for_all_runs_that_share_it(study, monkeypatch):
    monkeypatch.setattr(worker, "_models", {})
    loads = []

    def load(study: Study, batch_size: int) -> PaintedGenerator:
        loads.append(batch_size)
        return PaintedGenerator(batch_size or 2)

    job = Job(study, load, batch_size=0)
    first = worker.model_of(job)
    assert worker.model_of(replace(job, batch_size=2)) is first
    assert worker.model_of(replace(job, study=study.replace(seed=9, passes=3))) is first
    assert worker.model_of(replace(job, study=study.replace(steps=9))) is not first
    assert loads == [0, 0]


def test_workers_may_have_cards_of_other_names_but_nothing_else(monkeypatch):
    monkeypatch.setattr(worker, "worker_name", lambda: "w1")
    card = PaintedGenerator(device="Card A").settings
    worker.require_alike(card, card | {"device": "Card B", "model": "/elsewhere/model"})
    for change in ({"device": "cpu"}, {"steps": 9}, {"versions": {"numpy": "1"}}, {"lora": "x"}):
        with pytest.raises(RunError, match="worker w1 has "):
            worker.require_alike(card, card | change)


@pytest.mark.parametrize("place", ["tcp://127.0.0.1:1", "no/scheduler.json", "nonsense:port"])
def test_a_cluster_that_is_not_there_is_named(place, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    with pytest.raises(RunError, match=place):
        RemoteGenerator.connect(Study(cluster=place))


def test_a_cluster_whose_workers_load_no_model_is_left(monkeypatch):
    class Client:
        status, cluster, closed = "running", None, False

        def scheduler_info(self) -> dict:
            return {"workers": {"w1": {"resources": {}, "nthreads": 1}}}

        def submit(self, *_, **__):
            raise ModelError("a model", "a planted fault", "mend it")

        def close(self) -> None:
            self.closed = True

    client = Client()
    monkeypatch.setattr(remote, "open_client", lambda _: client)
    with pytest.raises(ModelError, match="a planted fault"):
        RemoteGenerator.connect(Study(cluster="local"))
    assert client.closed


def test_once_a_run_is_over_a_worker_that_lacks_frames_is_sent_nothing(study, tmp_path):
    pytest.importorskip("distributed")
    from flopslab.execution.cluster.executor import ClusterExecutor

    answers: list[Future] = []

    def submit(*_, **__) -> Future:
        answers.append(Future())
        return answers[-1]

    workers = {"workers": {"w1": {"resources": {}, "nthreads": 1}}}
    client = Mock(status="running", scheduler_info=lambda: workers, submit=submit)
    generator = Mock(client=client, job_of=lambda *_: Job(study, load_generator, 1))
    with ClusterExecutor(study, generator, Mock(directory=tmp_path), print) as executor:
        executor.submit([])
        answers[0].set_result(Absence([], "w1"))
    assert len(answers) == 1


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ParameterError, match=r"pip install 'flopslab\[cluster\]'"):
        RemoteGenerator.connect(Study(cluster="tcp://host:8786"))


@pytest.mark.parametrize(("gigabytes", "workers"), [(100, 4), (10, 2), (1, 1)])
def test_no_more_threads_compute_than_memory_has_room_for(monkeypatch, gigabytes, workers):
    notes, generator = [], PaintedGenerator()
    generator.batch_bytes = 4 * 10**9
    monkeypatch.setattr(local, "count_cores", lambda: 4)
    monkeypatch.setattr(local, "available_memory", lambda: gigabytes * 10**9)
    assert local.suitable_workers(generator, notes.append) == workers
    about = f"{workers} of 4 cores compute: a batch takes about 4.0 GB of memory, {gigabytes}.0 GB"
    assert [note.startswith(about) for note in notes] == [True] * (workers < 4)
