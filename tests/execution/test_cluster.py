"""A cluster makes the frames of one process, bit for bit, whatever happens to its workers."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import remote_painters
import yaml
from painted import PaintedGenerator, pixels

from flopslab.core.compositing import METHODS
from flopslab.core.generator import FrameRequest
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study
from flopslab.errors import ParameterError, RunError
from flopslab.execution.cluster import connection
from flopslab.execution.cluster.remote import RemoteGenerator
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.runs.frame_files import decode_frame, encode_frame

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CONFIG = {"distributed.worker.multiprocessing-method": "forkserver"}
PRELOAD = ["distributed.nanny", "distributed.worker", "flopslab.passes", "remote_painters"]


@pytest.fixture(scope="module")
def cluster():
    """A scheduler and two worker processes of one thread each, which start in no time."""
    with dask.config.set(CONFIG):
        distributed.utils.get_mp_context().set_forkserver_preload(PRELOAD)
        options = {"threads_per_worker": 1, "dashboard_address": ":0"}
        with distributed.LocalCluster(n_workers=2, processes=True, **options) as cluster:
            yield cluster


@pytest.fixture
def study(study, cluster, tmp_path) -> Study:
    """Three passes over twelve words, with a model that no other test has."""
    address, model = cluster.scheduler_address, str(tmp_path)
    return study.replace(cluster=address, passes=3, colour_anchor=0.5, model=model, workers=1)


@pytest.fixture
def alone(study, tmp_path):
    """`alone(**parameters)`: the directory of the study's run in this process."""

    def make(**parameters) -> Path:
        place = {"output_dir": str(tmp_path / "alone"), "cluster": ""}
        return make_alone(study.replace(**place | parameters))

    return make


def make_alone(study: Study) -> Path:
    return run(study, PaintedGenerator(), NullProgress()).directory


def make_on_cluster(study: Study, load=remote_painters.load, progress=None) -> Path:
    generator = RemoteGenerator.connect(study, load=load)
    try:
        return run(study, generator, progress or NullProgress()).directory
    finally:
        generator.close()


def files(directory: Path) -> dict:
    """The files of all passes; of a recipe all but its times."""
    found = {}
    for path in sorted(directory.glob("pass*/*")):
        data = path.read_bytes()
        if path.suffix == ".png":
            image, recipe = decode_frame(data)
            assert data == encode_frame(image, recipe)
            data = encode_frame(image, replace(recipe, generation_time_s=0.0, created=""))
        found[str(path.relative_to(directory))] = data
    return found


def painted_frames(directory: Path) -> int:
    return sum(len(path.read_text().split()) for path in directory.glob("painted-*"))


class Hook(NullProgress):
    """Does something once, after so many batches."""

    def __init__(self, batches: int, act) -> None:
        self._batches, self._act = batches, act

    def advance(self, pass_number, count, words):
        self._batches -= 1
        if self._batches == 0:
            self._act()


@pytest.mark.parametrize("method", METHODS)
def test_two_workers_write_the_files_of_one_process(study, alone, tmp_path, method):
    study = study.replace(method=method)
    made = make_on_cluster(study)
    assert files(made) == files(alone(method=method))
    assert len(list(tmp_path.glob("painted-*"))) == 2, "both workers have painted"
    assert painted_frames(tmp_path) == 36, "and no frame twice"


def test_a_worker_that_dies_costs_the_batches_in_its_hands(study, alone, tmp_path):
    made = make_on_cluster(study, remote_painters.load_mortal)
    assert len(list(tmp_path.glob("death-*"))) == 2
    assert pixels(made) == pixels(alone())


def test_a_run_ends_though_a_worker_dies_at_each_fifth_batch(study, alone, tmp_path, monkeypatch):
    """Three deaths may hit one batch by chance, which then counts as their cause: not here."""
    monkeypatch.setattr("flopslab.execution.cluster.executor.DEATHS", 99)
    made = make_on_cluster(study, remote_painters.load_fragile)
    assert len(list(tmp_path.glob("begun-*"))) >= 18 + 4, "18 batches, and four of them once more"
    assert files(made) == files(alone())


