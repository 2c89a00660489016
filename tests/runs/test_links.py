import errno
import os

import pytest
from painted import files

from flopslab.storage import filesystem


def test_final_links_relatively_to_the_last_pass(paint):
    run = paint()
    link = run.directory / "final" / "frame_000003.png"
    assert os.readlink(link) == "../pass2/frame_000003.png"
    assert link.read_bytes() == (run.directory / "pass2" / "frame_000003.png").read_bytes()


def _refuse(*_arguments):
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("missing", [["symlink"], ["symlink", "hard_link"]])
def test_final_holds_hard_links_or_copies_where_links_cannot_be_made(paint, monkeypatch, missing):
    for name in missing:
        monkeypatch.setattr(filesystem, name, _refuse)
    run = paint()
    final, source = (run.directory / name / "frame_000003.png" for name in ("final", "pass2"))
    assert not final.is_symlink()
    assert final.samefile(source) == (missing == ["symlink"])
    assert final.read_bytes() == source.read_bytes()
    before = files(run.directory)
    paint()
    assert files(run.directory) == before
    paint(limit=1)
    assert [path.name for path in (run.directory / "final").iterdir()] == ["frame_000001.png"]


def test_the_links_last_before_the_manifest_is_written(paint, quick_disk, monkeypatch):
    replace, synced = filesystem.replace, []

    def watch(files):
        if any(path.name == "visual-manifest.json" for path in files):
            synced.append(quick_disk[-1:])
        replace(files)

    monkeypatch.setattr(filesystem, "replace", watch)
    directory = paint().directory
    assert synced[-1] == [(directory / "final").stat().st_ino]


def test_foreign_files_in_final_are_never_lost(paint, tmp_path):
    final = tmp_path / "run" / "final"
    final.mkdir(parents=True)
    (final / "notes.txt").write_text("mine")
    (final / "frame_000002.png").write_text("mine")
    (final / "frame_000099.png").symlink_to("/somewhere/else.png")
    paint()
    assert (final / "notes.txt").read_text() == "mine"
    assert (final / "frame_000002.png").is_symlink()
    assert (tmp_path / "run/quarantine/final.frame_000002.1.png").read_text() == "mine"
    quarantine = tmp_path / "run/quarantine/final.frame_000099.1.png"
    assert os.readlink(quarantine) == "/somewhere/else.png"
