from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from painted import WORDS, PaintedGenerator
from PIL import Image, ImageFile

from flopslab.core.plan import Frame, Plan
from flopslab.core.study import Study
from flopslab.digests import array_digest, canonical_json, json_digest, pixel_digest
from flopslab.runs.checks.differences import differences
from flopslab.runs.frame_files import EncodedFrame, decode_frame, decode_recipe, encode_frame
from flopslab.runs.provenance import Digests, Recipe, RunContext
from flopslab.words.sequence import TimedSequence, Word

TIMES = {"generation_time_s": 0.5, "created": "2026-01-28T12:00:00Z"}
DIGESTS = {position: f"{position * 5 % 13:064x}" for position in range(1, 13)}  # in no order
LATENTS = {position: f"{position * 7 % 13:064x}" for position in range(1, 13)}


def image(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 12, 3), np.uint8))


def digests(latents: np.ndarray | None = None) -> Digests:
    return EncodedFrame.of(image(), latents).digests


def run_context(words=WORDS, settings=None, **parameters) -> RunContext:
    study = Study.of(**({"context_diameter": 2, "method": "grid"} | parameters))
    settings = PaintedGenerator().settings | (settings or {})
    return RunContext(study, settings, TimedSequence(tuple(Word(word) for word in words)))


def made(digests=DIGESTS, latents=LATENTS, anchor=""):
    """The frames that others look at: of pass 1 and, with the same digests, of pass 2.

    `anchor` is the digest of frame 5 of pass 1, if it is to be another.
    """
    inputs = {
        (number, p): SimpleNamespace(digest=digests[p], latents=latents[p])
        for p in digests
        for number in (1, 2)
    }
    return inputs | ({(1, 5): SimpleNamespace(digest=anchor, latents=None)} if anchor else {})


def frame_of(given: RunContext, position: int, number: int) -> Frame:
    frames = Plan(given.study, given.sequence.words, PaintedGenerator()).frames(number)
    return next(frame for frame in frames if frame.key.position == position)


def key(
    position: int = 5, number: int = 2, digests=DIGESTS, latents=LATENTS, anchor="", **options
) -> str:
    given, frames = run_context(**options), made(digests, latents, anchor)
    return json_digest(given.pixels(frame_of(given, position, number), frames))


def recipe(number: int = 2, latents: np.ndarray | None = None, **options) -> Recipe:
    given = run_context(**options)
    return given.recipe(frame_of(given, 5, number), digests(latents), made(), **TIMES)


def test_a_picture_and_its_recipe_come_back_as_they_were_written():
    words = ['say "hi"', "(fire:1.4)", "ab\u0301", "\U0001f525\n\u202eשלום", *WORDS]
    written = recipe(words=words)
    read_image, read_recipe = decode_frame(encode_frame(image(), written))
    assert read_image.tobytes() == image().tobytes()
    assert read_recipe == written


def test_an_image_holds_no_text_once_it_is_written():
    """Thousands are in memory, and a recipe is larger than a small picture."""
    picture = image()
    before = set(vars(picture))
    encode_frame(picture, recipe())
    assert set(vars(picture)) == before and not picture.info


@pytest.mark.parametrize("truncated_allowed", [False, True])
def test_no_bit_of_a_picture_can_flip_unnoticed(monkeypatch, truncated_allowed):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", truncated_allowed)
    data = encode_frame(image(), recipe())
    for at in range(0, len(data), 11):
        with pytest.raises(ValueError):
            decode_frame(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


@pytest.mark.parametrize("truncated_allowed", [False, True])
def test_no_picture_that_is_cut_or_longer_is_taken_for_whole(monkeypatch, truncated_allowed):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", truncated_allowed)
    data = encode_frame(image(), recipe())
    for length in [*range(0, len(data), 101), *range(len(data) - 13, len(data))]:
        with pytest.raises(ValueError):
            decode_frame(data[:length])
    with pytest.raises(ValueError):
        decode_frame(data + b"\0")


def test_a_picture_with_the_recipe_of_another_is_refused():
    with pytest.raises(ValueError, match="pixels"):
        decode_frame(encode_frame(image(seed=1), recipe()))


def test_a_recipe_edited_with_a_right_checksum_is_refused(monkeypatch):
    forged = replace(recipe(), created="2030-01-01T00:00:00Z")
    seal = json_digest(None)
    monkeypatch.setattr("flopslab.runs.frame_files.json_digest", lambda value: seal)
    data = encode_frame(image(), forged)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="edited"):
        decode_recipe(data)


