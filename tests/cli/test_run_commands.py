"""`verify`, `why`, `status`, `runs` and `notebooks`: what a run directory says about itself."""

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from painted import WORDS, PaintedGenerator, files, write_words
from PIL import Image

from flopslab.cli import main
from flopslab.experiments.changes import ReplaceFrame
from flopslab.experiments.interventions import intervene
from flopslab.progress import NullProgress
from flopslab.storage.lock import lock_file


class Stopping(PaintedGenerator):
    """Stops like a user after 16 frames."""

    def generate(self, requests, strength=1.0):
        if self.calls == 16:
            raise KeyboardInterrupt
        return super().generate(requests, strength)


@pytest.fixture
def call(capsys):
    """`call(*arguments)`: (exit code, what it printed; as JSON with `--json`)."""

    def call_it(*arguments):
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        text = "".join(capsys.readouterr())
        return end.value.code or 0, json.loads(text) if "--json" in arguments else text

    return call_it


@pytest.fixture
def directory(paint) -> Path:
    """A finished run of twelve positions in two passes."""
    return paint().directory


@pytest.fixture
def stopped(paint, study) -> Path:
    """The same, stopped after pass 1 and four frames of pass 2."""
    with pytest.raises(KeyboardInterrupt):
        paint(Stopping())
    return Path(study.output_dir)


# verify


def test_a_whole_run_is_verified_without_a_change(call, directory):
    before = files(directory)
    assert call("verify", directory) == (0, f"{directory}: 24 frames, all verified\n")
    assert call("verify", directory, "--json")[1] == {
        "directory": str(directory), "frames": 24, "faults": [],
    }  # fmt: skip
    assert files(directory) == before


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_frame(path: Path, **changes: object) -> None:
    """Edit the manifest's entry of the frame at position 1."""
    frames = json.loads(path.read_text())["frames"]
    edit(path, frames=[frames[0] | changes, *frames[1:]])


def swap(path: Path) -> None:
    other = path.with_name("frame_000007.png")
    data = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("pass1/frame_000005.png", flip, "not a whole picture"),
        ("pass1/frame_000005.png", swap, "the frame of pass 1 at position 7"),
        ("pass2/frame_000005.png", Path.unlink, "missing"),
        ("final/frame_000005.png", Path.unlink, "does not show its frame"),
        ("visual-manifest.json", Path.unlink, "No such file"),
        ("visual-manifest.json", lambda path: path.write_text("[" * 100_000), "recursion"),
        ("visual-manifest.json", lambda path: path.write_text("{}"), "no run has written"),
        ("visual-manifest.json", lambda path: edit(path, frames=[{}]), "edited"),
        ("visual-manifest.json", lambda path: edit(path, final_pass=3), "final_pass = 3"),
        ("visual-manifest.json", lambda path: edit(path, final_pass=10**9), "final_pass = 1"),
        ("visual-manifest.json", lambda path: edit(path, total_frames=99), "total_frames = 99"),
        ("visual-manifest.json", lambda path: edit(path, frames=[]), "total_frames = 12"),
        ("visual-manifest.json", lambda path: edit(path, sequence=None), "edited"),
        ("visual-manifest.json", lambda path: edit(path, parameters=None), "edited"),
        ("visual-manifest.json", lambda path: edit_frame(path, position="1"), "other positions"),
        ("visual-manifest.json", lambda path: edit_frame(path, audio_start_ms=7), "audio_start_ms"),
        ("visual-manifest.json", lambda path: edit_frame(path, references=[7]), "references"),
        (
            "visual-manifest.json",
            lambda path: edit_frame(path, pixel_digests=["0" * 64] * 2),
            "not the picture that the manifest names",
        ),
        ("visual-manifest.json", lambda path: (path.unlink(), os.mkfifo(path)), "No regular file"),
        (
            "visual-manifest.json",
            lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
            "No regular file",
        ),
        ("visual-manifest.json", lambda path: edit(path, settings={}), "not the settings"),
        (
            "visual-manifest.json",
            lambda path: edit(path, sequence=[{"word": "comet", "font_size": 1}] * 12),
            "not of the words",
        ),
    ],
)
def test_what_is_not_as_it_claims_is_listed(call, directory, name, damage, words):
    damage(directory / name)
    code, text = call("verify", directory)
    assert code == 1 and words in text
    assert name.split("/")[-1] in text or name == "visual-manifest.json"
    code, result = call("verify", directory, "--json")
    assert code == 1 and words in result["faults"][0]["problem"]
    if name == "visual-manifest.json":
        assert call("status", directory, "--json")[1]["state"] in ("damaged", "interrupted")
    assert len(call("runs", directory.parent, "--json")[1]["runs"]) == 1


