"""Measures what a generator keeps of the pictures that a refinement starts from.

A pair is two frames of other words. Both become starts of a refinement with a third prompt, one
seed and so one noise: what then differs in the outputs came from the starts. The share that
survives is the projection of that difference on the difference of the starts, in latents where the
generator has them, else in pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.special import stdtrit  # scipy.stats would double the time of every import

from flopslab.calibration.curve import Curve
from flopslab.core import prompts
from flopslab.core.compositing import Context
from flopslab.core.generator import FrameRequest, Generator, capabilities_of
from flopslab.core.plan import frame_seed
from flopslab.core.prompts import Prompt
from flopslab.core.study import PromptStyle
from flopslab.core.windows import FrameKey
from flopslab.errors import ModelError, ParameterError
from flopslab.words.word import Word

PAIRS = 12
STRENGTHS = (0.03, 0.08, 0.14, 0.2, 0.3, 0.42, 0.6, 0.8)
SILENT_STRENGTHS = (0.08, 0.2, 0.42, 0.8)  # without words
MOST_WORDS = 16  # of a window: three of them, with no word in common, have all words below
WORDS = (
    "ocean", "fire", "moon", "forest", "snow", "city", "bird", "heart", "house", "mountain",
    "flower", "storm", "star", "river", "door", "leaf", "rain", "boat", "sun", "fish",
    "balloon", "stone", "love", "cloud", "night", "tree", "eye", "garden", "wind", "mirror",
    "road", "song", "winter", "bridge", "gold", "shadow", "spring", "dream", "castle", "owl",
    "smoke", "desert", "feather", "tower", "candle", "island", "clock", "butterfly",
)  # fmt: skip
CELLS = 16  # a picture's sides, in which likeness is measured

OnFrames = Callable[[int, str], None]  # (how many more frames are made, what for)


@dataclass(frozen=True)
class PromptForm:
    """How the prompts of a study look: `words` in a window, and what stands around them."""

    words: int
    style: PromptStyle = "simple"
    prefix: str = ""
    suffix: str = ""

    def prompt(self, generator: Generator, texts: Sequence[str]) -> Prompt:
        """The prompt of these words."""
        words = [Word(text) for text in texts]
        colour = generator.nearest_colour
        return prompts.compose(words, self.style, self.prefix, self.suffix, colour)


class Probe:
    """The measurements of one generator, with prompts of one form.

    `pairs`: a multiple of 3. `seed`: of the words' order and of the noise. `on_frames` is called
    after each batch of frames. Raises ParameterError for a generator that cannot start from a
    picture, ModelError for one whose frames do not depend on their words.
    """

    def __init__(
        self,
        generator: Generator,
        form: PromptForm,
        pairs: int = PAIRS,
        seed: int = 0,
        on_frames: OnFrames = lambda count, purpose: None,
    ) -> None:
        capabilities = capabilities_of(generator)
        if not (capabilities.latents or capabilities.init_image):
            hint = "use a model with image to image: Stable Diffusion, SDXL, SD3, Flux"
            expected = f"a calibration of {generator.settings['model']}"
            raise ParameterError(expected, "a model that starts from no picture", hint)
        self._generator, self._latents, self._seed = generator, capabilities.latents, seed
        self._on_frames = on_frames
        self._windows = windows(form.words, pairs, seed)
        self._prompts = [form.prompt(generator, texts) for texts in self._windows]
        self._starts, self._images = self._first_pass()

    @staticmethod
    def frame_count(pairs: int, strengths: Sequence[float], silent: Sequence[float]) -> int:
        """How many frames all measurements take."""
        return 2 * pairs * (1 + len(strengths)) + 2 * _half(pairs) * len(silent)

    def kept(self, strengths: Sequence[float] = STRENGTHS) -> Curve:
        """The share of a start that survives, by strength; at 1 there is no start."""
        offset = 2 * len(self._prompts) // 3
        shifted = [*self._prompts[offset:], *self._prompts[:offset]]
        return _curve(strengths, [self._survivors(d, shifted) for d in strengths])

    def kept_without_words(self, strengths: Sequence[float] = SILENT_STRENGTHS) -> Curve:
        """The same with an empty prompt, from half of the pairs.

        Guidance then has no words to follow: it is away from the negative prompt, or idle.
        """
        empty = [Prompt(())] * _half(len(self._prompts))
        return _curve(strengths, [self._survivors(d, empty) for d in strengths])

    def likeness(self) -> Curve:
        """The correlation of two frames of the first pass, by the share of common words.

        Colours are taken from the mean of all frames, which few frames make too like each of them;
        without a common word the correlation is 0 on average, and all others are moved with it.
        """
        values: dict[float, list[float]] = {}
        frames = np.stack([_cells(image) for image in self._images])
        frames = frames - frames.mean(axis=0)
        frames /= np.linalg.norm(frames, axis=1, keepdims=True)
        words = [set(texts) for texts in (*self._windows, *_rotated(self._windows))]
        for i, own in enumerate(words):
            for k in range(i):
                share = len(own & words[k]) / len(own)
                values.setdefault(share, []).append(float(frames[i] @ frames[k]))
        shares = sorted(values)
        chance = float(np.mean(values[shares[0]])) if shares[0] == 0 else 0.0
        columns = [[(v - chance) / (1 - chance) for v in values[share]] for share in shares]
        return _curve(shares, columns, ends=())

    def _first_pass(self) -> tuple[list[np.ndarray | Image.Image], list[Image.Image]]:
        """The starts of all pairs, [first of each, second of each], and their pictures."""
        texts = [*self._prompts, *_rotated(self._prompts)]
        requests = [FrameRequest(p, self._noise(1, n)) for n, p in enumerate(texts)]
        return self._generate(requests, 1.0, "first pass")

    def _survivors(self, strength: float, texts: Sequence[Prompt]) -> list[float]:
        """The share that survives of each pair's difference, with these prompts."""
        count, pairs = len(texts), len(self._prompts)
        starts = [*self._starts[:count], *self._starts[pairs : pairs + count]]
        requests = [
            FrameRequest(text, self._noise(2, n % count), self._context(start))
            for n, (text, start) in enumerate(zip([*texts, *texts], starts, strict=True))
        ]
        frames, _ = self._generate(requests, strength, f"strength {strength:g}")
        before, after = (_values(v[:count]) - _values(v[count:]) for v in (starts, frames))
        lengths = np.square(before).sum(axis=1)
        if not lengths.all():
            hint = "look at some of its frames: it may be damaged, or need another scheduler"
            expected = f"frames of {self._generator.settings['model']} from different words"
            raise ModelError(expected, "the same picture", hint)
        return list((before * after).sum(axis=1) / lengths)

    def _context(self, start: np.ndarray | Image.Image) -> Context:
        if isinstance(start, np.ndarray):
            return Context(latents=start)
        return Context(init=start)

    def _noise(self, pass_number: int, number: int) -> int:
        return frame_seed(self._seed, FrameKey(pass_number, number + 1))

    def _generate(
        self, requests: Sequence[FrameRequest], strength: float, purpose: str
    ) -> tuple[list[np.ndarray | Image.Image], list[Image.Image]]:
        """What was generated, as a start of the next pass, and the pictures."""
        size = self._generator.settings["batch_size"]
        starts: list[np.ndarray | Image.Image] = []
        pictures: list[Image.Image] = []
        for begin in range(0, len(requests), size):
            batch = requests[begin : begin + size]
            if self._latents:
                images, latents = self._generator.generate_with_latents(batch, strength)
                starts += latents
            else:
                images = self._generator.generate(batch, strength)
                starts += images
            pictures += images
            self._on_frames(len(batch), purpose)
        return starts, pictures


