"""Latents beside the pictures: proven like them, and never a picture in their place."""

import json
import shutil

import numpy as np
import pytest
from painted import WORDS, PaintedGenerator, files, pixels, write_words
from torn import TEARS, Crash, Disk

from flopslab.core.compositing import mean_latents
from flopslab.core.neighbours import weights_by_distance
from flopslab.core.plan import frame_seed
from flopslab.core.windows import FrameKey
from flopslab.digests import array_digest
from flopslab.errors import RunError
from flopslab.runs.frame_files import decode_latents, encode_latents
from flopslab.runs.reader import open_run, read_frame
from flopslab.storage import filesystem

Z = np.random.default_rng(0).standard_normal((4, 8, 6), dtype=np.float32)


class Recording(PaintedGenerator):
    def generate_with_latents(self, requests, strength=1.0):
        self.asked = [*getattr(self, "asked", []), *requests]
        return super().generate_with_latents(requests, strength)


@pytest.fixture
def blended(paint):
    """`blended(...)`: the study's run by method latent."""
    return lambda *given, **parameters: paint(*given, **{"method": "latent"} | parameters)


def latents_of(directory) -> dict[str, bytes]:
    found = sorted(directory.glob("pass*/frame_*.safetensors"))
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def test_latents_come_back_as_they_were_written_bit_for_bit():
    again = decode_latents(encode_latents(Z), array_digest(Z))
    assert again.dtype == np.float32 and (again == Z).all()
    assert encode_latents(again) == encode_latents(Z)
    assert array_digest(Z) == array_digest(Z.copy()) != array_digest(Z.reshape(8, 4, 6))


def test_latents_that_are_damaged_are_no_latents():
    data = encode_latents(Z)
    for bad in (None, b"", data[:-1], data[:-1] + bytes([data[-1] ^ 1]), data + b"\0"):
        with pytest.raises(ValueError):
            decode_latents(bad, array_digest(Z))


def test_latents_are_visible_before_their_picture(blended, monkeypatch):
    rename, names = filesystem.rename, []
    monkeypatch.setattr(
        filesystem, "rename", lambda *paths: names.append(paths[1].name) or rename(*paths)
    )
    blended(passes=1)
    for number in range(1, 13):
        latents, picture = f"frame_{number:06d}.safetensors", f"frame_{number:06d}.png"
        assert names.index(latents) < names.index(picture)


def test_every_picture_has_its_latents_beside_it_and_their_digest_inside(blended):
    directory = blended().directory
    pictures = [path.with_suffix("") for path in directory.glob("pass*/*.png")]
    beside = [path.with_suffix("") for path in directory.glob("pass*/*.safetensors")]
    assert sorted(pictures) == sorted(beside) and len(pictures) == 24
    found = open_run(directory)
    recipe = found.frame(FrameKey(2, 5))[1]
    assert recipe.latents == array_digest(found.latents(FrameKey(2, 5)))
    assert recipe.pixels["inputs"][0]["latents"] == found.frame(FrameKey(1, 3))[1].latents


@pytest.mark.parametrize("method", ["grid", "blend", "ip_adapter"])
def test_other_methods_write_none(paint, method):
    directory = paint(method=method).directory
    assert latents_of(directory) == {}
    with pytest.raises(RunError, match=r"frame_000001\.safetensors"):
        open_run(directory).latents(FrameKey(1, 1))


def test_the_next_pass_starts_from_latents_not_from_pictures(blended):
    generator = Recording()
    found = open_run(blended(generator).directory)
    seed = frame_seed(0, FrameKey(2, 5))
    request = next(request for request in generator.asked if request.seed == seed)
    stack = np.stack([found.latents(FrameKey(1, position)) for position in range(3, 8)])
    assert request.context.init is None
    expected = mean_latents(stack, weights_by_distance("triangle", range(-2, 3)))
    assert (request.context.latents == expected).all()


def test_a_second_run_makes_nothing_and_changes_no_byte(blended):
    directory = blended().directory
    before, generator = files(directory), PaintedGenerator()
    blended(generator)
    assert generator.calls == 0 and files(directory) == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x55"),
        lambda path: shutil.copy(path.with_name("frame_000007.safetensors"), path),
    ],
    ids=["missing", "empty", "cut", "flipped", "of another"],
)
@pytest.mark.parametrize("number", [1, 2])
def test_a_frame_without_whole_latents_is_quarantined_and_made_again(blended, damage, number):
    directory = blended().directory
    expected = pixels(directory), latents_of(directory)
    damage(directory / f"pass{number}" / "frame_000005.safetensors")
    generator = PaintedGenerator()
    run = blended(generator)
    assert generator.calls == 1
    assert f"pass{number}.frame_000005.1.png" in {path.name for path in run.quarantined}
    assert (pixels(directory), latents_of(directory)) == expected


