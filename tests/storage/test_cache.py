from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from painted import PaintedGenerator, pixels
from PIL import Image

from flopslab.errors import RunError
from flopslab.runs import reader
from flopslab.storage import cache
from flopslab.storage.cache import MOST, OVERHEAD, SHARE, FrameCache


def test_no_frame_is_decoded_more_than_once_per_run(paint, undisturbed, monkeypatch):
    paint(passes=1)
    decoded = []
    decode = reader.decode_frame
    for module in ("store", "reader"):
        monkeypatch.setattr(
            f"flopslab.runs.{module}.decode_frame",
            lambda data: decoded.append(data) or decode(data),
        )
    run = paint()
    assert len(decoded) == len(set(decoded)) == 12
    assert pixels(run.directory) == undisturbed


def test_with_little_memory_frames_come_from_the_disk(paint, undisturbed, monkeypatch):
    room = 3 * (8 * 12 * 4 + OVERHEAD)
    monkeypatch.setattr("flopslab.runs.records.FrameCache", lambda: FrameCache(room))
    assert pixels(paint().directory) == undisturbed


def test_the_image_cache_keeps_what_was_used_last():
    entries = FrameCache(2 * (2 * 2 * 4 + OVERHEAD))
    images = {name: Image.new("RGB", (2, 2), (ord(name), 0, 0)) for name in "abc"}
    entries.put("a", images["a"])
    entries.put("b", images["b"])
    entries.put("b", images["b"])
    assert entries.get("a") is images["a"]
    entries.put("c", images["c"])
    assert [entries.get(name) for name in "abc"] == [images["a"], None, images["c"]]


def test_a_frame_that_another_changes_during_the_run_is_noticed(paint, study, monkeypatch):
    monkeypatch.setattr("flopslab.runs.records.FrameCache", lambda: FrameCache(0))

    class Meddler(PaintedGenerator):
        def generate(self, requests, strength=1.0):
            if strength < 1:
                first, second = (
                    Path(study.output_dir) / "pass1" / f"frame_00000{n}.png" for n in (3, 4)
                )
                first.write_bytes(second.read_bytes())
            return super().generate(requests, strength)

    with pytest.raises(RunError, match="another picture"):
        paint(Meddler())


def test_the_image_cache_makes_what_it_lacks_and_keeps_it():
    entries, image = FrameCache(), Image.new("RGB", (2, 2))
    assert entries.get_or_make("a", lambda: image) is image
    assert entries.get_or_make("a", lambda: Image.new("RGB", (1, 1))) is image


def test_the_image_cache_stays_within_its_bounds_whatever_threads_do():
    entries = FrameCache(10 * (16 + OVERHEAD))

    def use(number: int) -> bool:
        image = entries.get_or_make(
            number % 20, lambda: Image.new("RGB", (2, 2), (number % 20, 0, 0))
        )
        return image.getpixel((0, 0)) == (number % 20, 0, 0)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(2000)))
    assert sum(entries.get(number) is not None for number in range(20)) == 10


@pytest.mark.parametrize(("free", "capacity"), [(80 * 2**30, MOST), (2**30, SHARE * 2**30)])
def test_a_cache_takes_no_more_than_its_share_of_the_memory_that_is_available(
    monkeypatch, free, capacity
):
    monkeypatch.setattr(cache, "available_memory", lambda: free)
    assert FrameCache().capacity == capacity
