"""Runs whose frames a server makes: their keys, their faults, and how they go on."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from fake_server import WEIGHTS, serving
from httpx2 import Timeout
from jsonschema import validate
from painted import pixels

from flopslab.backends.webui import client, waiting
from flopslab.backends.webui.address import Address
from flopslab.backends.webui.generator import WebuiGenerator
from flopslab.calibration import records
from flopslab.core.generator import FrameRequest, watching_steps
from flopslab.core.prompts import Prompt
from flopslab.core.study import UNCALIBRATED, Study
from flopslab.errors import FlopslabError, FlopslabWarning, ModelError, ParameterError, RunError
from flopslab.prediction.reading import find_calibration
from flopslab.runs.manifest import schema
from flopslab.runs.reader import common_parameters, open_run, read_frame


def keys(directory) -> dict[str, str]:
    frames = sorted(directory.glob("pass*/frame_*.png"))
    return {str(path.relative_to(directory)): read_frame(path)[1].key for path in frames}


def test_a_server_makes_a_whole_run(ask, server):
    run = ask()
    manifest = open_run(run.directory).manifest
    validate(manifest, schema())
    assert [done.made for done in run.passes] == [4, 4]
    assert {frame["tokens"] for frame in manifest["frames"]} == {None}
    assert manifest["settings"]["model_digest"] == WEIGHTS["sea"]
    assert [body["seed"] for body in server.requests[4:]] == [
        frame["seeds"][1] % 2**31 for frame in manifest["frames"]
    ]
    assert all("init_images" in body for body in server.requests[4:])


def test_a_server_that_is_not_calibrated_is_not_asked_to_be(ask, server, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "directory", lambda: tmp_path / "calibration")
    run = ask(denoising_strength=None, image_weight=0.25)
    assert len([body for body in server.requests if "prompt" in body]) == 4 + 4
    assert common_parameters(run.directory)["denoising_strength"] == UNCALIBRATED
    with pytest.raises(ParameterError, match="no calibration of the model"):
        find_calibration(run.study)


def test_the_same_study_has_the_same_keys_and_pixels(ask, tmp_path):
    one, two = ask(), ask(output_dir=str(tmp_path / "two"))
    assert keys(one.directory) == keys(two.directory)
    assert pixels(one.directory) == pixels(two.directory)


@pytest.mark.parametrize("option", ["CLIP_stop_at_last_layers", "eta_noise_seed_delta"])
def test_another_option_is_another_run_and_the_error_names_it(ask, server, option):
    ask(passes=1)
    server.options[option] = 2
    with pytest.raises(RunError, match=rf"options.{option} = 2"):
        ask()


def test_another_vae_or_checkpoint_is_another_run(ask, server):
    ask(passes=1)
    with pytest.raises(RunError, match=f"model_digest = {WEIGHTS['sky'][:12]}"):
        ask("#sky")
    server.vae = "other.pt"
    with pytest.raises(RunError, match=r"sd_vae_name = 'other.pt'"):
        ask()


def test_an_option_that_changes_in_the_middle_changes_nothing(ask, server, tmp_path):
    undisturbed = pixels(ask(output_dir=str(tmp_path / "undisturbed")).directory)
    server.before_frame = lambda count: server.options.update(CLIP_stop_at_last_layers=count)
    assert pixels(ask().directory) == undisturbed


def test_the_steps_of_refinement_and_the_words_do_not_depend_on_options(ask, server):
    ask()
    assert {body["override_settings"]["img2img_fix_steps"] for body in server.requests} == {False}
    assert not any(body["override_settings"]["enable_prompt_comments"] for body in server.requests)


REFUSED = {
    "another seed": ({"seed": 5}, "seed 5"),
    "another model": ({"sd_model_hash": "0123456789"}, "sd_model_hash 0123456789"),
    "another VAE": ({"sd_vae_hash": "0123456789"}, "sd_vae_hash 0123456789"),
    "another size": ({"size": (8, 8)}, "RGB, 8 x 8"),
    "a JPEG": ({"kind": "JPEG"}, "samples_format"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_an_answer_that_is_not_the_frame_is_refused_and_the_run_goes_on(
    ask, server, tmp_path, fault
):
    undisturbed = pixels(ask(output_dir=str(tmp_path / "undisturbed")).directory)
    changes, text = REFUSED[fault]
    server.faults = [None, None, lambda fake, body: fake.paint(body, **changes)]
    with pytest.raises(ModelError, match=text):
        ask()
    run = ask()
    assert [done.kept for done in run.passes] == [2, 0]
    assert pixels(run.directory) == undisturbed


def out_of_memory(fake, body):
    return 500, {"error": "OutOfMemoryError", "errors": "CUDA out of memory"}


def nan(fake, body):
    return 500, {"error": "NansException", "errors": "A tensor with all NaNs was produced"}


def unknown_field(fake, body):
    return 422, {"detail": [{"loc": ["body", "seed"], "msg": "not an integer"}]}


PASSING = {"reset": "reset", "502": (502, {}), "503": (503, {}), "504": (504, {})}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_waited_for_longer_and_longer(ask, server, pauses, fault):
    server.faults = [lambda fake, body: PASSING[fault]] * 3
    assert [done.made for done in ask().passes] == [4, 4]
    assert pauses == [1, 2, 4]


def test_a_fault_that_stays_ends_the_run_after_31_seconds(ask, server, pauses):
    server.faults = [lambda fake, body: "reset"] * 6
    with pytest.raises(ModelError, match="goes on where it stopped"):
        ask()
    assert pauses == [1, 2, 4, 8, 16]


def test_out_of_memory_is_tried_once_more_with_the_model_loaded_again(ask, server, tmp_path):
    server.faults = [out_of_memory]
    assert [done.made for done in ask().passes] == [4, 4]
    assert "POST /sdapi/v1/unload-checkpoint" in server.log
    server.faults = [out_of_memory] * 2
    with pytest.raises(ModelError, match="smaller width and height"):
        ask(output_dir=str(tmp_path / "two"))


def test_a_server_that_is_not_there_is_waited_for_in_a_run_but_not_at_its_start(pauses):
    with serving() as server:
        pass
    with pytest.raises(ModelError, match="start it with --api and check the address") as error:
        WebuiGenerator.load(Study(model=server.url))
    assert server.url in str(error.value)
    lost = client.Client(Address.parse(server.url), pause=lambda _, s: pauses.append(s))
    with pytest.raises(ModelError, match="ConnectError"):
        lost.generate("/sdapi/v1/txt2img", {}, 100, threading.Event())
    assert pauses == [1, 2, 4, 8, 16]


def test_a_web_ui_without_its_api_is_told_how_to_start(ask, server, monkeypatch):
    monkeypatch.setattr(server, "get", lambda path: None)
    with pytest.raises(ModelError, match="start the server with --api"):
        ask()


def test_an_answer_that_does_not_come_ends_the_run_which_goes_on(ask, server, monkeypatch, pauses):
    """The first request may take ten minutes: a server loads its model then."""
    assert (client.TIMEOUT.read, client.TIMEOUT.connect) == (600, 5)
    send, release = client.Client._send, threading.Event()

    def lose_patience(count):
        if count == 2:
            monkeypatch.setattr(send, "__defaults__", (Timeout(1, connect=5),))

    server.before_frame = lose_patience
    server.faults = [None, None, lambda fake, body: release.wait(30) and "reset"]
    with pytest.raises(ModelError, match="none in ten minutes"):
        ask()
    release.set()
    assert pauses == [], "the server may still be at work on it"
    monkeypatch.undo()
    assert [done.kept for done in ask().passes] == [2, 0]


def test_a_word_that_calls_a_textual_inversion_of_the_server_is_a_warning(ask, server):
    server.inversions = ["Fire", "bad-hands", "sil"]
    with pytest.warns(FlopslabWarning, match="textual inversion") as warnings:
        ask(negative_prompt="Bad-Hands")
    names = [str(warning.message).split(": ")[0].rsplit(" ", 1)[1] for warning in warnings]
    assert names == ["Fire", "bad-hands"], "each once, however many frames say it"


LASTING = {
    "NaN": (nan, "--no-half-vae"),
    "an unknown field": (unknown_field, "not an integer"),
    "a redirect": (lambda fake, body: (302, b"", {"Location": "http://192.0.2.1"}), "redirects"),
    "no JSON": (lambda fake, body: (200, b"<html>"), "JSON"),
    "too long an answer": (lambda fake, body: (200, b" " * 2**25), "at most"),
    "no picture": (lambda fake, body: (200, {"images": [], "info": ""}), "no picture"),
}


@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_stays_is_explained_at_once(ask, server, pauses, fault):
    answer, text = LASTING[fault]
    server.faults = [answer]
    with pytest.raises(ModelError, match=text):
        ask()
    assert pauses == []


def test_a_frame_that_somebody_interrupted_at_the_server_is_not_kept(ask, server):
    def interrupt(count):
        server.interrupted = count == 3

    server.before_frame = interrupt
    with pytest.raises(ModelError, match="interrupted"):
        ask()
    server.before_frame, server.interrupted = lambda count: None, False
    assert [done.kept for done in ask().passes] == [2, 0]


@pytest.fixture
def interruptible():
    """Ctrl-C raises, also where the tests run in the background of a shell that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_the_frame_at_the_server_but_not_the_work_of_others(ask, server):
    def leave(count):
        server.task = server.requests[-1]["force_task_id"]
        os.kill(os.getpid(), signal.SIGINT)
        assert server.stopped.wait(30)  # the frame is in hand until then

    server.before_frame = leave
    with pytest.raises(KeyboardInterrupt):
        ask()
    assert server.log[-1] == "POST /sdapi/v1/interrupt"
    generator_log = len(server.log)
    server.task = "of somebody else"
    study = Study(model=server.url, width=16, height=8)
    WebuiGenerator.load(study).interrupt()
    assert "POST /sdapi/v1/interrupt" not in server.log[generator_log:]