def test_a_worker_that_is_killed_between_two_batches_is_not_missed(study, alone, cluster):
    with distributed.Client(cluster, set_as_default=False) as client:
        (victim, *_) = client.run(os.getpid).values()
    made = make_on_cluster(study, progress=Hook(4, lambda: os.kill(victim, signal.SIGKILL)))
    assert pixels(made) == pixels(alone())


def test_workers_that_do_not_see_the_run_directory_are_sent_what_they_lack(
    study, alone, monkeypatch
):
    job_of = RemoteGenerator.job_of
    elsewhere = lambda *args: replace(job_of(*args), directory="/nowhere")  # noqa: E731
    monkeypatch.setattr(RemoteGenerator, "job_of", elsewhere)
    made = make_on_cluster(study.replace(method="latent"))
    assert files(made) == files(alone(method="latent"))


def test_a_run_goes_on_alone_and_on_a_cluster_in_turn(study, alone, tmp_path):
    make_alone(study.replace(cluster="", limit=4))
    make_on_cluster(study.replace(passes=2, limit=8))
    before = painted_frames(tmp_path)
    assert pixels(make_alone(study.replace(cluster=""))) == pixels(alone())
    assert make_on_cluster(study) and painted_frames(tmp_path) == before, "all are kept"


CLIENT = """
import sys
sys.path[:0] = {path!r}
import remote_painters, test_cluster
from flopslab.core.study import Study
test_cluster.make_on_cluster(Study(**{parameters!r}), remote_painters.load_slow)
"""


def test_after_the_client_is_killed_its_frames_are_kept(study, alone, tmp_path):
    here = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    program = CLIENT.format(path=here, parameters=study.model_dump())
    client = subprocess.Popen([sys.executable, "-c", program])
    while client.poll() is None and not (tmp_path / "run/pass2/frame_000001.png").exists():
        time.sleep(0.02)
    client.kill()
    client.wait()
    committed = len(list(tmp_path.glob("run/pass*/frame_*.png")))
    made = make_on_cluster(study)
    assert pixels(made) == pixels(alone())
    assert 0 < committed == 36 - painted_frames(tmp_path)


def test_a_batch_that_kills_its_workers_ends_the_run_and_is_named(study, tmp_path):
    with pytest.raises(RunError, match="pass 1, positions 7-8") as caught:
        make_on_cluster(study, remote_painters.load_poisoned)
    assert caught.value.actual == "3 workers that had it died" and "memory" in caught.value.hint
    assert len(list(tmp_path.glob("death-*"))) == 3
    assert len(list(tmp_path.glob("run/pass1/frame_*.png"))) >= 6, "what was made is kept"


def test_a_worker_with_other_settings_is_refused_with_both_values(study):
    with pytest.raises(RunError, match="workers that are alike") as caught:
        make_on_cluster(study, remote_painters.load_unlike)
    message = caught.value.expected + caught.value.actual
    assert "guidance_scale = 3.0" in message and "guidance_scale = 4.0" in message
    assert "worker tcp://" in caught.value.actual


def test_a_worker_with_another_version_is_refused(study, monkeypatch):
    monkeypatch.setattr("flopslab.execution.cluster.messages.__version__", "9.9")
    with pytest.raises(RunError, match=r"flopslab 9\.9.*\n.*found: flopslab 0.* on worker tcp"):
        make_on_cluster(study)


def test_the_workers_generator_can_be_called_like_any_other(study):
    generator = RemoteGenerator.connect(study, load=remote_painters.load)
    prompt = Prompt((("far away", 1.0),))
    here, requests = PaintedGenerator(), [FrameRequest(prompt, 5)]
    assert generator.generate(requests)[0].tobytes() == here.generate(requests)[0].tobytes()
    assert generator.tokens(prompt) == 2 and generator.nearest_colour(("ocean",)) == "blue"
    generator.close()


