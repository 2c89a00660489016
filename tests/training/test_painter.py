"""The painter: what the embedded model was taught from."""

from importlib.resources import files

import numpy as np
import pytest
from PIL import Image, ImageDraw

from flopslab.core.prompts import BASIC_COLOURS
from training.motifs import MOTIFS, ZONES
from training.painter import SIZE, layout, paint
from training.palettes import PALETTES, TINTS
from training.pen import PLACES, SHIFTS, Cell, Pen
from training.scenes import LONGEST, sample_scenes
from training.vocabulary import LIGHTS, TEXTURES, meaning, nearest, vocabulary


def painted(*words, seed=0, tint=""):
    pairs = [word if isinstance(word, tuple) else (word, 1.0) for word in words]
    return np.asarray(paint(pairs, np.random.default_rng(seed), tint)).astype(float)


def apart(a, b):
    return float(np.abs(a - b).mean())


def test_every_row_of_the_vocabulary_names_a_motif_that_exists():
    assert {what.motif for what in vocabulary().values()} == set(MOTIFS)
    assert all(word == word.lower() and word.isalpha() for word in vocabulary())


def test_the_vocabulary_knows_400_words():
    assert len(vocabulary()) >= 400


def test_no_word_of_the_table_stands_in_two_rows():
    table = files("training").joinpath("vocabulary.txt").read_text("utf-8")
    rows = [line.split()[6:] for line in table.splitlines() if line and not line.startswith("#")]
    words = [word for row in rows for word in row]
    assert len(words) == len(set(words)) == len(vocabulary())


def test_texture_light_and_place_are_all_used_and_nothing_else_is():
    meanings = vocabulary().values()
    assert {what.texture for what in meanings} == set(TEXTURES)
    assert {what.light for what in meanings} == set(LIGHTS)
    assert {what.place for what in meanings} == set(PLACES)
    assert all(0 <= what.energy <= 1 for what in meanings)


def seen(words, motif, monkeypatch, seed=3):
    """The share of the picture that a motif changes."""
    with_it = painted(*words, seed=seed)
    with monkeypatch.context() as patch:
        patch.setitem(MOTIFS, motif, lambda pen: None)
        without = painted(*words, seed=seed)
    return (np.abs(with_it - without).max(axis=2) > 30).mean()


@pytest.mark.slow
@pytest.mark.parametrize("motif", MOTIFS)
def test_a_motif_stands_out_from_its_ground(motif, monkeypatch):
    for word in (word for word, what in vocabulary().items() if what.motif == motif):
        assert seen([word], motif, monkeypatch) > 0.04, word


@pytest.mark.slow
@pytest.mark.parametrize("motif", MOTIFS)
def test_a_motif_is_seen_among_ten_others(motif, monkeypatch):
    word = next(word for word, what in vocabulary().items() if what.motif == motif)
    others = [w for w, what in vocabulary().items() if what.motif != motif][
        :: len(vocabulary()) // 11
    ]
    words = [*others[:5], word, *others[5:10]]
    shares = [seen(words, motif, monkeypatch, seed) for seed in range(3)]
    assert min(shares) > 0.008  # about a disc of 13 pixels


@pytest.mark.parametrize("motif", MOTIFS)
def test_no_motif_needs_fine_detail(motif):
    word = next(word for word, what in vocabulary().items() if what.motif == motif)
    picture = painted(word, seed=3)
    coarse = picture.reshape(32, 4, 32, 4, 3).mean(axis=(1, 3)).repeat(4, 0).repeat(4, 1)
    assert (picture - coarse).std() < 0.5 * picture.std()


def test_words_of_one_kind_stand_in_rows_of_three_at_most():
    placed = layout([("sun", 1.0)] * 6)
    assert len(placed) == 6
    assert min(what.cell.width for what in placed) >= 0.33
    assert min(what.cell.height for what in placed) >= 0.33


def test_of_more_than_six_words_five_stand_in_the_scene_and_the_others_in_a_strip_below():
    words = [*(("sun", 1.0) for _ in range(10)), ("fire", 1.6)]
    placed = layout(words)
    figures, icons = placed[:5], placed[5:]
    assert {what.cell.top for what in icons} == {104 / 128}
    assert max(what.cell.bottom for what in figures) <= 104 / 128
    assert np.allclose([what.cell.width for what in icons], 1 / 6)
    assert "flames" in {what.what.motif for what in figures}  # heavy, though it comes last


