import copy
import json
from datetime import datetime
from pathlib import Path

import jsonschema
import pytest
from painted import WORDS, PaintedGenerator
from PIL import Image

from flopslab.core.plan import frame_seed
from flopslab.core.windows import FrameKey
from flopslab.digests import pixel_digest
from flopslab.errors import RunError
from flopslab.runs import manifest
from flopslab.runs.reader import read_manifest
from flopslab.words.sequence import read_sequence

WEIGHTED = [
    {"word": "silence", "font_size": 7, "start_ms": 0, "end_ms": 620},
    {"word": "fire", "instance": 2, "start_ms": 1120, "end_ms": 1500},
    {"word": 'a "quoted" (word:1.4)', "start_ms": 2000, "end_ms": 2400},
]


@pytest.fixture
def weighted(tmp_path: Path) -> str:
    path = tmp_path / "weighted.json"
    path.write_text(json.dumps({"sequence": WEIGHTED, "word_count": 3}))
    return str(path)


def read(run) -> dict:
    refuse = pytest.fail
    return json.loads(run.manifest.read_bytes(), parse_constant=refuse)


def validate(record: dict) -> None:
    jsonschema.Draft202012Validator(manifest.schema()).validate(record)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(manifest.schema())


def test_the_manifest_of_a_run_has_the_fields_that_video_assemblers_read(paint, weighted):
    run = paint(sequence=weighted, image_context_multiplier=3)
    record = read(run)
    validate(record)
    frame = record["frames"][1]
    assert frame["position"] == 2
    assert frame["center_word"] == "fire"
    assert frame["context_words"] == ["silence", "fire", 'a "quoted" (word:1.4)']
    assert frame["prompt"] == '(silence:1.6) fire a "quoted" (word:1.4)'
    assert frame["tokens"] == 5, "the generator's count of this prompt"
    assert frame["references"] == [{"position": n, "weight": round(1 / 3, 9)} for n in (1, 2, 3)]
    assert frame["image_file"] == "frame_000002.png"
    assert (run.directory / "final" / frame["image_file"]).is_file()
    assert (frame["audio_start_ms"], frame["audio_end_ms"]) == (1120, 1500)
    assert frame["generation_time_s"] >= 0
    assert record["total_frames"] == 3
    assert record["context_diameter"] == 2
    assert record["frame_interval"] == 1
    assert record["prompt_style"] == "weighted"
    assert record["model"] == "tiny"
    multi_pass = record["multi_pass"]
    assert multi_pass.pop("passes")[1]["directory"] == "pass2"
    assert multi_pass == {
        "enabled": True,
        "num_passes": 2,
        "method": "grid",
        "image_context_multiplier": 3,
        "image_weight": 0.5,
        "denoising_strength": 0.5,
    }
    assert record["final_pass"] == 2
    assert record["pass_directories"] == ["pass1", "pass2"]


def test_one_pass_is_multi_pass_off(paint):
    record = read(paint(passes=1))
    validate(record)
    assert record["multi_pass"]["enabled"] is False
    assert record["final_pass"] == 1


def test_without_timings_the_times_are_null(paint):
    record = read(paint())
    validate(record)
    assert {frame["audio_start_ms"] for frame in record["frames"]} == {None}


def test_the_manifest_holds_what_makes_any_frame_again(paint, study, tmp_path):
    first = paint()
    record = read(first)
    again = tmp_path / "again.json"
    again.write_text(json.dumps({"sequence": record["sequence"]}))
    parameters = record["parameters"] | {"sequence": str(again), "output_dir": str(tmp_path / "b")}
    del parameters["model"]
    second = read(paint(PaintedGenerator(**record["settings"]), **parameters))
    for one, other in zip(record["frames"], second["frames"], strict=True):
        assert one["pixel_digests"] == other["pixel_digests"]
        assert one["seeds"] == [
            frame_seed(0, FrameKey(number, one["position"])) for number in (1, 2)
        ]
    assert record["settings"]["model_digest"] and record["made_by"][0]["versions"]["numpy"]


def test_the_manifest_can_be_read_as_a_sequence(paint, weighted):
    run = paint(sequence=weighted, image_context_multiplier=3)
    assert read_sequence(run.manifest) == read_sequence(weighted)


@pytest.mark.parametrize("damage", [None, b"", b"{}", b'{"created": "2000-01-01T00:00:00Z"}'])
def test_a_manifest_that_was_deleted_or_edited_comes_back_from_the_pictures(paint, damage):
    run = paint()
    original = run.manifest.read_bytes()
    run.manifest.unlink()
    if damage is not None:
        run.manifest.write_bytes(damage)
    generator = PaintedGenerator()
    paint(generator)
    assert run.manifest.read_bytes() == original
    assert generator.calls == 0


