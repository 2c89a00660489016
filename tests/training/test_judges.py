"""The judges of motifs and the ideal observer, on the painter's own pictures."""

import numpy as np
import pytest
import torch
from PIL import Image

from training.hog_judge import fit_judge, painted_judge
from training.judge import MotifClassifier, augment, blur, load_judge, name_motifs, save_judge
from training.measures import colour_features, psnr, shape_features, sharpness
from training.observer import Trial, decide, sample_trials
from training.painter import paint
from training.vae import to_tensor
from training.vocabulary import meaning, vocabulary

MOTIFS = ("moon", "boat", "heart", "city")


def painted(word: str, seed: int) -> Image.Image:
    return paint([(word, 1.0)], np.random.default_rng(seed))


def softened(image: Image.Image) -> Image.Image:
    return image.reduce(8).resize(image.size, Image.Resampling.BICUBIC)


def test_the_judge_of_gradients_names_motifs_in_pictures_that_it_has_not_seen():
    judge = painted_judge(MOTIFS, samples=8)
    words = ["night", "voyage", "love", "town"]  # of other palettes than it saw most
    pictures = [painted(word, seed) for word in words for seed in range(4)]
    names = [first for [first] in judge.name_motifs(pictures)]
    right = [meaning(word).motif for word in words for _ in range(4)]
    assert np.mean([a == b for a, b in zip(names, right, strict=True)]) >= 0.9


def test_the_judge_of_gradients_orders_motifs_by_likelihood():
    pictures = [painted(word, seed) for word in ("moon", "boat", "heart") for seed in range(3)]
    judge = fit_judge(pictures, [word for word in ("moon", "boat", "heart") for _ in range(3)])
    [first, *others] = judge.name_motifs([pictures[0]], most=3)[0]
    assert first == "moon"
    assert sorted(others) == ["boat", "heart"]


def test_a_judge_knows_the_motifs_that_it_was_trained_on_though_the_table_has_grown(tmp_path):
    save_judge(MotifClassifier(motifs=5), tmp_path / "judge.safetensors")
    judge = load_judge(tmp_path / "judge.safetensors")
    names = name_motifs(judge, [painted("moon", 0)], most=5)
    assert sorted(names[0]) == sorted(judge.motifs)
    assert judge.motifs == ["sun", "moon", "stars", "clouds", "rays"]


def test_an_augmented_picture_is_moved_by_four_pixels_at_most_and_keeps_its_size():
    picture = torch.zeros(1, 3, 32, 32)
    picture[..., 16, 16] = 10.0
    for seed in range(5):
        moved = augment(picture, torch.Generator().manual_seed(seed))
        assert moved.shape == picture.shape
        row, column = divmod(int(moved[0, 0].argmax()), 32)
        assert max(abs(row - 16), abs(column - 16)) <= 4


def test_of_a_blurred_picture_the_means_stay_and_the_shapes_go():
    picture = to_tensor(np.asarray(painted("heart", 1))[None])
    soft = blur(picture)
    assert soft.shape == picture.shape
    assert float((soft - picture).mean().abs()) < 0.01
    assert (soft[..., 1:] - soft[..., :-1]).abs().max() < 0.3


def test_sharpness_falls_with_blur():
    picture = painted("city", 1)
    assert sharpness([softened(picture)]) < 0.2 * sharpness([picture])


def test_psnr_of_a_known_error_is_its_formula():
    black, grey = (Image.new("RGB", (8, 8), (level,) * 3) for level in (0, 51))  # a fifth of white
    assert psnr([black], [grey]) == pytest.approx(-10 * np.log10(0.04), abs=1e-4)


def test_shape_features_forget_colour_and_colour_features_do_not():
    picture = painted("heart", 1)
    grey = picture.convert("L").convert("RGB")
    assert np.allclose(shape_features([picture]), shape_features([grey]), atol=1e-5)
    assert np.abs(colour_features([picture]) - colour_features([grey])).mean() > 0.05


def test_a_trial_replaces_one_word_by_one_of_another_motif():
    for trial in sample_trials(list(vocabulary()), length=5, count=20):
        replaced = [(a, b) for a, b in zip(trial.words, trial.foil, strict=True) if a != b]
        assert len(replaced) == 1
        [(word, other)] = replaced
        assert meaning(word).motif != meaning(other).motif


def test_the_observer_tells_the_painters_own_pictures_by_shape_and_by_colour():
    trials = sample_trials(list(vocabulary()), length=3, count=6)
    pictures = [
        paint([(word, 1.0) for word in trial.words], np.random.default_rng(i))
        for i, trial in enumerate(trials)
    ]
    assert decide(pictures, trials, paintings=2) == {"shape": 1.0, "colour": 1.0}


def test_the_observer_is_wrong_about_a_picture_of_the_foil():
    trial = Trial(("ocean",), ("fire",))
    assert decide([painted("fire", 1)], [trial], paintings=2) == {"shape": 0.0, "colour": 0.0}
