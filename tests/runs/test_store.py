import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from painted import WORDS, PaintedGenerator, StoppingGenerator, files, pixels, write_words
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngInfo

from flopslab.core.windows import FrameKey
from flopslab.digests import pixel_digest
from flopslab.errors import RunError
from flopslab.runs import store
from flopslab.runs.frame_files import CHUNK, encode_frame
from flopslab.runs.provenance import FORMAT
from flopslab.runs.reader import open_run, read_frame
from flopslab.runs.store import Store
from flopslab.words.sequence import read_timed_sequence

# A second run


def test_a_second_run_makes_nothing_and_changes_no_byte(paint):
    run = paint()
    before = files(run.directory)
    generator = PaintedGenerator()
    again = paint(generator)
    assert generator.calls == 0
    assert [(done.made, done.kept) for done in again.passes] == [(0, 12), (0, 12)]
    assert files(run.directory) == before
    assert (run.directory / ".lock").read_bytes() == b"", "nor does another process"


def test_a_moved_run_is_still_the_same_run(paint, tmp_path):
    run = paint()
    target = tmp_path / "100% elsewhere, ünïcode"
    shutil.move(run.directory, target)
    before = files(target)
    generator = PaintedGenerator()
    paint(generator, output_dir=str(target))
    assert generator.calls == 0
    assert files(target) == before


def test_a_run_behind_a_link_is_the_same_run(paint, tmp_path):
    directory = paint(proof="fast").directory
    before, link = files(directory), tmp_path / "link"
    link.symlink_to(directory)
    stamps = {path: path.stat().st_mtime_ns for path in directory.rglob("*") if path.is_file()}
    assert sum(done.made for done in paint(output_dir=str(link), proof="fast").passes) == 0
    assert files(directory) == before
    (directory / ".lock").touch()
    after = {path: path.stat().st_mtime_ns for path in stamps}
    assert {path.name for path in stamps if stamps[path] != after[path]} <= {".lock"}


def test_words_never_become_paths(paint, tmp_path):
    words = ["../../etc/passwd", "a/b", "\\", "CON", ".", "\u202e", "x\ny", "%s", "~"]
    run = paint(sequence=write_words(tmp_path / "odd.json", words))
    names = {path.name for path in run.directory.rglob("*")}
    frames = {f"frame_{position:06d}.png" for position in range(1, 10)}
    others = {"pass1", "pass2", "final", "visual-manifest.json", ".lock"}
    assert names == frames | others
    assert set(tmp_path.iterdir()) == {
        run.directory,
        tmp_path / "words.json",
        tmp_path / "odd.json",
    }


# Frames that cannot be kept


def damage_flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)


def damage_pixels_with_right_checksums(path: Path) -> None:
    image, recipe = read_frame(path)
    image.putpixel((0, 0), (1, 2, 3))
    path.write_bytes(encode_frame(image, recipe))


def damage_replace_by_foreign(path: Path) -> None:
    image, _ = read_frame(path)
    image.save(path)


def damage_swap(path: Path) -> None:
    other = path.with_name("frame_000007.png")
    data = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(data)


def damage_link_out_of_the_run(path: Path) -> None:
    outside = path.parents[2] / "outside.png"
    path.rename(outside)
    path.symlink_to(outside)


def damage_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "precious.txt").write_text("mine")


def damage_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-60]),
    "cut by the end mark": lambda path: path.write_bytes(path.read_bytes()[:-12]),
    "flipped": damage_flip,
    "edited": damage_pixels_with_right_checksums,
    "foreign": damage_replace_by_foreign,
    "swapped": damage_swap,
    "a link": damage_link_out_of_the_run,
    "a directory": damage_directory,
    "a pipe": damage_pipe,
}


@pytest.mark.parametrize("truncated_allowed", [False, True])
@pytest.mark.parametrize("place", ["pass1/frame_000005.png", "pass2/frame_000005.png"])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.slow
def test_a_frame_that_cannot_be_verified_is_quarantined_and_made_again(
    paint, undisturbed, damage, place, truncated_allowed, monkeypatch
):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", truncated_allowed)
    directory = paint().directory
    DAMAGES[damage](directory / place)
    left = (directory / place).lstat()
    generator = PaintedGenerator()
    run = paint(generator)
    count = 2 if damage == "swapped" else 1
    assert generator.calls == count, "those that stayed verified are kept"
    assert len(run.quarantined) == count
    quarantine = directory / "quarantine" / f"{place[:5]}.frame_000005.1.png"
    assert quarantine in run.quarantined
    assert quarantine.lstat().st_ino == left.st_ino, "moved, not copied and not deleted"
    assert pixels(directory) == undisturbed