def test_created_is_when_the_newest_frame_was_made_whatever_happens_later(paint, monkeypatch):
    class Future(datetime):
        @classmethod
        def now(cls, zone):
            return cls(2030, 1, 2, 3, 4, 5, tzinfo=zone)

    paint(limit=2, passes=1)
    monkeypatch.setattr("flopslab.runs.store.datetime", Future)
    paint(limit=3, passes=1)
    monkeypatch.undo()
    assert read(paint(limit=3, passes=1))["created"] == "2030-01-02T03:04:05Z"
    assert read(paint(limit=2, passes=1))["created"] < "2030"


def test_the_seconds_of_a_pass_are_those_of_its_frames(paint):
    record = read(paint(PaintedGenerator(delay=0.01)))
    of_frames = sum(frame["generation_time_s"] for frame in record["frames"])
    assert record["multi_pass"]["passes"][1]["generation_time_s"] == pytest.approx(of_frames, 0.01)
    assert of_frames >= 0.06


def _paths(value: object, path: tuple = ()) -> list[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    nested = [((*path, key), child) for key, child in items]
    deeper = [p for q, child in nested if isinstance(child, dict | list) for p in _paths(child, q)]
    return [q for q, _ in nested] + deeper


def test_the_schema_refuses_a_manifest_without_one_of_its_fields(paint):
    record = read(paint(limit=2))
    free = {"parameters", "settings", "versions"}
    fields = [
        path
        for path in _paths(record)
        if isinstance(path[-1], str) and not free & set(map(str, path[:-1]))
    ]
    assert len(fields) > 40
    for *path, field in fields:
        broken = copy.deepcopy(record)
        place = broken
        for step in path:
            place = place[step]
        del place[field]
        with pytest.raises(jsonschema.ValidationError):
            validate(broken)


@pytest.mark.parametrize(
    "edit",
    [
        {"total_frames": 0},
        {"total_frames": "12"},
        {"created": "yesterday"},
        {"frames": []},
        {"pass_directories": ["../elsewhere"]},
        {"final_pass": None},
        {"unknown": 1},
        {"flopslab": 2},
    ],
    ids=str,
)
def test_the_schema_refuses_wrong_values(paint, edit):
    with pytest.raises(jsonschema.ValidationError):
        validate(read(paint(limit=2)) | edit)


def test_nothing_that_is_not_a_number_gets_into_the_manifest():
    with pytest.raises(ValueError):
        manifest.encode({"generation_time_s": float("nan")})


def test_a_silent_word_keeps_its_place_but_is_in_no_context(paint, tmp_path):
    words = tmp_path / "silent.json"
    words.write_text(json.dumps([{"word": "sea"}, {"word": "storm", "silent": True}, "sun"]))
    record = read(paint(sequence=str(words), image_context_multiplier=1))
    validate(record)
    assert [entry.get("silent") for entry in record["sequence"]] == [None, True, None]
    assert record["frames"][1]["center_word"] == "storm"
    assert record["frames"][1]["context_words"] == ["sea", "sun"]


def test_the_length_of_the_sound_and_the_gaps_are_carried_over(paint, tmp_path):
    path = tmp_path / "timed.json"
    words = [{"word": "sea", "start_ms": 0, "end_ms": 500}]
    totals = {"total_duration_ms": 900, "inter_word_silence_ms": 400}
    path.write_text(json.dumps({"sequence": words} | totals))
    record = read(paint(sequence=str(path), passes=1))
    validate(record)
    assert {name: record[name] for name in totals} == totals


def test_an_assembler_that_knows_only_the_fields_finds_every_picture_and_time(paint, weighted):
    run = paint(sequence=weighted, image_context_multiplier=3)
    manifest_path = run.directory / "visual-manifest.json"
    record = json.loads(manifest_path.read_text())
    shots = [
        (manifest_path.parent / "final" / frame["image_file"], frame["audio_start_ms"])
        for frame in sorted(record["frames"], key=lambda frame: frame["position"])
    ]
    assert all(Image.open(path).size == (12, 8) for path, _ in shots)
    assert [start for _, start in shots] == sorted(start for _, start in shots)
    assert len(shots) == record["total_frames"]


@pytest.mark.parametrize("boundary", ["shift", "clamp"])
def test_every_frame_is_named_by_the_word_at_its_own_position(paint, boundary):
    record = read(paint(context_diameter=4, boundary=boundary, image_context_multiplier=1))
    assert [frame["center_word"] for frame in record["frames"]] == WORDS


def test_the_digests_in_the_manifest_are_those_of_the_pictures_of_each_pass(paint):
    run = paint(limit=4, passes=3)
    for frame in read(run)["frames"]:
        paths = [run.directory / f"pass{n}" / frame["image_file"] for n in (1, 2, 3)]
        assert frame["pixel_digests"] == [pixel_digest(Image.open(path)) for path in paths]


def test_the_manifest_is_complete_only_after_every_link(paint, study, monkeypatch):
    def fail(*_arguments):
        raise OSError(5, "the disk says no")

    monkeypatch.setattr("flopslab.runs.links._put", fail)
    with pytest.raises(RunError, match="the disk says no"):
        paint()
    assert read_manifest(Path(study.output_dir))["status"] == "running"
