"""What the IP-Adapter learns from: pictures that bring what the words beside them leave out."""

import numpy as np

from training.adapter import sample_prompt
from training.parts import reference_scenes
from training.scenes import Scene, sample_scenes
from training.training_set import shard_scenes

SCENES = [scene for scene in sample_scenes(400, seed=9) if not scene.tint]


def prompts() -> list[tuple[Scene, list[tuple[str, float]], Scene]]:
    random = np.random.default_rng(0)
    sampled = [(scene, *sample_prompt(scene, random)) for scene in SCENES]
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
