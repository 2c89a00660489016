import os

import pytest
from painted import PaintedGenerator
from PIL import Image

from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.runs import frame_files
from flopslab.runs.reader import finished_run, frozen_batch_size, open_run, read_frame
from flopslab.storage import filesystem


class Stopping(PaintedGenerator):
    """Stops like a user after four frames."""

    def generate(self, requests, strength=1.0):
        if self.calls == 4:
            raise KeyboardInterrupt
        return super().generate(requests, strength)


def test_open_run_finds_what_is_there(paint):
    directory = paint(frame_interval=4).directory
    found = open_run(directory)
    assert found.passes == (1, 2)
    assert found.positions == (1, 5, 9)
    image, recipe = found.frame(FrameKey(2, 5))
    assert (image.mode, image.size) == ("RGB", (12, 8))
    assert (recipe.pass_number, recipe.position, recipe.words) == (
        2,
        5,
        ["ocean", "stone", "river"],
    )
    assert found.manifest["total_frames"] == 3


def test_a_picture_that_is_moved_while_its_recipe_is_read_has_none(paint, monkeypatch):
    path, read_ends = paint().directory / "pass1" / "frame_000005.png", filesystem.read_ends

    def read_and_move(*arguments):
        ends = read_ends(*arguments)
        path.rename(path.with_suffix(".away"))
        return ends

    monkeypatch.setattr(frame_files, "HEAD", 64)  # a long recipe: all of the file is needed
    monkeypatch.setattr(filesystem, "read_ends", read_and_move)
    with pytest.raises(ValueError, match="no picture"):
        frame_files.read_recipe(path)


def test_open_run_reads_a_run_that_is_not_finished(paint, study):
    with pytest.raises(KeyboardInterrupt):
        paint(Stopping())
    found = open_run(study.output_dir)
    assert found.positions == (1, 2, 3, 4)
    with pytest.raises(RunError, match="being made, or was interrupted"):
        _ = found.manifest


def test_what_is_no_run_or_no_picture_is_an_error(tmp_path):
    with pytest.raises(RunError, match="no frames"):
        open_run(tmp_path / "nowhere")
    Image.new("RGB", (2, 2)).save(tmp_path / "foreign.png")
    with pytest.raises(RunError, match="foreign"):
        read_frame(tmp_path / "foreign.png")


def test_a_pipe_is_no_picture_and_nobody_waits_for_it(paint):
    run = open_run(paint(limit=2).directory)
    run.path(run.frames[0]).unlink()
    os.mkfifo(run.path(run.frames[0]))
    for read in (run.frame, run.recipe):
        with pytest.raises(RunError, match="No regular file"):
            read(run.frames[0])


def test_open_run_passes_over_files_that_are_no_frames(paint):
    directory = paint(limit=2).directory
    for name in ("pass1/frame_old.png", "pass1x/frame_000009.png", "pass2/frame_3 (copy).png"):
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).touch()
    found = open_run(directory)
    assert (found.passes, found.positions) == ((1, 2), (1, 2))


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"flopslab": 2}', "not JSON"])
def test_a_manifest_that_is_none_of_this_version_is_a_run_error(paint, content):
    run = paint()
    run.manifest.write_text(content)
    with pytest.raises(RunError, match="the manifest of"):
        finished_run(run.directory)


def test_only_the_names_that_a_run_gives_are_frames(tmp_path):
    (tmp_path / "pass1").mkdir()
    for name in ("frame_9.png", "frame_000002.png", "frame_000003.png.tmp", "frame_x.png"):
        (tmp_path / "pass1" / name).touch()
    assert open_run(tmp_path).frames == ((1, 2),)


def test_the_batch_size_of_a_reused_run_is_kept(paint, study, tmp_path):
    first = paint(PaintedGenerator(batch_size=4), passes=1).directory
    alone = study.replace(output_dir=str(tmp_path / "other"))
    other = alone.replace(reuse_from=str(first))
    assert frozen_batch_size(other) == 4
    assert frozen_batch_size(other.replace(batch_size=3)) == 3
    assert frozen_batch_size(alone) == 0