def test_words_of_one_weight_stand_in_the_scene_by_their_nearness_to_the_middle():
    words = list(vocabulary())[::30][:LONGEST]
    placed = [what.what for what in layout([(word, 1.0) for word in words])]
    scene, strip = words[3:8], [*words[:3], *words[8:]]
    assert sorted(map(str, placed[:5])) == sorted(str(meaning(word)) for word in scene)
    assert placed[5:] == [meaning(word) for word in strip]


@pytest.mark.parametrize("name", PALETTES)
def test_the_figure_of_a_palette_is_seen_on_its_ground_or_sky(name):
    palette = PALETTES[name]
    figure = np.array([palette.figure, palette.light], float)
    behind = np.array([palette.sky, palette.haze, palette.ground], float)
    contrast = np.abs(figure[:, None] - behind[None]).max(axis=2)
    assert contrast.max(axis=0).min() > 50


def test_the_place_of_a_word_leads_its_figure():
    left, right = (
        next(w for w, what in vocabulary().items() if what.place == place)
        for place in ("left", "right")
    )

    def spot(word, shift):
        what = meaning(word)
        canvas = Image.new("RGB", (8, 8))
        pen = Pen(
            canvas,
            ImageDraw.Draw(canvas),
            what.palette,
            Cell(0, 0, 1, 1),
            0.5,
            what.place,
            flip=1,
            shift=shift,
        )
        return pen.spot()[0]

    assert all(spot(left, shift) < 0.5 < spot(right, shift) for shift in SHIFTS)


def test_the_same_seed_paints_the_same_picture_and_another_seed_another():
    assert apart(painted("storm", seed=1), painted("storm", seed=1)) == 0
    assert apart(painted("storm", seed=1), painted("storm", seed=2)) > 1


def test_a_heavier_word_gets_more_of_the_picture():
    fire, sea = painted("fire"), painted("ocean")
    heavy, light = painted(("fire", 1.6), ("ocean", 1.0)), painted(("fire", 1.0), ("ocean", 1.6))
    assert apart(heavy, fire) < apart(light, fire)
    assert apart(light, sea) < apart(heavy, sea)


def test_words_near_in_meaning_look_more_alike_than_opposites():
    def mean(word):
        return np.mean([painted(word, seed=seed) for seed in range(8)], axis=0)

    assert apart(mean("ocean"), mean("marine")) < apart(mean("ocean"), mean("fire")) / 3
    assert apart(mean("ocean"), mean("wave")) < apart(mean("ocean"), mean("fire")) / 3
    assert apart(mean("dawn"), mean("morning")) < apart(mean("dawn"), mean("night")) / 3
    assert apart(mean("fire"), mean("blaze")) < apart(mean("fire"), mean("ice")) / 3


def test_a_tint_draws_the_picture_towards_its_colour():
    red, blue = painted("city", tint="red"), painted("city", tint="blue")
    assert (red - blue)[..., 0].mean() > 20
    assert (blue - red)[..., 2].mean() > 20


def test_the_painter_knows_every_colour_of_a_themed_prompt():
    assert set(TINTS) == set(BASIC_COLOURS)


def test_no_words_and_eleven_words_are_painted_too():
    assert painted().shape == painted(*list(vocabulary())[:LONGEST]).shape


def test_a_word_that_is_not_in_the_table_means_what_is_spelled_like_it():
    assert nearest("Oceans") == "ocean"
    assert nearest("FLAMES") == "flame"
    assert meaning("mountains") == meaning("mountain")


@pytest.mark.parametrize("word", ["", "🌊", "שלום", "(x:1.4)", "a" * 500, "\u0301", "42"])
def test_anything_at_all_has_a_meaning_and_always_the_same(word):
    assert meaning(word) == meaning(word)
    assert painted(word).shape == (SIZE, SIZE, 3)


def test_scenes_hold_one_to_eleven_words_and_repeat_for_a_seed():
    scenes = sample_scenes(400, seed=5)
    counts = [len(scene.words) for scene in scenes]
    assert (min(counts), max(counts)) == (1, LONGEST)
    assert scenes == sample_scenes(400, seed=5)
    assert {ZONES[meaning(word).motif] for scene in scenes for word, _ in scene.words} == {
        "sky",
        "middle",
        "ground",
    }


def test_a_themed_scene_is_worded_as_a_themed_prompt():
    scene = next(scene for scene in sample_scenes(400, seed=5) if scene.tint)
    text = " ".join(part for part, _ in scene.fragments)
    assert text.startswith(f"{scene.tint} toned, {scene.words[0][0]}")
    assert text.endswith(f"{scene.words[-1][0]}, ethereal, dreamlike")
