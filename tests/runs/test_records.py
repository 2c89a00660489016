"""What a run remembers of its pictures, and the fast proof that it leaves for the next one."""

import hashlib
import os
import tracemalloc
from pathlib import Path

import pytest
from painted import PaintedGenerator, files, pixels

from flopslab.core.windows import FrameKey
from flopslab.runs import layout, records, store
from flopslab.runs.provenance import Record
from flopslab.runs.reader import open_run
from flopslab.runs.records import Proof
from flopslab.storage import filesystem
from flopslab.storage.workers import map_ahead


def record_number(position: int) -> Record:
    return Record.of(
        key=f"{position:064x}",
        digest=f"{position:064d}",
        latents=None,
        seed=2**62 + position,
        generation_time_s=position / 7,
        created=f"2026-11-25T22:{position % 60:02d}:00Z",
        device="cpu",
        versions={"numpy": "2", "torch": "2"},
    )


def test_a_record_says_of_a_picture_what_its_recipe_says(paint):
    recipe = open_run(paint(method="latent").directory).recipe(FrameKey(2, 5))
    record = recipe.record
    assert record.seed == recipe.pixels["seed"] and record.latents
    for name in ("key", "digest", "latents", "generation_time_s", "created", "device", "versions"):
        assert getattr(record, name) == getattr(recipe, name)


def test_a_picture_is_remembered_in_less_than_a_kilobyte():
    tracemalloc.start()
    remembered = {FrameKey(1, position): record_number(position) for position in range(1000)}
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / len(remembered) < 1000
    assert remembered[1, 1].versions is remembered[1, 999].versions


def test_a_run_remembers_records_and_no_recipes(paint, monkeypatch):
    runs = []

    def remember(directory: Path) -> records.VerifiedPictures:
        runs.append(records.VerifiedPictures(directory))
        return runs[-1]

    monkeypatch.setattr(store, "VerifiedPictures", remember)
    paint()
    paint()
    assert [len(verified) for verified in runs] == [24, 24]
    assert {type(value) for verified in runs for value in verified.values()} == {Record}
    assert runs[1].image(FrameKey(1, 5)).info == {}, "no recipe hides in a picture"