@pytest.fixture
def small_cluster(study, monkeypatch):
    """`small_cluster(n)`: n workers that are threads here, and the study on them."""
    monkeypatch.setattr(connection, "POLL", 0.05)
    with ExitStack() as stack:

        def start(workers: int, **wire):
            options = {"n_workers": workers, "threads_per_worker": 1, "processes": False} | wire
            cluster = distributed.LocalCluster(dashboard_address=":0", **options)
            stack.enter_context(cluster)
            return cluster, study.replace(cluster=cluster.scheduler_address)

        yield start


def test_without_workers_a_run_waits_and_then_says_how_to_go_on(small_cluster, monkeypatch):
    monkeypatch.setattr(connection, "WAIT", 0.1)
    notes, (_, study) = [], small_cluster(0)
    with pytest.raises(RunError, match="none for 0") as caught:
        RemoteGenerator.connect(study, load=remote_painters.load, note=notes.append)
    assert "papermill" in caught.value.hint and f"-p cluster {study.cluster}" in caught.value.hint
    assert any("waiting up to 0.1 s" in note for note in notes)


def test_a_worker_that_comes_late_is_welcome(small_cluster, alone):
    cluster, study = small_cluster(0)

    def start_one(note: str) -> None:
        if "waiting" in note:
            cluster.scale(1)

    generator = RemoteGenerator.connect(study, load=remote_painters.load, note=start_one)
    made = run(study, generator, Hook(3, lambda: cluster.scale(2))).directory
    generator.close()
    assert pixels(made) == pixels(alone())


@pytest.fixture
def tls(tmp_path, monkeypatch):
    """Certificates and settings of Dask as docs/cluster.md has them."""
    page = (Path(__file__).parents[2] / "docs/cluster.md").read_text()
    place = tmp_path / "tls"
    place.mkdir()
    for line in re.findall("^openssl .*", page, re.MULTILINE):
        subprocess.run(line.split(), cwd=place, check=True, capture_output=True)
    (block,) = re.findall("```yaml\n(.*?)```", page, re.DOTALL)
    settings = yaml.safe_load(block.replace("/etc/flopslab", str(place)))
    with dask.config.set(dask.config.merge(dask.config.config, settings)):
        yield


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
def test_with_certificates_the_wire_is_encrypted(small_cluster, tls, alone, monkeypatch):
    monkeypatch.setattr(connection, "PATIENCE", 0.5)
    _, study = small_cluster(1, protocol="tls://", security=distributed.Security())
    assert study.cluster.startswith("tls://")
    assert pixels(make_on_cluster(study)) == pixels(alone())
    dask.config.set({"distributed.comm.tls.client.cert": None})
    with pytest.raises(RunError, match="give Dask the certificates"):
        make_on_cluster(study)


@pytest.mark.parametrize("end", ["workers", "scheduler"])
def test_when_the_cluster_is_gone_what_was_made_stays(small_cluster, alone, monkeypatch, end):
    cluster, study = small_cluster(1)
    monkeypatch.setattr(connection, "WAIT", 0.2)
    stop = partial(cluster.scale, 0) if end == "workers" else cluster.close
    with pytest.raises(RunError, match=f"workers of the cluster {study.cluster}"):
        make_on_cluster(study, remote_painters.load_slow, Hook(3, stop))
    rest = PaintedGenerator()
    made = run(study.replace(cluster=""), rest, NullProgress()).directory
    assert rest.calls <= 30 and pixels(made) == pixels(alone())


def test_a_generator_of_this_process_is_none_of_a_cluster(study):
    with pytest.raises(ParameterError, match="leave generator out"):
        run(study, PaintedGenerator(), NullProgress())
