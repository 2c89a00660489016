"""What a generator is: requests in, pictures out. `flopslab.backends` loads one."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from flopslab.core.compositing import Context
from flopslab.core.model_parameters import MOST_STEPS
from flopslab.core.prompts import Prompt

FEWEST = 2  # steps of a refinement


class Turn(NamedTuple):
    """Noise on its way to that of another seed: `share`, from 0 to 1, of a right angle.

    With t the share, the noise is cos(t pi / 2) a + sin(t pi / 2) b. Two draws of many numbers are
    all but orthogonal, so this is spherical interpolation (Shoemake, "Animating rotation with
    quaternion curves", 1985), and its variance is 1 throughout.
    """

    seed: int
    share: float


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """Everything that determines one frame, given a generator.

    `seed` (0 to 2**63 - 1) is that of its noise, `turn` where that noise has turned to. An empty
    `context` asks for text to image.
    """

    prompt: Prompt
    seed: int
    context: Context = field(default_factory=Context)
    turn: Turn | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a generator can do; by default everything."""

    weights: bool = True  # of words, apart from their text
    negative_prompt: bool = True
    init_image: bool = True
    latents: bool = True  # gives them, and starts from them
    references: bool = True  # looks at images beside the words
    tokens: bool = True  # counts those of a prompt
    text_embeddings: bool = True  # names the nearest colour
    turning_noise: bool = True  # between those of two seeds


class Generator(Protocol):
    """A loaded diffusion model with its settings fixed.

    A frame's pixels depend on its request, `strength` and `settings` alone: not on the other
    requests, their number or their order.
    """

    @property
    def settings(self) -> dict[str, Any]:
        """What was resolved, JSON-ready: model, model_digest, width, height, steps,
        guidance_scale, scheduler, negative_prompt, batch_size, device, dtype, versions."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of every frame, in pixels."""
        ...

    def tokens(self, prompt: Prompt) -> int | None:
        """How many tokens the text encoder reads for this prompt, start and end not counted.

        None from a generator that cannot count them.
        """
        ...

    def nearest_colour(self, words: tuple[str, ...]) -> str:
        """The basic colour term whose text embedding is nearest to the mean of the words'."""
        ...

    def generate(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> list[Image.Image]:
        """RGB images, one for each request, in order.

        `strength` in (0, 1] is the share of the schedule that is run on an init image, see
        `refinement_schedule`; a request without one runs all steps. Always computes whole batches
        of `settings["batch_size"]`.
        """
        ...

    def clone(self) -> "Generator":
        """Another generator of the same weights in memory and settings, for another thread."""
        ...

    def interrupt(self) -> None:
        """Make the batch in hand, of another thread, end at its next step with RunInterrupted."""
        ...

    def decode(self, latents: np.ndarray) -> Image.Image:
        """The RGB image of latents [channels, height, width], to look at."""
        ...

    def generate_with_latents(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> tuple[list[Image.Image], list[np.ndarray]]:
        """The same images, and what each was decoded from: float32 [channels, height, width]."""
        ...


def capabilities_of(generator: Generator) -> Capabilities:
    """What its `capabilities` say; without these it can do everything."""
    return getattr(generator, "capabilities", Capabilities())


def batch_bytes_of(generator: Generator) -> int:
    """About how many bytes a batch takes beside the weights, where `batch_bytes` says so; or 0."""
    return getattr(generator, "batch_bytes", 0)


def refinement_schedule(steps: int, strength: float, most: int = MOST_STEPS) -> tuple[int, int]:
    """How to start at `strength` in (0, 1]: (count, length), the last `count` steps of `length`.

    The count is steps * strength, rounded up, so that a whole number of steps is run as it is; for
    all others the schedule becomes finer. It is at least FEWEST: a single step keeps far less of a
    picture than two from the same noise do, so that a larger strength would keep more. No schedule
    is longer than `most`; a strength below count / most becomes that.
    """
    steps = min(steps, most)
    count = min(max(math.ceil(round(steps * strength, 6)), FEWEST), steps)
    return count, min(max(round(count / strength), count), most)


@runtime_checkable
class StepReporter(Protocol):
    """A generator that tells of its steps, which one that runs for minutes should.

    After each step it calls `on_step(number, total)`, with numbers from 1, unless that is None.
    """

    on_step: Callable[[int, int], None] | None


@contextmanager
def watching_steps(generator: Generator, on_step: Callable[[int, int], None]) -> Iterator[None]:
    """While it is entered, a generator that reports its steps calls this for each of them."""
    if not isinstance(generator, StepReporter):
        yield
        return
    generator.on_step = on_step
    try:
        yield
    finally:
        generator.on_step = None