def test_lost_latents_are_a_fault(call, paint):
    directory = paint(method="latent").directory
    (directory / "pass1" / "frame_000002.safetensors").unlink()
    code, text = call("verify", directory)
    assert code == 1 and "no latents" in text


def test_a_run_that_is_not_finished_is_not_verified(call, stopped):
    code, text = call("verify", stopped)
    assert code == 1 and "was interrupted" in text and "16 frames" in text


def test_a_frame_beyond_the_manifest_is_verified_too(call, paint, directory):
    paint(limit=3)
    flip(directory / "pass1" / "frame_000012.png")
    code, text = call("verify", directory)
    assert code == 1 and "frame_000012" in text


def test_every_frame_is_verified_beside_a_manifest_that_was_edited(call, directory):
    manifest = directory / "visual-manifest.json"
    manifest.write_text(manifest.read_text().replace('"total_frames": 12', '"total_frames": 9'))
    flip(directory / "pass1" / "frame_000005.png")
    code, text = call("verify", directory)
    assert code == 1 and "total_frames = 9" in text and "frame_000005" in text


# why


def test_a_frame_of_a_finished_run_would_be_kept(call, directory):
    before = files(directory)
    assert call("why", directory, 2, 5) == (0, "pass 2, position 5: it would be kept\n")
    assert call("why", directory, 2, 5, "--json")[1]["fate"] == "kept"
    assert files(directory) == before


def test_the_field_that_differs_is_named_with_both_values(call, directory):
    code, text = call("why", directory, 1, 5, "-p", "steps", "8")
    assert code == 0 and "settings.steps: 4, needed 8" in text
    _, result = call("why", directory, 2, 5, "-p", "denoising_strength", "0.75", "--json")
    (difference,) = result["differences"]
    assert difference == {
        "field": "refinement.denoising_strength", "recorded": 0.5, "needed": 0.75,
    }  # fmt: skip


def test_the_input_frame_that_would_change_is_named(call, directory, tmp_path):
    words = ["comet" if word == "river" else word for word in WORDS]  # at position 6
    other = write_words(tmp_path / "other.json", words)
    _, text = call("why", directory, 2, 9, "-p", "sequence", other)
    assert "stale" in text and "input at -2" in text
    assert "pass 1, position 7: it would be made again: outdated" in text and "comet" in text
    assert call("why", directory, 2, 10, "-p", "sequence", other)[1].endswith("kept\n")


def test_a_frame_is_stale_where_the_one_whose_colours_it_takes_on_would_change(
    call, paint, tmp_path
):
    directory = paint(passes=3, colour_anchor=0.5, control="no_text").directory
    other = write_words(tmp_path / "other.json", [*WORDS[:8], "comet", *WORDS[9:]])
    _, result = call("why", directory, 3, 9, "-p", "sequence", other, "--json")
    assert result["fate"] == "stale"
    assert "anchor.digest" in [entry["field"] for entry in result["differences"]]
    sources = [(source["pass"], source["position"]) for source in result["sources"]]
    assert (1, 9) in sources and (2, 9) in sources


def test_a_frame_stays_where_the_one_whose_colours_it_takes_on_is_only_missing(call, paint):
    directory = paint(passes=3, colour_anchor=0.5).directory
    (directory / "pass1" / "frame_000005.png").unlink()
    assert "kept" in call("why", directory, 3, 5)[1], "it comes out the same"


def test_the_damage_is_named(call, directory):
    flip(directory / "pass1" / "frame_000005.png")
    assert "damaged (not a whole picture" in call("why", directory, 1, 5)[1]
    assert "kept" in call("why", directory, 2, 5)[1], "it comes out the same"
    (directory / "pass1" / "frame_000005.png").unlink()
    assert "missing" in call("why", directory, 1, 5)[1]


def test_a_parameter_is_read_as_in_a_file(call, directory):
    _, text = call("why", directory, 1, 1, "-p", "prompt_prefix", "no")
    assert "outdated" in text and "no" in text