# The fast proof


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The names of the pictures and latents that are read in full, in order."""
    names, read = [], filesystem.read

    def read_and_note(path: Path, most: int = -1, **options):
        if most < 0 and path.name.startswith("frame_"):
            names.append(f"{path.parent.name}/{path.name}")
        return read(path, most, **options)

    monkeypatch.setattr(filesystem, "read", read_and_note)
    return names


@pytest.mark.parametrize("method", ["grid", "latent"])
def test_a_fast_proof_reads_no_picture_that_was_verified_before(paint, reads, method):
    paint(method=method, proof="fast")
    reads.clear()
    generator = PaintedGenerator()
    before = files(paint(generator, method=method, proof="fast").directory)
    assert generator.calls == 0 and reads == []
    assert files(paint(method=method, proof="fast").directory) == before


def test_the_first_fast_proof_is_a_full_one(paint, reads):
    paint()
    reads.clear()
    paint(proof="fast")
    assert len(reads) == 24


def change_content(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-60] + bytes(60))


def change_inode(path: Path) -> None:
    status, data = path.stat(), path.read_bytes()
    path.rename(path.with_suffix(".old"))
    path.write_bytes(data[:-60] + bytes(60))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def change_time(path: Path) -> None:
    os.utime(path, ns=(0, 0))


CHANGES = {"content": change_content, "inode": change_inode, "time": change_time}


@pytest.mark.parametrize("change", CHANGES)
def test_a_fast_proof_reads_what_has_changed(paint, undisturbed, reads, change):
    directory = paint(proof="fast").directory
    CHANGES[change](directory / "pass1" / "frame_000005.png")
    reads.clear()
    generator = PaintedGenerator()
    paint(generator, proof="fast")
    assert reads[0] == "pass1/frame_000005.png" and generator.calls == (change != "time")
    assert pixels(directory) == undisturbed


def test_a_first_pass_without_latents_is_made_again_for_a_method_that_reads_them(paint):
    paint(passes=1, method="blend", proof="fast")
    assert [done.made for done in paint(method="latent", proof="fast").passes] == [12, 12]


def test_latents_that_are_gone_are_noticed_by_a_fast_proof(paint):
    directory = paint(method="latent", proof="fast").directory
    (directory / "pass1" / "frame_000005.safetensors").unlink()
    assert paint(method="latent", proof="fast").passes[0].made == 1


def sealed(text: bytes) -> bytes:
    """A file of proofs that is whole, as another version may have written it."""
    return hashlib.sha256(text).hexdigest().encode() + b"\n" + text


@pytest.mark.parametrize(
    "damage", [b"", b"garbage", None, sealed(b"[[],[[1,1]]]"), sealed(b"{}"), sealed(b"[" * 9999)]
)
def test_the_file_of_a_fast_proof_is_only_a_cache(paint, undisturbed, reads, damage):
    directory = paint(proof="fast").directory
    proof = directory / layout.PROOF
    data = proof.read_bytes()
    if damage is None:
        proof.write_bytes(data.replace(b'"cpu"', b'"gpu"'))
    elif damage:
        proof.write_bytes(damage)
    else:
        proof.unlink()
    reads.clear()
    assert sum(done.made for done in paint(proof="fast").passes) == 0
    assert len(reads) == 24 and proof.read_bytes() == data
    assert pixels(directory) == undisturbed


def test_damage_that_changes_no_stamp_is_seen_by_a_full_proof_alone(paint, undisturbed):
    directory = paint(proof="fast").directory
    path = directory / "pass2" / "frame_000005.png"
    status, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-60] + bytes(60))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert paint(proof="fast").passes[1].made == 0
    assert paint(proof="full").passes[1].made == 1
    assert pixels(directory) == undisturbed


def test_an_input_that_is_damaged_behind_a_fast_proof_enters_no_other_picture(paint):
    directory = paint(proof="fast").directory
    path = directory / "pass1" / "frame_000005.png"
    status, other = path.stat(), path.with_name("frame_000006.png").read_bytes()
    path.write_bytes(other[: status.st_size].ljust(status.st_size, b"\0"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (directory / "pass2" / "frame_000005.png").unlink()
    with pytest.raises(Exception, match=r"frame_000005\.png"):
        paint(proof="fast")


def test_a_proof_is_kept_when_a_run_is_interrupted(paint, study, reads):
    class Interrupted(PaintedGenerator):
        def generate(self, requests, strength=1.0):
            if strength < 1:
                raise KeyboardInterrupt
            return super().generate(requests, strength)

    with pytest.raises(KeyboardInterrupt):
        paint(Interrupted(), proof="fast")
    verified = {f"pass{n}/frame_{p:06d}.png" for n, p in Proof(Path(study.output_dir))._entries}
    assert len(verified) == 4, "what the first batch of pass 2 looks at"
    reads.clear()
    paint(proof="fast")
    assert not verified & {*reads}


# Order and threads


def test_latents_are_visible_before_their_picture(paint, monkeypatch):
    names, rename = [], filesystem.rename
    monkeypatch.setattr(
        filesystem, "rename", lambda *paths: names.append(paths[1].name) or rename(*paths)
    )
    paint(method="latent", passes=1, limit=2)
    assert [name for name in names if name.endswith(".safetensors")]
    for name in (f"frame_00000{position}" for position in (1, 2)):
        assert names.index(f"{name}.safetensors") < names.index(f"{name}.png")


def test_work_in_threads_keeps_its_order_and_only_a_few_results_wait():
    begun = []
    results = map_ahead(
        lambda number: begun.append(number) or number * number, range(100), threads=3
    )
    assert next(results) == 0 and len(begun) <= 8
    assert list(results) == [number * number for number in range(1, 100)]


def test_an_error_in_a_thread_is_raised_where_its_result_is_wanted():
    def invert(number: int) -> float:
        return 1 / number

    results = map_ahead(invert, [2, 0, 1])
    assert next(results) == 0.5
    with pytest.raises(ZeroDivisionError):
        next(results)