@pytest.mark.parametrize(
    ("step", "task", "expected"),
    [
        ({"sampling_step": 3, "sampling_steps": 20}, None, (3, 20)),
        ({"sampling_step": 3, "sampling_steps": 20}, "of somebody else", None),
        ({"sampling_step": 0, "sampling_steps": 20}, None, None),
        ({"sampling_step": "3", "sampling_steps": None}, None, None),
        ({}, None, None),
    ],
    ids=str,
)
def test_the_step_that_the_server_is_at_is_told(server, monkeypatch, step, task, expected):
    monkeypatch.setattr(waiting, "INTERVAL", 0.001)
    generator = WebuiGenerator.load(Study(model=server.url, width=16, height=8))
    server.step, server.task, steps, before = step, task, [], len(server.log)

    def wait_for_two_looks(count):
        while sum("/progress" in line for line in server.log[before:]) < 2:
            time.sleep(0.001)

    server.before_frame = wait_for_two_looks
    with watching_steps(generator, lambda *numbers: steps.append(numbers)):
        generator.generate([FrameRequest(Prompt((("sea", 1.0),)), 0)])
    assert set(steps) == ({expected} if expected else set())


@pytest.mark.parametrize("answer", ["reset", [1], (500, {"error": "busy"}), {"state": 5}], ids=str)
def test_a_progress_that_fails_does_not_fail_the_frame(server, monkeypatch, answer):
    monkeypatch.setattr(waiting, "INTERVAL", 0.001)
    generator, looks = WebuiGenerator.load(Study(model=server.url)), threading.Event()
    monkeypatch.setattr(generator, "_require_whole", lambda stop: None)  # asks for progress too
    monkeypatch.setattr(server, "get", lambda path: looks.set() or answer)
    server.before_frame = lambda count: looks.wait(30)
    with watching_steps(generator, lambda *numbers: pytest.fail("a step")):
        generator.generate([FrameRequest(Prompt((("sea", 1.0),)), 0)])
    assert looks.is_set()


