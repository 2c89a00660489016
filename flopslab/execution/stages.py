"""What is done with a batch of frames: compose, generate, anchor, commit, each a stage of its own.

Threads that differ may call the stages of one batch, and of several batches at a time.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from flopslab.colour import flat_share
from flopslab.core.compositing import METHODS, Context
from flopslab.core.generator import FrameRequest, Generator, watching_steps
from flopslab.core.plan import Frame
from flopslab.core.refinement import Frames, Refinement
from flopslab.core.study import Study
from flopslab.errors import FlopslabWarning, ModelError
from flopslab.runs.frame_files import EncodedFrame
from flopslab.runs.store import Store

Batch = Sequence[Frame]  # of one pass
OnStep = Callable[..., None]  # (pass_number, number, total, *, frames), see `Progress.step`


@dataclass(frozen=True)
class Pictures:
    """What a batch became: images, latents if they are kept, and the seconds that it took."""

    images: Sequence[Image.Image]
    latents: Sequence[np.ndarray | None]
    seconds: float


class Stages:
    """The stages of a study's batches; `frames` has those that they look at."""

    def __init__(self, study: Study, frames: Frames) -> None:
        self._study, self._refinement = study, Refinement(study, frames)
        self._keeps_latents = METHODS[study.method].takes_latents
        self._partly_flat: set[int] = set()  # passes of which a frame was reported

    def compose(self, batch: Batch) -> list[Context]:
        """What each frame of the batch starts from and looks at; in pass 1 nothing."""
        return [self._refinement.context_of(frame.key, frame.inputs) for frame in batch]

    def generate(
        self, batch: Batch, contexts: Sequence[Context], generator: Generator, on_step: OnStep
    ) -> Pictures:
        """The pictures of a batch. ModelError if one is no picture."""
        start = time.perf_counter()
        pairs = [pair for pair in zip(batch, contexts, strict=True) if pair[0].external is None]
        requests = [
            FrameRequest(frame.prompt, frame.seed, context, frame.turn) for frame, context in pairs
        ]
        pass_number = batch[0].key.pass_number
        strength = self._study.strength(pass_number)
        images, latents = [], [None] * len(batch)
        with watching_steps(generator, partial(on_step, pass_number, frames=len(batch))):
            if requests and self._keeps_latents:
                images, latents = generator.generate_with_latents(requests, strength)
            elif requests:
                images = generator.generate(requests, strength)
        for (frame, _), image in zip(pairs, images, strict=True):
            _require_picture(frame, image, generator)
            self._report_flat_part(frame, image)
        rest = iter(images)
        everything = [frame.external or next(rest) for frame in batch]
        return Pictures(everything, latents, time.perf_counter() - start)

    def anchor(self, batch: Batch, pictures: Pictures) -> Pictures:
        """The pictures with their colours anchored, if the study does that."""
        pairs = [
            self._anchor_colours(frame, image, latents)
            for frame, image, latents in zip(batch, pictures.images, pictures.latents, strict=True)
        ]
        images, latents = zip(*pairs, strict=True)
        return Pictures(images, latents, pictures.seconds)

    def _report_flat_part(self, frame: Frame, image: Image.Image) -> None:
        """Warn of the first frame of a pass that is one colour in a large part."""
        number, (share, colour) = frame.key.pass_number, flat_share(image)
        if share and number not in self._partly_flat:
            self._partly_flat.add(number)
            warnings.warn(
                f"pass {number}, position {frame.key.position}: {share:.0%} of the frame is "
                f"exactly one colour, RGB {colour}, as a safety checker or a broken VAE leaves it; "
                "it is kept, and other frames like it in this pass are not reported",
                FlopslabWarning,
                stacklevel=2,
            )

    def _anchor_colours(
        self, frame: Frame, image: Image.Image, latents: np.ndarray | None
    ) -> tuple[Image.Image, np.ndarray | None]:
        if frame.anchor is None:
            return image, latents
        return self._refinement.anchor_colours(frame.key.position, image, latents)


def encode(pictures: Pictures) -> list[EncodedFrame]:
    """The files of the pictures."""
    return list(map(EncodedFrame.of, pictures.images, pictures.latents))


def commit(store: Store, batch: Batch, pictures: Pictures) -> None:
    """Make the pictures part of the run for good."""
    for frame, image, latents in zip(batch, pictures.images, pictures.latents, strict=True):
        store.keep(frame.key, image, latents)
    store.commit(batch, encode(pictures), pictures.seconds)


def _require_picture(frame: Frame, image: Image.Image, generator: Generator) -> None:
    """A flat frame is what NaN or an overflow in the model looks like: never an input unnoticed."""
    expected = f"a picture for position {frame.key.position} in pass {frame.key.pass_number}"
    if image.mode != "RGB" or image.size != generator.size:
        actual = f"{image.mode} {image.size}"
        raise ModelError(expected, actual, f"the generator must give RGB {generator.size}")
    if image.getcolors(1):
        raise ModelError(
            expected,
            f"one flat colour, RGB {image.getpixel((0, 0))}; it was not kept",
            "usually numbers overflow in the model: try a smaller guidance_scale, another "
            "scheduler, or another model or VAE; the frames made before are kept",
        )
