"""What a pass is going to make: where each frame stands, what it shows, what it looks at."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from flopslab.core import controls, kernels, prompts
from flopslab.core.compositing import METHODS
from flopslab.core.generator import Generator
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study
from flopslab.core.windows import image_reach, image_window, positions, word_window
from flopslab.words.sequence import Word


@dataclass(frozen=True)
class Frame:
    """One frame as a pass plans it. All positions are 1-based positions of the sequence."""

    number: int  # of the pass, from 1
    position: int  # of its centre word
    window: range  # positions of its words
    words: tuple[Word, ...]  # the words at these positions
    prompt: Prompt
    seed: int  # 63 bits
    tokens: int  # of the prompt, as the text encoder counts them
    inputs: range = range(0)  # positions of the frames of the pass before that it looks at
    weights: tuple[float, ...] = ()  # of these frames, of sum 1
    stand_ins: tuple[int, ...] = ()  # in a control: whose frames it is shown in their places
    given: Image.Image | None = None  # a picture from outside that is this frame

    @property
    def weighted_inputs(self) -> Mapping[int, float]:
        """The weight of each frame that it looks at, by position, in sequence order."""
        return dict(zip(self.inputs, self.weights, strict=True))

    @property
    def sources(self) -> Mapping[int, int]:
        """Whose frame it is really shown in the place of each one that it looks at."""
        return dict(zip(self.inputs, self.stand_ins or self.inputs, strict=True))

    @property
    def place(self) -> Path:
        return place(self.number, self.position)


def place(number: int, position: int) -> Path:
    """Where a run keeps this picture: `pass2/frame_000025.png`."""
    return Path(f"pass{number}") / f"frame_{position:06d}.png"


def frame_seed(run_seed: int, position: int, number: int) -> int:
    """The seed (63 bits) of a frame: its own in every run, at every position, in every pass.

    The policy `fixed` asks for that of pass 1 in every pass.
    """
    digest = hashlib.sha256(f"{run_seed}/{position}/{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def plan(
    study: Study,
    words: Sequence[Word],
    number: int,
    generator: Generator,
    given: Mapping[int, Image.Image] | None = None,
) -> list[Frame]:
    """All frames of a pass, in order. The generator only counts tokens and names colours.

    `given`: pictures from outside that are the first pass's frames at these positions.
    """
    frames = positions(len(words), study.frame_interval, study.limit)
    planned = [_frame(study, words, number, generator, position, frames) for position in frames]
    if number > 1 or not given:
        return planned
    return [replace(frame, given=given.get(frame.position)) for frame in planned]


def _frame(
    study: Study,
    words: Sequence[Word],
    number: int,
    generator: Generator,
    position: int,
    frames: range,
) -> Frame:
    reach = image_reach(study.context_diameter, study.image_context_multiplier)
    window = word_window(position, len(words), study.context_diameter, study.boundary)
    shown = tuple(words[p - 1] for p in window)
    inputs = image_window(position, frames, reach) if number > 1 else range(0)
    inputs = controls.inputs(study.control, inputs)
    heard = controls.heard(study.control, shown, number)
    affixes = study.prompt_prefix, study.prompt_suffix
    prompt = prompts.compose(heard, study.prompt_style, *affixes, generator.nearest_colour)
    return Frame(
        number=number,
        position=position,
        window=window,
        words=shown,
        prompt=prompt,
        seed=frame_seed(study.seed, position, 1 if study.seed_policy == "fixed" else number),
        tokens=generator.tokens(prompt),
        inputs=inputs,
        weights=neighbour_weights(study, [p - position for p in inputs]),
        stand_ins=controls.stand_ins(study.control, position, inputs, frames, study.seed),
    )


def neighbour_weights(study: Study, offsets: Sequence[int]) -> tuple[float, ...]:
    """The share of each neighbour in what a refined frame is shown; of sum 1."""
    kernel = study.kernel if METHODS[study.method].weighs_neighbours else "flat"
    return kernels.weights(kernel, offsets, study.frame_interval)
