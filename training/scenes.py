"""What the embedded model is taught: scenes of one to eleven words, painted."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from training.backdrop import Placed
from training.motifs import MOTIFS
from training.painter import SIZE, layout, paint
from training.palettes import TINTS
from training.spelling import respell
from training.vocabulary import vocabulary

LONGEST = 11  # words of the default window
WALK = 4  # scenes that follow each other, each one word further on


@dataclass(frozen=True)
class Scene:
    """Words with their weights (1.0 to 1.7), the colour term of a themed prompt, and a seed."""

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

    def motif_map(self, cells: int) -> np.ndarray:
        """Which motif stands in each cell of the scene's picture, uint8 [cells, cells]."""
        return motif_map(layout(self.words), cells)


def motif_map(placed: Sequence[Placed], cells: int) -> np.ndarray:
    """The number of the motif in whose part of the picture the middle of each cell lies.

    uint8 [cells, cells], row by row; len(MOTIFS) where there is none, the later of two.
    """
    numbers = np.full((cells, cells), len(MOTIFS), np.uint8)
    middle = (np.arange(cells) + 0.5) / cells
    for what, cell, _ in placed:
        rows = (cell.top < middle) & (middle <= cell.bottom)
        columns = (cell.left < middle) & (middle <= cell.right)
        numbers[np.ix_(rows, columns)] = list(MOTIFS).index(what.motif)
    return numbers


# --- drawing lots -----------------------------------------------------------------------------


def _count(random: np.random.Generator) -> int:
    """How many words: mostly few, the default window often."""
    share = random.random()
    limits = (
        (0.36, 1, 1),
        (0.50, 2, 2),
        (0.66, 3, 5),
        (0.80, 6, LONGEST - 1),
        (1, LONGEST, LONGEST),
    )
    low, high = next((low, high) for limit, low, high in limits if share < limit)
    return int(random.integers(low, high, endpoint=True))


def _sample_words(
    count: int, random: np.random.Generator, strange: float
) -> tuple[tuple[str, float], ...]:
    """Random words, half of the time weighted; a share of them is respelled."""
    words = [str(word) for word in random.choice(list(vocabulary()), count)]
    words = [respell(word, random) if random.random() < strange else word for word in words]
    sizes = random.integers(1, 8, count) if random.random() < 0.5 else np.ones(count, int)
    return tuple((w, 1 + 0.1 * (int(s) - 1)) for w, s in zip(words, sizes, strict=True))


def sample_scene(random: np.random.Generator, strange: float = 0.0) -> Scene:
    """A random scene; a share `strange` of its words is not in the table."""
    words = _sample_words(_count(random), random, strange)
    tint = str(random.choice(list(TINTS))) if random.random() < 0.06 else ""
    return Scene(words, tint, int(random.integers(2**62)))


def sample_walk(random: np.random.Generator, strange: float = 0.0) -> list[Scene]:
    """`WALK` scenes as a sequence of words makes them: the same seed, each a word further on."""
    count = max(3, _count(random))
    words = _sample_words(count + WALK - 1, random, strange)
    seed = int(random.integers(2**62))
    return [Scene(words[i : i + count], "", seed) for i in range(WALK)]


def sample_scenes(count: int, seed: int, strange: float = 0.0) -> list[Scene]:
    """`count` random scenes, always the same for a seed."""
    random = np.random.default_rng(seed)
    return [sample_scene(random, strange) for _ in range(count)]


# --- painting ---------------------------------------------------------------------------------


def _painted(scene: Scene) -> np.ndarray:
    return scene.painted()


def paint_all(scenes: Sequence[Scene], workers: int = 2) -> np.ndarray:
    """The scenes' pictures, uint8 [len(scenes), SIZE, SIZE, 3]; about 7 ms a picture and core."""
    pictures = np.empty((len(scenes), SIZE, SIZE, 3), np.uint8)
    for i, picture in enumerate(_in_parallel(scenes, workers)):
        pictures[i] = picture
    return pictures


def _in_parallel(scenes: Sequence[Scene], workers: int) -> Iterator[np.ndarray]:
    if workers == 1:
        yield from map(_painted, scenes)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(_painted, scenes, chunksize=64)
