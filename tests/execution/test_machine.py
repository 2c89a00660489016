"""`cluster` local: the workers of a run on this machine, one for each card or sharing the cores."""

import os
import signal

import pytest
import remote_painters
from painted import PaintedGenerator, pixels

from flopslab.core.study import Study
from flopslab.errors import ParameterError, RunError
from flopslab.execution.cluster import machine
from flopslab.execution.cluster.connection import Workers
from flopslab.execution.cluster.remote import RemoteGenerator
from flopslab.passes import run
from flopslab.progress import NullProgress


@pytest.mark.parametrize(
    ("workers", "threads"), [(0, [8]), (1, [8]), (2, [4, 4]), (3, [2, 2, 2]), (9, [1] * 9)]
)
def test_without_cards_workers_share_the_cores(monkeypatch, workers, threads):
    monkeypatch.setattr(machine, "list_cards", lambda: [])
    monkeypatch.setattr(machine, "count_cores", lambda: 8)
    plans = machine.plan_workers(Study(cluster="local", workers=workers))
    assert [plan["nthreads"] for plan in plans] == threads


@pytest.mark.parametrize(("workers", "cards"), [(0, ["2", "5"]), (1, ["2"]), (4, ["2", "5"])])
def test_a_card_has_one_worker_at_most(monkeypatch, workers, cards):
    monkeypatch.setattr(machine, "list_cards", lambda: ["2", "5"])
    plans = machine.plan_workers(Study(cluster="local", workers=workers))
    assert [plan["env"] for plan in plans] == [{"CUDA_VISIBLE_DEVICES": card} for card in cards]
    assert {plan["nthreads"] for plan in plans} == {2}


def test_cards_stay_idle_for_a_study_of_the_processor(monkeypatch):
    monkeypatch.setattr(machine, "list_cards", lambda: ["0"])
    assert "env" not in machine.plan_workers(Study(cluster="local", device="cpu"))[0]


def test_one_card_alone_is_no_cluster():
    with pytest.raises(ParameterError, match=r"found: device cuda:1"):
        machine.plan_workers(Study(cluster="local", device="cuda:1"))


@pytest.mark.parametrize(
    ("frames", "device", "useful"), [(96, "cpu", 0), (95, "cpu", 11), (95, "a card", 0)]
)
def test_more_workers_than_find_work_at_once_are_reported(frames, device, useful):
    notes = []
    workers = Workers(None, Study(cluster="local"), notes.append)
    workers.slots, workers.count = 12, 6
    workers.report_surplus(frames, 4, device)
    about = f"12 batches can be computed at once: about {useful} will be"
    assert [note.startswith(about) for note in notes] == [True] * (useful > 0)


class Murder(NullProgress):
    """Kills a worker once there are frames of pass 2; `pids` are those of all workers."""

    def __init__(self, client) -> None:
        self.pids = list(client.run(os.getpid).values())
        self._victim = self.pids[0]

    def advance(self, pass_number, count, words):
        if pass_number == 2 and self._victim:
            os.kill(self._victim, signal.SIGKILL)
            self._victim = 0


@pytest.mark.slow
def test_workers_of_this_machine_make_the_frames_and_end_with_the_run(study, tmp_path):
    dask = pytest.importorskip("dask")
    pytest.importorskip("distributed")
    study = study.replace(passes=3, method="latent", device="cpu", model=str(tmp_path), workers=2)
    place = {"cluster": "local", "output_dir": str(tmp_path / "crowd")}
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        generator = RemoteGenerator.connect(study.replace(**place), load=remote_painters.load)
        killing = Murder(generator.client)
        crowd = run(study.replace(**place), generator, killing).directory
        generator.close()
    alone = run(study, PaintedGenerator(), NullProgress()).directory
    assert pixels(crowd) == pixels(alone)
    assert len(killing.pids) == 2 and not any(map(is_alive, killing.pids))
    assert len(list(tmp_path.glob("painted-*"))) >= 2, "both workers have painted"


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_that_do_not_start_are_explained(monkeypatch):
    distributed = pytest.importorskip("distributed")

    def fail(**_):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(distributed, "SpecCluster", fail)
    with pytest.raises(RunError, match="2 workers on this machine") as caught:
        machine.start_cluster(Study(cluster="local", workers=2, device="cpu"))
    assert "__main__" in caught.value.hint