def windows(count: int, pairs: int, seed: int = 0) -> list[list[str]]:
    """The words of `pairs` windows of `count` words each, at equal distances on a circle.

    Neighbours share words; a third of the circle further there is none in common. A multiple of 3.
    """
    count = min(count, MOST_WORDS)
    stride = -(-count // (pairs // 3))
    order = np.random.default_rng(seed).permutation(WORDS)
    length = min(pairs * stride, len(order))
    return [
        [str(order[(start + step) % length]) for step in range(count)]
        for start in range(0, pairs * stride, stride)
    ]


def _rotated(values: Sequence) -> list:
    """The values from a third on: of the second frame of each pair."""
    offset = len(values) // 3
    return [*values[offset:], *values[:offset]]


def _half(pairs: int) -> int:
    return -(-pairs // 2)


def _curve(
    places: Sequence[float], values: Sequence[Sequence[float]], ends: Sequence[float] = (1.0,)
) -> Curve:
    """The mean at each place with its 95 % interval, by Student's t over the pairs; 0 at `ends`."""
    means = [float(np.mean(column)) for column in values]
    widths = [_half_width(column) for column in values]
    zeros = [0.0] * len(ends)
    return Curve(
        places=(*map(float, places), *ends),
        means=(*means, *zeros),
        low=(*(m - w for m, w in zip(means, widths, strict=True)), *zeros),
        high=(*(m + w for m, w in zip(means, widths, strict=True)), *zeros),
    )


def _half_width(values: Sequence[float]) -> float:
    if len(values) < 2:
        return float("inf")
    factor = stdtrit(len(values) - 1, 0.975)  # of Student's t
    return float(factor * np.std(values, ddof=1) / len(values) ** 0.5)


def _values(starts: Sequence[np.ndarray | Image.Image]) -> np.ndarray:
    """[n, values], float64."""
    return np.stack([np.asarray(start, dtype=float).ravel() for start in starts])


def _cells(image: Image.Image) -> np.ndarray:
    """The picture's colours in few cells, as one row."""
    small = image.resize((CELLS, CELLS), Image.Resampling.BOX)
    return np.asarray(small, dtype=float).ravel()
