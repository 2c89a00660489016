import pytest
from painted import PaintedGenerator
from PIL import Image

from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.runs.reader import open_run, read_frame


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


def test_open_run_reads_a_run_that_is_not_finished(paint, study):
    with pytest.raises(KeyboardInterrupt):
        paint(Stopping())
    found = open_run(study.output_dir)
    assert found.positions == (1, 2, 3, 4)
    with pytest.raises(RunError, match="manifest"):
        _ = found.manifest


def test_what_is_no_run_or_no_picture_is_an_error(tmp_path):
    with pytest.raises(RunError, match="no frames"):
        open_run(tmp_path / "nowhere")
    Image.new("RGB", (2, 2)).save(tmp_path / "foreign.png")
    with pytest.raises(RunError, match="foreign"):
        read_frame(tmp_path / "foreign.png")


def test_open_run_passes_over_files_that_are_no_frames(paint):
    directory = paint(limit=2).directory
    for name in ("pass1/frame_old.png", "pass1x/frame_000009.png", "pass2/frame_3 (copy).png"):
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).touch()
    found = open_run(directory)
    assert (found.passes, found.positions) == ((1, 2), (1, 2))