def test_a_deleted_frame_is_made_again(paint, undisturbed):
    directory = paint().directory
    (directory / "pass1" / "frame_000003.png").unlink()
    generator = PaintedGenerator()
    paint(generator)
    assert generator.calls == 1
    assert pixels(directory) == undisturbed


def test_what_depended_on_a_frame_that_came_out_different_is_made_again(paint):
    """As on a GPU, which does not repeat bit by bit."""
    directory = paint().directory
    path = directory / "pass1" / "frame_000005.png"
    image, recipe = read_frame(path)
    image.putpixel((0, 0), tuple(255 - value for value in image.getpixel((0, 0))))
    changed = replace(recipe, digest=pixel_digest(image))
    path.write_bytes(encode_frame(image, changed))
    run = paint()
    assert [(done.made, done.kept) for done in run.passes] == [(0, 12), (5, 7)]
    inputs = read_frame(directory / "pass2" / "frame_000004.png")[1].pixels["inputs"]
    assert changed.digest in {entry["digest"] for entry in inputs}


def test_a_frame_of_another_run_that_was_copied_in_is_not_kept(paint, undisturbed, tmp_path):
    directory = paint().directory
    other = paint(output_dir=str(tmp_path / "other"), seed=1).directory
    for number in (1, 2, 3):  # the first ones, so that only a majority tells whose run it is
        name = f"pass1/frame_{number:06d}.png"
        shutil.copy(other / name, directory / name)
    run = paint()
    assert run.passes[0].made == 3 and len(run.quarantined) == 3
    assert pixels(directory) == undisturbed


def test_nothing_in_aside_is_ever_overwritten(paint):
    directory = paint().directory
    path = directory / "pass1" / "frame_000005.png"
    for content in (b"one", b"two", b"three"):
        path.write_bytes(content)
        paint()
    quarantine = sorted((directory / "quarantine").iterdir())
    assert [old.read_bytes() for old in quarantine] == [b"one", b"two", b"three"]


@pytest.mark.parametrize("name", ["pass1", "final", "quarantine"])
def test_a_directory_that_links_out_of_the_run_is_refused(paint, tmp_path, name):
    directory, outside = paint(limit=1).directory, tmp_path / "outside"
    (directory / "quarantine").mkdir()
    (directory / name).rename(outside)
    (directory / name).symlink_to(outside)
    (directory / "pass2" / "frame_000001.png").write_bytes(b"something for the quarantine")
    before = files(outside)
    with pytest.raises(RunError, match=name):
        paint()
    assert files(outside) == before


def test_pictures_in_a_directory_of_no_run_are_refused_not_moved(paint, tmp_path):
    (tmp_path / "run" / "pass1").mkdir(parents=True)
    for position in (1, 2):
        Image.new("RGB", (12, 8)).save(tmp_path / "run" / "pass1" / f"frame_00000{position}.png")
    before = files(tmp_path / "run")
    with pytest.raises(RunError, match=r"pass1/frame_000001.png, pass1/frame_000002.png") as caught:
        paint()
    assert "move them" in caught.value.hint
    with pytest.raises(RunError, match="which no run"):
        paint()
    assert {k: v for k, v in files(tmp_path / "run").items() if k != ".lock"} == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:99],
        lambda data: data.replace(b"flopslab", b"flopslaB"),
        lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
    ],
)
def test_a_run_whose_only_frames_are_damaged_is_still_a_run(paint, undisturbed, tmp_path, damage):
    with pytest.raises(KeyboardInterrupt):
        paint(StoppingGenerator(2))
    for frame in (tmp_path / "run" / "pass1").iterdir():
        frame.write_bytes(damage(frame.read_bytes()))
    run = paint()
    assert [entry.reason for entry in run.passes[0].quarantine] == ["damaged"] * 2
    assert pixels(run.directory) == undisturbed


# Limits, and quarantined frames that are needed again


def test_an_extended_run_keeps_what_the_larger_window_does_not_change(paint, undisturbed):
    paint(limit=8)
    run = paint()
    # with a reach of 2, frames 7 and 8 of pass 2 now see frames that were not there
    assert [(done.made, done.kept) for done in run.passes] == [(4, 8), (6, 6)]
    assert pixels(run.directory) == undisturbed
    assert [path.name for path in run.quarantined] == [
        "pass2.frame_000007.1.png", "pass2.frame_000008.1.png",
    ]  # fmt: skip