def test_a_file_of_parameters_is_read(call, directory, tmp_path):
    (tmp_path / "p.yaml").write_text("seed: 3\nlimit: 8\n")
    _, result = call("why", directory, 1, 5, "-f", tmp_path / "p.yaml", "--json")
    assert [entry["field"] for entry in result["differences"]] == ["seed"]
    assert result["parameters"] == {"seed": 3, "limit": 8}


def test_the_rest_of_a_stopped_run_is_missing(call, stopped):
    assert "missing" in call("why", stopped, 2, 12)[1]
    assert "kept" in call("why", stopped, 2, 2)[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((2, 13), "positions 1 to 12"),
        ((4, 1), "passes 1 to 2"),
        ((1, 1, "-p", "stepz", 3), "steps"),
    ],
)
def test_what_the_study_does_not_have_is_an_error(call, directory, arguments, words):
    code, text = call("why", directory, *arguments)
    assert code == 1 and words in text


def test_a_manifest_without_settings_is_edited(call, directory):
    edit(directory / "visual-manifest.json", settings=None)
    code, text = call("why", directory, 1, 1)
    assert code == 1 and "edited" in text and "without a sequence or settings" in text


def test_an_intervention_is_explained_with_its_picture_from_outside(call, paint, tmp_path):
    Image.effect_noise((12, 8), 90).convert("RGB").save(tmp_path / "mine.png")
    change = ReplaceFrame(5, tmp_path / "mine.png")
    changed = intervene(paint().study, change, PaintedGenerator(), NullProgress()).directory
    assert call("why", changed, 1, 5)[1].endswith("kept\n")
    assert call("why", changed, 2, 5)[1].endswith("kept\n")


# status


def test_a_finished_run_is_complete(call, directory):
    code, result = call("status", directory, "--json")
    assert (code, result["state"], result["frames"]) == (0, "complete", 24)
    assert call("status", directory)[1].splitlines() == [
        f"{directory}: complete", "  pass 1: 12 of 12 frames", "  pass 2: 12 of 12 frames",
    ]  # fmt: skip


def test_a_stopped_run_is_interrupted_and_says_how_long_the_rest_takes(call, stopped):
    _, result = call("status", stopped, "--json")
    assert result["state"] == "interrupted"
    assert [(entry["frames"], entry["total"]) for entry in result["passes"]] == [(10, 12), (6, 12)]
    assert result["seconds_left"] >= 0


@pytest.mark.parametrize("record", ["{pid}", "\n{pid} {host}\n"])
def test_a_run_whose_writer_lives_is_running(call, stopped, record):
    text = record.format(pid=os.getpid(), host=socket.gethostname())
    (stopped / ".lock").write_text(text)
    linked = stopped.with_name("linked")
    linked.symlink_to(stopped)
    with open(stopped / ".lock", "rb") as file:
        assert lock_file(file)
        _, result = call("status", linked, "--json")
    assert result["state"] == "running" and f"pid {os.getpid()}" in result["holder"]


def test_a_process_that_has_the_pid_of_a_killed_writer_is_not_taken_for_it(call, stopped):
    (stopped / ".lock").write_text(f"\n{os.getpid()} {socket.gethostname()}\n")
    assert call("status", stopped, "--json")[1]["state"] == "interrupted"
    (stopped / ".lock").write_text("9" * 5000)
    assert call("status", stopped, "--json")[1]["state"] == "interrupted"


def test_a_run_whose_writer_was_killed_is_interrupted(call, stopped):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    (stopped / ".lock").write_text(str(child.pid))
    assert call("status", stopped, "--json")[1]["state"] == "interrupted"


def test_a_run_that_claims_too_much_is_damaged(call, directory):
    (directory / "pass2" / "frame_000003.png").unlink()
    _, text = call("status", directory)
    assert "damaged" in text.splitlines()[0] and "pass2 at 3" in text


def test_no_run_is_an_error(call, tmp_path):
    for command in (("verify",), ("status",), ("runs",)):
        code, text = call(*command, tmp_path)
        assert code == 1 and "to do" in text
    assert call("why", tmp_path, 1, 1)[0] == 1


# runs


def test_a_frame_that_leads_nowhere_has_no_date(call, directory):
    path = directory / "pass1" / "frame_000003.png"
    path.unlink()
    path.symlink_to("nowhere")
    assert "damaged" in call("runs", directory.parent)[1]


