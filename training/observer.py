"""The ideal observer: what a word in a prompt is worth, by how well its picture gives it away.

Two alternatives, forced choice: is a picture made for a prompt nearer to paintings of that prompt,
or to paintings of the same prompt with one word replaced? One half is chance.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from training.measures import colour_features, shape_features
from training.painter import paint
from training.vocabulary import meaning

_SEED = 8_000_000
Features = Callable[[Sequence[Image.Image]], np.ndarray]
FEATURES: dict[str, Features] = {"shape": shape_features, "colour": colour_features}


@dataclass(frozen=True)
class Trial:
    """A prompt's words, and the same words with one replaced by a word of another motif."""

    words: tuple[str, ...]
    foil: tuple[str, ...]


def sample_trials(words: Sequence[str], length: int, count: int, seed: int = 0) -> list[Trial]:
    """`count` trials with prompts of `length` of the words."""
    random, trials = np.random.default_rng([_SEED, length, seed]), []
    while len(trials) < count:
        prompt = tuple(map(str, random.choice(words, length)))
        place, foil = int(random.integers(length)), str(random.choice(words))
        if meaning(foil).motif != meaning(prompt[place]).motif:
            trials.append(Trial(prompt, (*prompt[:place], foil, *prompt[place + 1 :])))
    return trials


def decide(
    pictures: Sequence[Image.Image], trials: Sequence[Trial], paintings: int = 4
) -> dict[str, float]:
    """The share of trials whose picture is nearer to its own prompt's paintings, by feature.

    Nearness is to the mean of the features of `paintings` paintings, which share their seeds.
    """
    right: dict[str, list[bool]] = {name: [] for name in FEATURES}
    for number, (picture, trial) in enumerate(zip(pictures, trials, strict=True)):
        seeds = range(_SEED + paintings * number, _SEED + paintings * (number + 1))
        own, foil = (_painted(words, seeds) for words in (trial.words, trial.foil))
        for name, features in FEATURES.items():
            [point] = features([picture])
            near, far = (np.linalg.norm(point - features(p).mean(0)) for p in (own, foil))
            right[name].append(bool(near < far))
    return {name: float(np.mean(values)) for name, values in right.items()}


def _painted(words: Sequence[str], seeds: Sequence[int]) -> list[Image.Image]:
    pairs = [(word, 1.0) for word in words]
    return [paint(pairs, np.random.default_rng(seed)) for seed in seeds]
