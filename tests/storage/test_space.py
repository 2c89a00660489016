"""Room on the disk and in memory."""

import shutil
from pathlib import Path

import psutil
import pytest

from flopslab.errors import RunError
from flopslab.storage import space


def test_the_memory_of_a_container_is_what_its_limit_leaves(tmp_path, monkeypatch):
    monkeypatch.setattr(space, "_CGROUP", tmp_path)
    (tmp_path / "memory.current").write_text("3000\n")
    (tmp_path / "memory.max").write_text("5000\n")
    assert space.available_memory() == 2000
    (tmp_path / "memory.max").write_text("max\n")
    assert space.available_memory() == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_a_file_system_that_does_not_say_how_much_is_free_has_room(monkeypatch):
    paths = []

    def refuse(path):
        paths.append(path)
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    space.require_space(Path("run"), 10**18, "everything")
    assert paths, "it was asked, and its refusal is no lack of room"


def test_too_little_room_is_told_with_both_numbers():
    with pytest.raises(RunError, match=r"about 1000\.0 TB on the disk of \S+, for everything"):
        space.require_space(Path("/"), 10**15, "everything")


def test_the_estimate_is_that_of_a_measured_frame():
    assert space.frame_bytes((512, 512), latents=False) == pytest.approx(398_000, rel=0.05)
    latents = space.frame_bytes((512, 512), latents=True) - space.frame_bytes((512, 512), False)
    assert latents == 4 * 4 * 64 * 64