def test_a_picture_and_its_latents_go_to_quarantine_and_come_back_together(blended):
    directory = blended().directory
    expected = pixels(directory), latents_of(directory)
    short = blended(limit=4)
    names = {path.name for path in short.quarantined}
    assert names == {
        f"pass2.frame_{position:06d}.1.{kind}"
        for position in (3, 4)
        for kind in ("png", "safetensors")
    }
    generator = PaintedGenerator()
    blended(generator)
    assert generator.calls == 0
    assert (pixels(directory), latents_of(directory)) == expected


def test_frames_of_another_run_are_taken_with_their_latents(blended, tmp_path):
    first = blended().directory
    changed = write_words(tmp_path / "changed.json", [*WORDS[:5], "comet", *WORDS[6:]])
    given = {"sequence": changed, "output_dir": str(tmp_path / "shared")}
    run = blended(PaintedGenerator(), reuse_from=first, **given)
    assert [(done.made, done.copied) for done in run.passes] == [(3, 9), (7, 5)]
    alone = blended(sequence=changed, output_dir=str(tmp_path / "alone")).directory
    assert latents_of(run.directory) == latents_of(alone)
    generator = PaintedGenerator()
    assert blended(generator, **given) and generator.calls == 0


def test_a_first_pass_without_latents_is_made_again_with_them_to_the_same_pixels(blended, paint):
    directory = paint(passes=1).directory
    before = pixels(directory)
    run = blended()
    assert [(done.made, done.kept) for done in run.passes] == [(12, 0), (12, 0)]
    assert before.items() <= pixels(directory).items()
    assert len(list((directory / "quarantine").iterdir())) == 12, "nothing is deleted"


def test_a_first_pass_with_latents_can_be_refined_by_another_method(blended, paint):
    blended(passes=1)
    assert [(done.made, done.kept) for done in paint().passes] == [(0, 12), (12, 0)]


def test_latents_that_another_changes_during_the_run_are_noticed(blended, study, monkeypatch):
    monkeypatch.setattr("flopslab.runs.records.FrameCache", lambda: type("No", (), NO_CACHE)())

    class Meddler(PaintedGenerator):
        def generate_with_latents(self, requests, strength=1.0):
            if strength < 1:
                first, second = (
                    f"{study.output_dir}/pass1/frame_00000{n}.safetensors" for n in (3, 4)
                )
                shutil.copy(second, first)
            return super().generate_with_latents(requests, strength)

    with pytest.raises(RunError, match=r"frame_000003\.safetensors"):
        blended(Meddler())


NO_CACHE = {"put": lambda *_: None, "get": lambda *_: None}


@pytest.mark.slow
def test_a_crash_at_any_operation_leaves_pictures_with_whole_latents_or_made_again(
    blended, tmp_path
):
    given = {"limit": 3, "passes": 2}
    directory = blended(output_dir=str(tmp_path / "single"), **given).directory
    expected = pixels(directory), latents_of(directory)
    for at in range(1000):
        given["output_dir"] = str(tmp_path / f"crash{at}")
        with Disk(at, _crash).in_place() as torn:
            try:
                blended(**given)
                break
            except Crash:
                torn.power_off(list(TEARS.values())[at % 4], undo=at % 8 < 4)
        directory = blended(**given).directory
        assert (pixels(directory), latents_of(directory)) == expected, torn.log
    assert at > 20


def _crash() -> None:
    raise Crash


def test_the_manifest_of_such_a_run_is_whole(blended):
    record = json.loads(blended().manifest.read_bytes())
    assert record["multi_pass"]["method"] == "latent"
    shares = [reference["weight"] for reference in record["frames"][4]["references"]]
    assert shares == list(weights_by_distance("triangle", range(-2, 3)))


def test_no_latents_are_read_as_those_of_another_picture(blended):
    directory = blended().directory
    image, recipe = read_frame(directory / "pass1" / "frame_000005.png")
    swapped = (directory / "pass1" / "frame_000006.safetensors").read_bytes()
    with pytest.raises(ValueError, match="not those"):
        decode_latents(swapped, recipe.latents)
    assert image.size == (12, 8)
