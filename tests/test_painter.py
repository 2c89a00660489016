"""The painter: what the embedded model was taught from."""

import numpy as np
import pytest

from flopslab.prompts import BASIC_COLOURS
from flopslab.tiny.motifs import MOTIFS, ZONES
from flopslab.tiny.painter import SIZE, paint
from flopslab.tiny.palettes import PALETTES, TINTS
from flopslab.tiny.scenes import LONGEST, sample_scenes
from flopslab.tiny.vocabulary import meaning, nearest, vocabulary


def painted(*words, seed=0, tint=""):
    pairs = [word if isinstance(word, tuple) else (word, 1.0) for word in words]
    return np.asarray(paint(pairs, np.random.default_rng(seed), tint)).astype(float)


def apart(a, b):
    return float(np.abs(a - b).mean())


def test_every_row_of_the_vocabulary_names_a_motif_that_exists():
    assert {what.motif for what in vocabulary().values()} == set(MOTIFS)
    assert all(word == word.lower() and word.isalpha() for word in vocabulary())


def test_the_vocabulary_knows_300_words():
    assert len(vocabulary()) >= 300


@pytest.mark.parametrize("motif", MOTIFS)
def test_a_motif_stands_out_from_its_ground(motif, monkeypatch):
    words = [word for word, what in vocabulary().items() if what.motif == motif]
    whole = [painted(word, seed=3) for word in words]
    monkeypatch.setitem(MOTIFS, motif, lambda pen: None)
    for word, picture in zip(words, whole, strict=True):
        seen = np.abs(picture - painted(word, seed=3)).max(axis=2) > 30
        assert seen.mean() > 0.02, word


@pytest.mark.parametrize("name", PALETTES)
def test_the_figure_of_a_palette_is_seen_on_its_ground_or_sky(name):
    palette = PALETTES[name]
    figure = np.array([palette.figure, palette.light], float)
    behind = np.array([palette.sky, palette.haze, palette.ground], float)
    contrast = np.abs(figure[:, None] - behind[None]).max(axis=2)
    assert contrast.max(axis=0).min() > 50


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
    assert apart(mean("dawn"), mean("morning")) < apart(mean("dawn"), mean("night")) / 3


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
