"""What the embedded model is taught: scenes of one to eleven words, painted."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from training.painter import SIZE, paint
from training.palettes import TINTS
from training.vocabulary import vocabulary

LONGEST = 11  # words of the default window


@dataclass(frozen=True)
class Scene:
    """Words with their weights (1.0 to 1.6), the colour term of a themed prompt, and a seed."""

    words: tuple[tuple[str, float], ...]
    tint: str
    seed: int

    @property
    def fragments(self) -> tuple[tuple[str, float], ...]:
        """The prompt as flopslab sends it to the text encoder."""
        if not self.tint:
            return self.words
        last, weight = self.words[-1]
        words = (*self.words[:-1], (f"{last},", weight))
        return ((f"{self.tint} toned,", 1.0), *words, ("ethereal, dreamlike", 1.0))

    def painted(self) -> np.ndarray:
        """The scene's picture, uint8 [SIZE, SIZE, 3]."""
        return np.asarray(paint(self.words, np.random.default_rng(self.seed), self.tint))


def sample_scene(random: np.random.Generator) -> Scene:
    """A random scene: mostly short, the default window often, half of them weighted."""
    words = list(vocabulary())
    share = random.random()
    limits = (
        (0.40, 1, 1),
        (0.55, 2, 2),
        (0.67, 3, 5),
        (0.82, 6, LONGEST - 1),
        (1, LONGEST, LONGEST),
    )
    low, high = next((low, high) for limit, low, high in limits if share < limit)
    count = int(random.integers(low, high, endpoint=True))
    chosen = random.choice(words, count)
    sizes = random.integers(1, 8, count) if random.random() < 0.5 else np.ones(count, int)
    tint = str(random.choice(list(TINTS))) if random.random() < 0.06 else ""
    weighted = tuple((str(w), 1 + 0.1 * (int(s) - 1)) for w, s in zip(chosen, sizes, strict=True))
    return Scene(weighted, tint, int(random.integers(2**62)))


def sample_scenes(count: int, seed: int) -> list[Scene]:
    """`count` random scenes, always the same for a seed."""
    random = np.random.default_rng(seed)
    return [sample_scene(random) for _ in range(count)]


def _painted(scene: Scene) -> np.ndarray:
    return scene.painted()


def paint_all(scenes: Sequence[Scene], workers: int = 2) -> np.ndarray:
    """The scenes' pictures, uint8 [len(scenes), SIZE, SIZE, 3]; about 5 ms a picture and core."""
    pictures = np.empty((len(scenes), SIZE, SIZE, 3), np.uint8)
    with ProcessPoolExecutor(workers) as pool:
        for i, picture in enumerate(pool.map(_painted, scenes, chunksize=64)):
            pictures[i] = picture
    return pictures