@pytest.mark.parametrize("answer", [[1], {"state": 5}], ids=str)
def test_a_progress_of_another_shape_says_nothing(server, monkeypatch, answer):
    generator = WebuiGenerator.load(Study(model=server.url, width=16, height=8))
    monkeypatch.setattr(server, "get", lambda path: answer)
    assert generator.generate([FrameRequest(Prompt((("sea", 1.0),)), 0)])
    generator.interrupt()


@pytest.mark.parametrize("answer", ["ok", [1], {"loaded": 1}], ids=str)
def test_another_program_at_the_address_is_refused(server, monkeypatch, answer):
    monkeypatch.setattr(server, "get", lambda path: answer)
    with pytest.raises(ModelError, match="check what runs at this address"):
        WebuiGenerator.load(Study(model=server.url))


SCRIPT = """
import json, sys
from flopslab.calibration import records
from flopslab.core.generator import FrameRequest
from flopslab.core.prompts import Prompt
from flopslab.core.study import UNCALIBRATED, Study
from flopslab.passes import run
from flopslab.progress import NullProgress
run(Study.of(**json.loads(sys.argv[1])), progress=NullProgress())
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_frames_and_never_imports_torch(ask, server, tmp_path):
    run = ask(output_dir=str(tmp_path / "undisturbed"))
    undisturbed, study = pixels(run.directory), run.study.replace(output_dir=str(tmp_path / "k"))
    command = [sys.executable, "-c", SCRIPT, json.dumps(study.model_dump())]
    server.requests.clear()
    with subprocess.Popen(command) as process:
        server.before_frame = lambda count: count == 6 and process.kill()
        assert process.wait() == -signal.SIGKILL
    server.before_frame = lambda count: None
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert pixels(tmp_path / "k") == undisturbed
    assert len(server.requests) in (9, 10)  # 8 frames, and those in hand once more
    assert not {"torch", "diffusers", "transformers"} & set(json.loads(output))


def test_a_method_that_a_server_cannot_do_is_refused_before_the_first_frame(ask, server):
    with pytest.raises(ParameterError, match="use method grid or blend"):
        ask(method="latent")
    with pytest.raises(ParameterError, match="prompt_style simple or weighted"):
        ask(prompt_style="themed")
    server.adapters = []
    with pytest.raises(ParameterError, match="use method grid or blend"):
        ask(method="ip_adapter")
    with pytest.raises(ParameterError, match="guidance_stop"):
        ask(guidance_stop=0.5)
    assert server.requests == []


def test_neighbours_are_shown_to_the_extension_and_the_loss_is_said_once(ask, server):
    with pytest.warns(FlopslabWarning, match="distance_weights changes nothing") as warnings:
        ask(method="ip_adapter", image_weight=0.25)
    assert len(warnings) == 1
    (unit,) = server.requests[-1]["alwayson_scripts"]["ControlNet"]["args"]
    assert (unit["weight"], len(unit["image"]), unit["model"]) == (0.25, 3, server.adapters[0])


def test_a_plain_server_is_unproven_until_the_digest_is_given(tmp_path):
    with serving("plain") as server:
        parameters = {"width": 16, "height": 8, "model": server.url}
        with pytest.warns(FlopslabWarning, match="does not prove its model"):
            generator = WebuiGenerator.load(Study.of(**parameters))
        assert generator.settings["model_digest"] is None
        model = f"{server.url}#sha256={'A' * 64}"
        generator = WebuiGenerator.load(Study.of(**parameters | {"model": model}))
        assert generator.settings["model_digest"] == "a" * 64
        assert generator.settings["versions"] == {"server": "stable-diffusion.cpp"}
        largest = FrameRequest(Prompt((("(AND] BREAK", 1.4),)), 2**63 - 1)
        (image,) = generator.generate([largest])  # its seed is one that the server keeps
        assert image.size == (16, 8)


def test_a_server_without_hashes_of_its_files_is_unproven_too(server):
    server.hashes = False
    with pytest.warns(FlopslabWarning, match="does not prove its model"):
        settings = WebuiGenerator.load(Study(model=server.url)).settings
    assert (settings["model_digest"], settings["sd_model_hash"]) == (None, WEIGHTS["sea"][:10])


def test_an_unknown_checkpoint_is_refused_and_one_that_the_server_ignores_too(ask, server):
    with pytest.raises(ModelError, match=r"sea\.safetensors"):
        ask("#lost")
    original = server.paint
    server.paint = lambda body, **changes: original(
        body, sd_model_name="sea", sd_model_hash=WEIGHTS["sea"][:10], **changes
    )
    with pytest.raises(ModelError, match="load that checkpoint"):
        ask("#sky")


@pytest.mark.parametrize("name", ["DPM++ 2M Karras", "dpm++ 2m karras", "k_dpmpp_2m_karras"])
def test_a_scheduler_is_a_sampler_of_the_server_with_its_schedule(server, name):
    study = Study(model=server.url, scheduler=name)
    settings = WebuiGenerator.load(study).settings
    assert (settings["scheduler"], settings["schedule"]) == ("DPM++ 2M", "Karras")
    with pytest.raises(FlopslabError, match=r"use: Euler, DPM\+\+ 2M"):
        WebuiGenerator.load(study.replace(scheduler="unknown"))
