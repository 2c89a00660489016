"""The door to the diffusion model: requests in, pictures out.

This module is light; torch and diffusers are loaded by `load_generator`, not by an import.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from PIL import Image

from flopslab.compositing import Context
from flopslab.params import Study
from flopslab.prompts import Prompt


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """Everything that determines one frame, given a generator.

    `seed` (0 to 2**63 - 1) is the frame's own; an empty `context` asks for text to image.
    """

    prompt: Prompt
    seed: int
    context: Context = field(default_factory=Context)


class Generator(Protocol):
    """A loaded diffusion model with its settings fixed.

    A frame's pixels depend on its request, `strength` and `settings` alone: not on the other
    requests, their number or their order.
    """

    @property
    def settings(self) -> dict[str, Any]:
        """What was resolved, JSON-ready: model, model_digest, width, height, steps,
        guidance_scale, scheduler, negative_prompt, batch_size, device, dtype, versions."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of every frame, in pixels."""

    def tokens(self, prompt: Prompt) -> int:
        """How many tokens the text encoder reads for this prompt, start and end not counted."""

    def nearest_colour(self, words: tuple[str, ...]) -> str:
        """The basic colour term whose text embedding is nearest to the mean of the words'."""

    def generate(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> list[Image.Image]:
        """RGB images, one for each request, in order.

        `strength` in (0, 1] is the share of the steps that is run on an init image; a request
        without one runs them all. Always computes whole batches of `settings["batch_size"]`.
        """

    def generate_with_latents(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> tuple[list[Image.Image], list[np.ndarray]]:
        """The same images, and what each was decoded from: float32 [channels, height, width]."""


def load_generator(study: Study, batch_size: int = 0) -> Generator:
    """The study's model, loaded, checked and ready.

    `batch_size` is what a run has frozen; 0 takes the study's, and if that is 0 too, what suits
    the device. Raises ModelError if the model cannot be found, trusted or loaded, ParameterError
    if a parameter does not fit it.

    The number of threads is the caller's (`torch.set_num_threads`): it changes pixels in the
    last bit, so a run keeps to one.
    """
    logging.getLogger("transformers.utils.import_utils").addFilter(is_news)
    from flopslab.diffusion import DiffusersGenerator  # loads torch: seconds

    return DiffusersGenerator.load(study, batch_size)


def is_news(record: logging.LogRecord) -> bool:
    """diffusers imports image processors that would like torchvision; no frame needs them."""
    return "requires torchvision" not in record.getMessage()