def test_the_pixel_digest_tells_sizes_with_equal_bytes_apart():
    wide, high = Image.new("RGB", (4, 2)), Image.new("RGB", (2, 4))
    assert wide.tobytes() == high.tobytes()
    assert pixel_digest(wide) != pixel_digest(high)


def test_canonical_json_has_one_spelling_and_no_nan():
    assert canonical_json({"b": 1.5, "a": ["é"]}) == canonical_json({"a": ("é",), "b": 1.5})
    assert canonical_json({"b": 1, "a": "é"}) == b'{"a":"\\u00e9","b":1}'
    with pytest.raises(ValueError):
        canonical_json(float("nan"))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"prompt_prefix": "photo of"},
        {"words": [*WORDS[:5], "comet", *WORDS[6:]]},
        *({"method": method} for method in ("blend", "latent", "ip_adapter")),
        {"denoising_strength": 0.75},
        {"denoising_strength": [0.75, 0.5]},
        {"colour_anchor": 0.5},
        {"detail": 0.5},
        {"seed_policy": "fixed"},
        {"image_context_multiplier": 1},
        {"digests": DIGESTS | {3: "f" * 64}},
        {"digests": DIGESTS | {3: DIGESTS[4], 4: DIGESTS[3]}},
        {"position": 6},
        {"number": 3},
        *({"settings": {name: "other"}} for name in ("model_digest", "dtype", "batch_size")),
        *({"settings": {name: 7}} for name in ("width", "height", "steps", "guidance_scale")),
        {"settings": {"guidance_stop": 0.5}},
        *({"settings": {name: "other"}} for name in ("scheduler", "negative_prompt")),
    ],
    ids=str,
)
def test_the_key_changes_with_everything_that_determines_pixels(change):
    assert key(**change) != key()


@pytest.mark.parametrize(
    "change",
    [
        {"passes": 7},
        {"output_dir": "elsewhere"},
        {"limit": 7},
        {"words": [*WORDS[:6], "comet", *WORDS[7:]]},
        {"words": [*WORDS, "comet"]},
        {"digests": DIGESTS | {2: "f" * 64, 8: "f" * 64}},
        {"image_weight": 0.9},
        {"distance_weights": "flat"},
        {"ip_adapter": "another.safetensors"},
        {"settings": {"ip_adapter_digest": "0" * 64}},
        {"colour_match": "histogram"},
        {"latents": LATENTS | {3: "f" * 64}},
        {"denoising_strength": [0.5, 0.75]},
        {"settings": {"model": "another name"}},
        {"settings": {"device": "another"}},
        {"settings": {"versions": {}}},
    ],
    ids=str,
)
def test_the_key_does_not_change_with_anything_else(change):
    assert key(**change) == key()


@pytest.mark.parametrize(
    ("counts", "change"),
    [
        ({"method": "ip_adapter"}, {"image_weight": 0.9}),
        ({"method": "ip_adapter"}, {"settings": {"ip_adapter_digest": "0" * 64}}),
        ({"method": "blend"}, {"distance_weights": "flat"}),
        ({"method": "latent"}, {"distance_weights": [1, 0.5, 0.25]}),
        ({"method": "latent"}, {"latents": LATENTS | {3: "f" * 64}}),
        ({"colour_anchor": 0.5}, {"colour_match": "histogram"}),
        ({"colour_anchor": 0.5, "number": 3}, {"anchor": "f" * 64}),
    ],
    ids=str,
)
def test_what_counts_only_with_another_parameter_counts_then(counts, change):
    """Without it, `test_the_key_does_not_change_with_anything_else` holds."""
    assert key(**counts | change) != key(**counts)


def test_a_parameter_without_a_meaning_is_not_recorded():
    grid, blend = (recipe(method=method).parameters for method in ("grid", "blend"))
    looking = recipe(method="ip_adapter", colour_anchor=0.5).parameters
    assert {"distance_weights", "image_weight", "colour_match", "ip_adapter_digest"} & set(
        grid
    ) == set()
    assert {"distance_weights", "image_weight", "ip_adapter_digest"} & set(blend) == {
        "distance_weights"
    }
    assert {"distance_weights", "image_weight", "ip_adapter_digest", "colour_match"} <= set(looking)


def test_each_pass_records_its_own_share_of_the_steps():
    strengths = [
        recipe(number, denoising_strength=[0.7, 0.3]).pixels["refinement"]["denoising_strength"]
        for number in (2, 3)
    ]
    assert strengths == [0.7, 0.3]


