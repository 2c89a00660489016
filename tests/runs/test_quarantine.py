"""What is set aside says why, and where it is; so does the pass that it was of."""

from pathlib import Path

import pytest
from painted import write_words
from PIL import Image

from flopslab.passes import Pass
from flopslab.runs.quarantine import QuarantineEntry


@pytest.fixture
def directory(paint) -> Path:
    return paint().directory


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def paste(path: Path) -> None:
    Image.effect_noise((12, 8), 90).convert("RGB").save(path)


def swap(path: Path) -> None:
    path.write_bytes(path.with_name("frame_000009.png").read_bytes())


@pytest.mark.parametrize(
    ("spoil", "reason", "detail"),
    [
        (damage, "damaged", "not a whole picture"),
        (paste, "foreign", "no recipe of flopslab"),
        (Path.mkdir, "foreign", "no regular file"),
        (swap, "outdated", "seed"),
    ],
)
def test_a_frame_that_is_set_aside_says_why(paint, directory, spoil, reason, detail):
    path = directory / "pass1" / "frame_000005.png"
    if spoil is Path.mkdir:
        path.unlink()
    spoil(path)
    first, second = paint().passes
    (entry,) = first.quarantine
    assert (entry.origin, entry.reason) == (path, reason) and detail in entry.detail
    assert entry.paths == (directory / "quarantine" / "pass1.frame_000005.1.png",)
    assert str(first) == f"pass 1: 1 made, 11 kept, 1 set aside (1 {reason}) in quarantine/"
    assert second.quarantine == () and str(second) == "pass 2: 12 kept"


def test_a_larger_window_makes_outdated_frames_and_those_that_saw_them_stale(paint):
    paint(limit=8, passes=3)
    run = paint(passes=3)
    assert {entry.reason for entry in run.passes[1].quarantine} == {"outdated"}
    assert "input places" in run.passes[1].quarantine[0].detail
    reasons = {entry.origin.name[6:12]: entry.reason for entry in run.passes[2].quarantine}
    assert reasons == {
        "000005": "stale", "000006": "stale", "000007": "outdated", "000008": "outdated",
    }  # fmt: skip
    assert len(run.quarantined) == len(run.quarantine) == 6


def test_lost_latents_are_damage(paint):
    directory = paint(method="latent").directory
    (directory / "pass1" / "frame_000002.safetensors").unlink()
    (entry,) = paint(method="latent").quarantine
    assert entry.reason == "damaged" and "latents" in entry.detail


def test_a_changed_size_of_a_word_names_the_prompt(paint, tmp_path):
    """A frame of another run, copied in: the field that differs, with both values."""
    directory = paint(limit=3).directory
    words = write_words(tmp_path / "other.json", ["comet"] * 12)
    other = paint(limit=3, sequence=words, output_dir=str(tmp_path / "other")).directory
    name = "pass1/frame_000002.png"
    (directory / name).write_bytes((other / name).read_bytes())
    (entry,) = paint(limit=3).quarantine
    assert "prompt" in entry.detail and "comet" in entry.detail and "fire" in entry.detail
    assert str(entry).startswith(str(directory / name))


def test_a_pass_is_one_line():
    entries = [QuarantineEntry(Path("x"), (Path("y"),), r, "") for r in ("damaged",) * 2]
    entries.append(QuarantineEntry(Path("x"), (Path("y"),), "outdated", ""))
    line = "pass 2: 34 made, 62 kept, 3 set aside (2 damaged, 1 outdated) in quarantine/"
    assert str(Pass(2, 34, 62, 0, 1.0, tuple(entries))) == line
    assert str(Pass(1, 0, 3, 9, 1.0)) == "pass 1: 3 kept, 9 copied"