def test_a_lowered_limit_keeps_the_other_frames_and_shows_those_asked_for(paint, undisturbed):
    paint()
    run = paint(limit=4)
    assert {path.name for path in (run.directory / "final").iterdir()} == {
        f"frame_{position:06d}.png" for position in (1, 2, 3, 4)
    }
    assert json.loads(run.manifest.read_bytes())["total_frames"] == 4
    assert (run.directory / "pass2" / "frame_000012.png").is_file()
    generator = PaintedGenerator()
    back = paint(generator)
    assert generator.calls == 0, "frames 3 and 4 of pass 2 come back from quarantine"
    assert pixels(back.directory) == undisturbed


def test_fewer_passes_keep_the_others_and_show_the_one_asked_for(paint, undisturbed):
    paint()
    run = paint(passes=1)
    link = run.directory / "final" / "frame_000001.png"
    assert os.readlink(link) == "../pass1/frame_000001.png"
    assert json.loads(run.manifest.read_bytes())["pass_directories"] == ["pass1"]
    assert pixels(run.directory) == undisturbed


# Sharing between runs


def test_a_run_takes_from_another_what_is_the_very_same(paint, tmp_path):
    words = [*WORDS[:5], "comet", *WORDS[6:]]
    changed = write_words(tmp_path / "changed.json", words)
    first = paint().directory
    alone = paint(sequence=changed, output_dir=str(tmp_path / "alone")).directory
    generator = PaintedGenerator()
    shared = str(tmp_path / "shared")
    before = files(first)
    run = paint(generator, sequence=changed, output_dir=shared, reuse_from=first)
    assert [(done.made, done.copied, done.kept) for done in run.passes] == [(3, 9, 0), (7, 5, 0)]
    assert generator.calls == 10
    assert pixels(shared) == pixels(alone)
    assert files(first) == before
    assert len({read_frame(p)[1].parameters["sequence"] for p in Path(shared).rglob("frame*")}) == 1
    again = paint(PaintedGenerator(), sequence=changed, output_dir=shared)
    assert [(done.made, done.kept) for done in again.passes] == [(0, 12), (0, 12)]


def test_what_is_taken_from_another_run_reaches_the_disk_many_at_a_time(
    paint, tmp_path, quick_disk, monkeypatch
):
    monkeypatch.setattr(store, "COPIES", 5)
    first = paint(passes=1).directory
    run = paint(passes=1, output_dir=str(tmp_path / "shared"), reuse_from=first)
    assert run.passes[0].copied == 12
    directory = (run.directory / "pass1").stat().st_ino
    assert quick_disk.count(directory) == 4  # 2, 4 and 6 frames are looked up: 2, 4, 5 and 1
    assert pixels(run.directory) == pixels(first)


# Out of order


def test_a_store_that_is_not_open_or_bound_says_so(study):
    settings, words = PaintedGenerator().settings, read_timed_sequence(study.sequence)
    store = Store(study.output_dir)
    with pytest.raises(RunError, match="use it in a with statement"):
        store.bind(study, settings, words)
    with store, pytest.raises(RunError, match="call bind first"):
        store.finish([])
    with pytest.raises(RunError, match="call bind first"):
        store.commit([], [], seconds=1.0)


def test_a_picture_that_is_not_verified_is_no_key_error(paint, study):
    paint()
    with Store(study.output_dir) as store, pytest.raises(RunError, match="verified picture"):
        store.image(FrameKey(1, 1))


def test_a_store_that_was_left_writes_nothing(paint, study):
    paint()
    sequence = read_timed_sequence(study.sequence)
    with Store(study.output_dir) as store:
        store.bind(study, PaintedGenerator().settings, sequence)
    with pytest.raises(RunError, match="call bind first"):
        store.finish([])


@pytest.mark.parametrize("source", ["nowhere", "empty"])
def test_a_run_to_reuse_must_have_pictures(paint, tmp_path, source):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="a run to reuse"):
        paint(reuse_from=tmp_path / source)


# Another record format


def test_a_run_of_another_record_format_is_refused_and_left_alone(paint):
    directory = paint(passes=1).directory
    age(directory)
    before = files(directory)
    with pytest.raises(RunError, match=f"record format 2; .* reads {FORMAT}") as caught:
        paint()
    assert "output_dir" in caught.value.hint
    assert files(directory) == before
    with pytest.raises(RunError, match="record format 2"):
        open_run(directory).image(FrameKey(1, 3))


def age(directory: Path) -> None:
    """Give every picture a recipe as record format 2 had it."""
    for path in directory.glob("pass*/*.png"):
        with Image.open(path) as file:
            record, image = json.loads(file.info[CHUNK]), file.copy()
        record |= {"flopslab": 2, "number": record.pop("pass_number")}
        info = PngInfo()
        info.add_itxt(CHUNK, json.dumps(record))
        image.save(path, pnginfo=info)