def test_a_colour_anchor_is_the_first_pass_frame_at_the_same_position():
    given = run_context(colour_anchor=0.5)
    pixels = given.pixels(frame_of(given, 5, 3), made(anchor="a" * 64))
    assert pixels["anchor"] == {"digest": "a" * 64}
    assert "anchor" not in recipe(3).pixels
    assert key(number=3, anchor="a" * 64) == key(number=3)


def test_the_latents_beside_a_picture_are_recorded_outside_its_key():
    z = np.zeros((4, 2, 2), np.float32)
    assert recipe(latents=z).latents == array_digest(z)
    assert recipe(latents=z).key == recipe().key
    assert recipe(latents=z, method="latent").pixels["inputs"][0]["latents"] == LATENTS[3]


def test_pass_one_knows_nothing_of_refinement():
    refinement = {
        "method": "ip_adapter",
        "distance_weights": "flat",
        "denoising_strength": [0.75, 0.25],
        "image_weight": 0.9,
        "image_context_multiplier": 1,
        "colour_anchor": 0.5,
        "colour_match": "histogram",
        "detail": 0.5,
        "seed_policy": "fixed",
        "settings": {"ip_adapter_digest": "0" * 64},
    }
    assert key(number=1, **refinement) == key(number=1)
    assert recipe(number=1, **refinement).parameters == recipe(number=1).parameters


def test_inputs_enter_in_order_with_offset_and_digest():
    shares = {-2: 1 / 9, -1: 2 / 9, 0: 3 / 9, 1: 2 / 9, 2: 1 / 9}
    assert recipe(method="blend").pixels["inputs"] == [
        {"offset": offset, "weight": round(share, 9), "digest": DIGESTS[5 + offset]}
        for offset, share in shares.items()
    ]
    assert recipe().sources == [3, 4, 5, 6, 7]


def test_the_recipe_tells_all_that_the_frame_was_made_with():
    made_with = recipe().parameters
    everything = Study().pixel_parameters() | PaintedGenerator().settings
    left_out = {"model", "device", "versions", "ip_adapter", "distance_weights", "image_weight"}
    left_out |= {"model_configs", "colour_match", "seed_length"}  # places, or without meaning here
    assert set(made_with) == set(everything) - left_out | {"algorithm", "external_frames"}
    assert made_with["steps"] == 4 and made_with["guidance_scale"] == 3.0, "resolved values"


def test_two_sequences_are_told_apart_by_words_and_sizes_alone():
    given = run_context()
    timed = tuple(replace(word, start_ms=0, end_ms=1) for word in given.sequence.words)
    large = (replace(given.sequence.words[0], size=7), *given.sequence.words[1:])
    sequences = [
        replace(given, sequence=TimedSequence(words)).parameters()["sequence"]
        for words in (given.sequence.words, timed, large)
    ]
    assert sequences[0] == sequences[1] != sequences[2]


def test_a_picture_of_another_program_has_no_recipe(tmp_path):
    path = tmp_path / "foreign.png"
    image().save(path)
    with pytest.raises(ValueError, match="no recipe"):
        decode_recipe(path.read_bytes())


def test_the_word_window_is_recorded_with_its_silent_words():
    words = [Word(text, silent=text == "ocean") for text in WORDS]
    context = replace(run_context(), sequence=TimedSequence(tuple(words)))
    record = context.recipe(frame_of(context, 5, 1), digests(), {}, **TIMES)
    assert record.window == range(4, 7) and record.prompt_words == ["stone", "river"]
    assert record.words == [None, "stone", "river"]


@pytest.mark.parametrize("number", [1, 2])
def test_another_algorithm_is_another_key(monkeypatch, number):
    before = key(number=number)
    monkeypatch.setattr("flopslab.runs.provenance.ALGORITHM", 10**6)
    assert key(number=number) != before
    assert recipe(number=number).parameters["algorithm"] == 10**6


def test_the_differences_of_two_recipes_are_named_field_by_field():
    context = run_context(settings={"steps": 9})
    needed = context.pixels(frame_of(context, 5, 2), made(DIGESTS | {6: "f" * 64}))
    changes = differences(needed, recipe().pixels)
    assert {change.field: (change.expected, change.actual) for change in changes} == {
        "settings.steps": (9, 4),
        "input at +1": ("f" * 64, DIGESTS[6]),
    }
    assert differences(needed, needed) == []
