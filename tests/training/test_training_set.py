"""What the UNet and the IP-Adapter learn from, and at which noise."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from training.adapter import sample_prompt
from training.motifs import MOTIFS
from training.painter import layout
from training.parts import reference_scenes
from training.scenes import WALK, Scene, motif_map, sample_scenes, sample_walk
from training.spelling import invent, respell
from training.training_set import MAP, NOTHING, TrainingSet, sample_starts, shard_scenes
from training.unet import (
    Supervised,
    make_scheduler,
    make_unet,
    sample_timesteps,
    velocity_target,
)
from training.vae import _crop
from training.vocabulary import UNKNOWN, meaning, nearest, vocabulary


def test_a_motif_map_tells_what_stands_where():
    numbers = motif_map(layout([("sun", 1.0), ("ocean", 1.0)]), MAP)
    names = [*MOTIFS, "nothing"]
    assert {names[i] for i in numbers[0]} == {"sun"}
    assert {names[i] for i in numbers[-1]} == {"waves"}


def test_the_map_of_a_scene_is_the_map_of_its_picture_and_names_all_its_motifs():
    [scene] = [s for s in sample_scenes(40, seed=3) if len(s.words) == 11][:1]
    cells = {str(cell) for _, cell, _ in layout(scene.words)}
    assert len(cells) == 11
    numbers = scene.motif_map(32)
    motifs = {meaning(word).motif for word, _ in scene.words}
    assert {list(MOTIFS)[i] for i in numbers.ravel() if i != NOTHING} == motifs


def test_the_scenes_of_a_walk_are_one_word_further_on_with_the_same_seed():
    scenes = sample_walk(np.random.default_rng(0))
    assert len(scenes) == WALK
    assert len({scene.seed for scene in scenes}) == 1
    for scene, following in pairwise(scenes):
        assert scene.words[1:] == following.words[:-1]


def test_a_shard_repeats_and_holds_words_outside_the_table():
    scenes = shard_scenes(1, 100)
    assert scenes == shard_scenes(1, 100) != shard_scenes(2, 100)
    assert len(scenes) == 100
    words = [word for scene in scenes for word, _ in scene.words]
    assert 0.02 < np.mean([word not in vocabulary() for word in words]) < 0.16


@pytest.fixture
def walks() -> TrainingSet:
    """Four single scenes and two walks, each latent filled with the number of its scene."""
    latents = torch.arange(12.0).view(-1, 1, 1, 1).expand(12, 4, 32, 32).half()
    nothing = torch.zeros(12, 1, 1)
    return TrainingSet(latents, nothing, nothing, torch.tensor(2 * WALK), nothing[0])


def test_a_start_is_made_of_the_companions_of_its_scene_alone(walks):
    index, starts = sample_starts(walks, 64, torch.Generator().manual_seed(0))
    assert index.min() >= 4
    for scene, start in zip(index.tolist(), starts, strict=True):
        walk = range(4 + 4 * ((scene - 4) // 4), 8 + 4 * ((scene - 4) // 4))
        others = [float(i) for i in walk if i != scene]
        values = start.unique().tolist()
        assert values == pytest.approx([np.mean(others)]) or values == others
    assert starts.shape == (64, 4, 32, 32)


def test_velocity_leads_from_noisy_latents_to_the_clean_ones_whatever_they_were_made_from():
    scheduler: Any = make_scheduler()
    clean, start, noise = torch.randn(3, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    when = torch.tensor([300, 700])
    noisy = scheduler.add_noise(start, noise, when)
    target = velocity_target(scheduler, noisy, clean, when)
    for i, step in enumerate(when.tolist()):
        scheduler.set_timesteps(1000)
        original = scheduler.step(target[i], step, noisy[i]).pred_original_sample
        assert torch.allclose(original, clean[i], atol=1e-4)
    usual = scheduler.add_noise(clean, noise, when)
    target = velocity_target(scheduler, usual, clean, when)
    assert torch.allclose(target, scheduler.get_velocity(clean, noise, when), atol=1e-4)


def test_most_timesteps_lie_where_words_decide_and_none_is_left_out():
    when = sample_timesteps(20_000, 1000, torch.Generator().manual_seed(0)).numpy()
    assert np.mean((when >= 300) & (when < 900)) > 0.65
    assert all((when // 100 == tenth).mean() > 0.02 for tenth in range(10))
    assert (when.min(), when.max()) == (0, 999)


def test_the_map_is_learned_from_the_middle_of_the_unet():
    model = Supervised(make_unet())
    model.unet(torch.randn(2, 4, 32, 32), torch.tensor(500), torch.randn(2, 77, 128))
    loss = model.map_loss(torch.full((2, MAP, MAP), NOTHING))
    loss.backward()
    assert model.unet.conv_in.weight.grad is not None
    assert all(weight.grad is None for weight in model.unet.conv_out.parameters())


# --- words outside the table ------------------------------------------------------------------


@pytest.mark.parametrize(("word", "known"), [("oceans", "ocean"), ("Walking", "walk")])
def test_an_inflected_word_means_its_stem(word, known):
    assert nearest(word) == known


@pytest.mark.parametrize("word", ["quantum", "guitar", "pizza", "42", "🌊", ""])
def test_a_word_that_resembles_none_is_unknown_and_looks_so(word):
    assert nearest(word) == UNKNOWN
    assert meaning(word).motif == "question"


def test_words_are_respelled_in_every_way():
    random = np.random.default_rng(0)
    words = [respell("mountain", random) for _ in range(200)]
    meanings = [nearest(word) for word in words]
    assert 0.4 < np.mean([word == "mountain" for word in meanings]) < 0.75
    assert UNKNOWN in meanings


def test_invented_words_are_mostly_unknown():
    random = np.random.default_rng(0)
    words = [invent(random) for _ in range(100)]
    assert all(3 <= len(word) <= 9 for word in words)
    assert np.mean([nearest(word) == UNKNOWN for word in words]) > 0.6


# --- what the autoencoder learns from ---------------------------------------------------------


def test_windows_of_pictures_reach_the_lower_edge_more_often_than_any_other_place():
    rows = np.arange(128, dtype=np.uint8).reshape(1, 128, 1, 1)
    pictures = np.broadcast_to(rows, (4, 128, 128, 3))
    tops = []
    for seed in range(300):
        window = _crop(pictures, 2, torch.Generator().manual_seed(seed))
        assert window.shape[2] in (64, 128)
        if window.shape[2] == 64:
            tops.append(round(float((window[0, 0, 0, 0] + 1) * 127.5)))
    assert set(tops) == set(range(0, 65, 8))
    assert 0.3 < np.mean([top == 64 for top in tops]) < 0.55


# --- what the IP-Adapter learns from ------------------------------------------------------------


def prompts() -> list[tuple[Scene, list[tuple[str, float]], Scene]]:
    """(scene, words, the scene whose picture stands beside them) as the adapter learns them."""
    random = np.random.default_rng(0)
    scenes = [scene for scene in sample_scenes(400, seed=9) if not scene.tint]
    sampled = [(scene, *sample_prompt(scene, random)) for scene in scenes]
    return [(scene, list(words), pictured) for scene, words, pictured in sampled]


def test_words_and_picture_together_ask_for_the_whole_scene():
    for scene, words, pictured in prompts():
        assert set(words) | set(pictured.words) == set(scene.words)
        assert words == [word for word in scene.words if word in words]
        assert pictured.seed == scene.seed


def test_beside_some_of_the_words_the_picture_mostly_shows_the_others_alone():
    parts = [(w, p.words) for scene, w, p in prompts() if 0 < len(w) < len(scene.words)]
    alone = [not set(words) & set(pictured) for words, pictured in parts]
    assert len(parts) > 80
    assert 0.6 < np.mean(alone) < 0.9


def test_some_scenes_are_learned_from_their_picture_without_a_word():
    silent = [not words for scene, words, _ in prompts() if len(scene.words) > 1]
    assert 0.1 < np.mean(silent) < 0.3


def test_pairs_of_words_are_taken_from_all_shards_other_scenes_from_the_first():
    size = 200
    assert list(reference_scenes(0, size).values()) == shard_scenes(0, size)
    scenes = shard_scenes(3, size)
    chosen = reference_scenes(3, size)
    assert len(chosen) > 10
    assert all(scenes[i] == scene for i, scene in chosen.items())
    assert sorted(chosen) == [i for i, scene in enumerate(scenes) if len(scene.words) == 2]