def test_a_manifest_that_was_edited_ends_no_table(call, directory):
    path = directory / "visual-manifest.json"
    for edit in ({"parameters": [1]}, {"parameters": {"steps": "many"}}):
        path.write_text(json.dumps(json.loads(path.read_text()) | edit))
        code, text = call("runs", directory.parent)
        assert code == 0 and "damaged" in text


def test_a_table_shows_only_the_parameters_that_differ(call, paint, tmp_path):
    for seed in (1, 2):
        paint(seed=seed, output_dir=str(tmp_path / "all" / f"run {seed}"))
    with pytest.raises(KeyboardInterrupt):
        paint(Stopping(), output_dir=str(tmp_path / "all" / "deep" / "stopped"))
    code, text = call("runs", tmp_path / "all")
    head, *rows = text.splitlines()
    assert code == 0 and head.split() == ["run", "state", "frames", "passes", "date", "seed"]
    assert [row.split()[-1] for row in rows] == ["0", "1", "2"]
    assert "deep/stopped" in rows[0] and "interrupted" in rows[0]
    _, result = call("runs", tmp_path / "all", "--json")
    assert result["distinct"] == ["seed"]
    assert [row["frames"] for row in result["runs"]] == [16, 24, 24]


def test_every_command_expands_a_tilde(call, directory, monkeypatch):
    monkeypatch.setenv("HOME", str(directory.parents[1]))
    run = f"~/{directory.parent.name}/{directory.name}"
    for command in (["verify", run], ["status", run], ["why", run, 2, 5]):
        assert call(*command)[0] == 0
    code, text = call("runs", f"~/{directory.parent.name}")
    assert code == 0 and text.splitlines()[1].split()[:2] == ["run", "complete"]
    assert call("notebooks", f"~/{directory.parent.name}/mine")[0] == 0
    assert (directory.parent / "mine" / "run.ipynb").is_file()


# notebooks


def test_the_notebooks_are_copied_and_nothing_is_overwritten_unsaid(call, tmp_path):
    code, result = call("notebooks", tmp_path / "mine", "--json")
    assert code == 0 and "run.ipynb" in result["copied"] and result["present"] == []
    (tmp_path / "mine" / "run.ipynb").write_text("my own")
    code, text = call("notebooks", tmp_path / "mine")
    assert "run.ipynb: there already, not changed" in text
    assert (tmp_path / "mine" / "run.ipynb").read_text() == "my own"
    assert "replaced" in call("notebooks", tmp_path / "mine", "--overwrite")[1]
    assert (tmp_path / "mine" / "run.ipynb").read_text() != "my own"


def test_no_half_notebook_stays_on_a_full_disk(call, tmp_path, monkeypatch):
    def full(path: Path, data: bytes) -> None:
        path.write_bytes(data[:9])
        if "run.ipynb" in path.name:
            raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr("flopslab.storage.filesystem.create", full)
    code, text = call("notebooks", tmp_path / "mine")
    assert code == 1 and "no room" in text
    assert not [*(tmp_path / "mine").iterdir()]


@pytest.mark.torch
@pytest.mark.slow
def test_the_wheel_carries_notebooks_words_and_the_model(tmp_path):
    root = Path(__file__).parents[2]
    (name,) = WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    shutil.unpack_archive(name, tmp_path / "installed", "zip")
    inside = {path.name for path in (tmp_path / "installed/flopslab/notebooks").iterdir()}
    assert {path.name for path in (root / "notebooks").glob("*.ipynb")} <= inside
    program = "\n".join([
        "from flopslab import Study", "from flopslab.backends import load_generator",
        "from flopslab.cli import main",
        "Study(sequence='tide').read_words(), load_generator(Study(steps=2))",
        "main(['notebooks', 'here'])",
    ])  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "here" / "run.ipynb").is_file()


def test_no_command_loads_a_model(directory):
    program = "\n".join([
        "import sys", "from flopslab.cli import main",
        f"for command in ['verify', 'status', 'runs']: "
        f"\n    try: main([command, {str(directory)!r}])\n    except SystemExit: pass",
        f"try: main(['why', {str(directory)!r}, '2', '5'])\nexcept SystemExit: pass",
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)",
    ])  # fmt: skip
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
