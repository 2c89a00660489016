from dataclasses import replace

import numpy as np
import pytest
from painted import WORDS, PaintedGenerator
from PIL import Image, ImageFile

from flopslab.params import Study
from flopslab.planning import Frame, plan
from flopslab.recipe import (
    Conditions,
    Recipe,
    canonical,
    decode,
    encode,
    json_digest,
    peek,
    pixel_digest,
)
from flopslab.sequence import Word

MADE = {"generation_time_s": 0.5, "created": "2026-01-28T12:00:00Z"}
DIGESTS = {position: f"{position * 5 % 13:064x}" for position in range(1, 13)}  # in no order


def image(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 12, 3), np.uint8))


def conditions(words=WORDS, settings=None, **parameters) -> Conditions:
    study = Study.of(**({"context_diameter": 2} | parameters))
    settings = PaintedGenerator().settings | (settings or {})
    return Conditions(study, settings, tuple(Word(word) for word in words))


def frame_of(given: Conditions, position: int, number: int) -> Frame:
    frames = plan(given.study, given.words, number, PaintedGenerator())
    return next(frame for frame in frames if frame.position == position)


def key(position: int = 5, number: int = 2, digests=DIGESTS, **options) -> str:
    given = conditions(**options)
    return json_digest(given.pixels(frame_of(given, position, number), digests))


def recipe(number: int = 2, **options) -> Recipe:
    given = conditions(**options)
    return given.recipe(frame_of(given, 5, number), image(), DIGESTS, **MADE)


def test_a_picture_and_its_recipe_come_back_as_they_were_written():
    words = ['say "hi"', "(fire:1.4)", "ab\u0301", "\U0001f525\n\u202eשלום", *WORDS]
    written = recipe(words=words)
    read_image, read_recipe = decode(encode(image(), written))
    assert read_image.tobytes() == image().tobytes()
    assert read_recipe == written


@pytest.mark.parametrize("truncated_allowed", [False, True])
def test_no_bit_of_a_picture_can_flip_unnoticed(monkeypatch, truncated_allowed):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", truncated_allowed)
    data = encode(image(), recipe())
    for at in range(0, len(data), 11):
        with pytest.raises(ValueError):
            decode(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


@pytest.mark.parametrize("truncated_allowed", [False, True])
def test_no_picture_that_is_cut_or_longer_is_taken_for_whole(monkeypatch, truncated_allowed):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", truncated_allowed)
    data = encode(image(), recipe())
    for length in [*range(0, len(data), 101), *range(len(data) - 13, len(data))]:
        with pytest.raises(ValueError):
            decode(data[:length])
    with pytest.raises(ValueError):
        decode(data + b"\0")


def test_a_picture_with_the_recipe_of_another_is_refused():
    with pytest.raises(ValueError, match="pixels"):
        decode(encode(image(seed=1), recipe()))


def test_a_recipe_edited_with_a_right_checksum_is_refused(monkeypatch):
    forged = replace(recipe(), created="2030-01-01T00:00:00Z")
    seal = json_digest(None)
    monkeypatch.setattr("flopslab.recipe.json_digest", lambda value: seal)
    data = encode(image(), forged)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="edited"):
        peek(data)


def test_the_pixel_digest_tells_sizes_with_equal_bytes_apart():
    wide, high = Image.new("RGB", (4, 2)), Image.new("RGB", (2, 4))
    assert wide.tobytes() == high.tobytes()
    assert pixel_digest(wide) != pixel_digest(high)


def test_canonical_json_has_one_spelling_and_no_nan():
    assert canonical({"b": 1.5, "a": ["é"]}) == canonical({"a": ("é",), "b": 1.5})
    assert canonical({"b": 1, "a": "é"}) == b'{"a":"\\u00e9","b":1}'
    with pytest.raises(ValueError):
        canonical(float("nan"))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"prompt_prefix": "photo of"},
        {"words": [*WORDS[:5], "comet", *WORDS[6:]]},
        {"method": "blend"},
        {"denoising_strength": 0.75},
        {"image_context_multiplier": 1},
        {"digests": DIGESTS | {3: "f" * 64}},
        {"digests": DIGESTS | {3: DIGESTS[4], 4: DIGESTS[3]}},
        {"position": 6},
        {"number": 3},
        *({"settings": {name: "other"}} for name in ("model_digest", "dtype", "batch_size")),
        *({"settings": {name: 7}} for name in ("width", "height", "steps", "guidance_scale")),
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
        {"settings": {"model": "another name"}},
        {"settings": {"device": "another"}},
        {"settings": {"versions": {}}},
    ],
    ids=str,
)
def test_the_key_does_not_change_with_anything_else(change):
    assert key(**change) == key()


def test_an_image_weight_counts_only_where_the_method_has_one(monkeypatch):
    from flopslab import compositing

    weighs = replace(compositing.METHODS["blend"], weighs_images=True)
    monkeypatch.setitem(compositing.METHODS, "blend", weighs)
    assert key(method="blend") != key(method="blend", image_weight=0.9)
    assert "image_weight" in recipe(method="blend").made_with
    assert "image_weight" not in recipe(method="grid").made_with


def test_pass_one_knows_nothing_of_refinement():
    refinement = {
        "method": "blend",
        "denoising_strength": 0.75,
        "image_weight": 0.9,
        "image_context_multiplier": 1,
    }
    assert key(number=1, **refinement) == key(number=1)
    assert recipe(number=1, **refinement).made_with == recipe(number=1).made_with


def test_inputs_enter_in_order_with_offset_and_digest():
    assert recipe().pixels["inputs"] == [
        {"offset": offset, "digest": DIGESTS[5 + offset]} for offset in (-2, -1, 0, 1, 2)
    ]
    assert recipe().input_positions == [3, 4, 5, 6, 7]


def test_the_recipe_tells_all_that_the_frame_was_made_with():
    made_with = recipe().made_with
    everything = Study().pixel_parameters() | PaintedGenerator().settings
    left_out = {"model", "device", "versions", "image_weight"}
    assert set(made_with) == set(everything) - left_out | {"algorithm", "given"}
    assert made_with["steps"] == 4 and made_with["guidance_scale"] == 3.0, "resolved values"


def test_two_sequences_are_told_apart_by_words_and_sizes_alone():
    given = conditions()
    timed = tuple(replace(word, start_ms=0, end_ms=1) for word in given.words)
    large = (replace(given.words[0], size=7), *given.words[1:])
    sequences = [
        replace(given, words=words).made_with()["sequence"] for words in (given.words, timed, large)
    ]
    assert sequences[0] == sequences[1] != sequences[2]


def test_a_picture_of_another_program_has_no_recipe(tmp_path):
    path = tmp_path / "foreign.png"
    image().save(path)
    with pytest.raises(ValueError, match="no recipe"):
        peek(path.read_bytes())
