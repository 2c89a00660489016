"""The plan of a pass: for each frame its words, its prompt, its seed and what it looks at."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from PIL import Image

from flopslab.core import neighbours, prompts
from flopslab.core.compositing import METHODS
from flopslab.core.prompts import Prompt
from flopslab.core.refinement import Input
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing
from flopslab.words.sequence import Word


class PromptReader(Protocol):
    """What planning needs of a generator."""

    def tokens(self, prompt: Prompt) -> int | None: ...
    def nearest_colour(self, words: tuple[str, ...]) -> str: ...


@dataclass(frozen=True)
class Frame:
    """One frame as a pass plans it."""

    key: FrameKey
    window: range  # positions of its words
    words: tuple[Word, ...]  # the words at these positions
    prompt: Prompt
    seed: int  # 63 bits
    tokens: int | None  # of the prompt, if the generator counts them
    inputs: tuple[Input, ...] = ()  # the frames of the pass before that it looks at, in order
    external: Image.Image | None = None  # a picture from outside that is this frame

    @property
    def centre(self) -> Word:
        """The word at the frame's own position."""
        return self.words[self.window.index(self.key.position)]

    @property
    def sources(self) -> list[FrameKey]:
        """The frames that it is shown, in order."""
        return [FrameKey(self.key.pass_number - 1, entry.source) for entry in self.inputs]


def plan_pass(
    study: Study,
    words: Sequence[Word],
    pass_number: int,
    generator: PromptReader,
    external_frames: Mapping[int, Image.Image] | None = None,
) -> list[Frame]:
    """All frames of a pass, in order. The generator only counts tokens and names colours.

    `external_frames`: pictures from outside that are the first pass's frames at these positions.
    """
    windowing = Windowing(study, len(words))
    frames = [
        _plan_frame(windowing, words, FrameKey(pass_number, position), generator)
        for position in windowing.positions
    ]
    if pass_number > 1 or not external_frames:
        return frames
    return [replace(frame, external=external_frames.get(frame.key.position)) for frame in frames]


def inputs_of(windowing: Windowing, key: FrameKey) -> tuple[Input, ...]:
    """What a frame looks at, control included; nothing in pass 1."""
    if key.pass_number == 1:
        return ()
    study, frames = windowing.study, windowing.positions
    window = neighbours.visible_positions(study.control, windowing.images(key.position))
    sources = neighbours.substitutes(study.control, key.position, window, frames, study.seed)
    weights = input_weights(study, [position - key.position for position in window])
    return tuple(map(Input, window, sources or window, weights))


def input_weights(study: Study, offsets: Sequence[int]) -> tuple[float, ...]:
    """The share of each neighbour in what a refined frame is shown; of sum 1."""
    shape = study.distance_weights if METHODS[study.method].weighs_neighbours else "flat"
    return neighbours.weights_by_distance(shape, offsets, study.frame_interval)


def frame_seed(run_seed: int, key: FrameKey) -> int:
    """The seed (63 bits) of a frame: its own in every run, at every position, in every pass."""
    text = f"{run_seed}/{key.position}/{key.pass_number}"
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _plan_frame(
    windowing: Windowing, words: Sequence[Word], key: FrameKey, generator: PromptReader
) -> Frame:
    study, window = windowing.study, windowing.words(key.position)
    context_words = tuple(words[position - 1] for position in window)
    audible = neighbours.audible_words(study.control, context_words, key.pass_number)
    affixes = study.prompt_prefix, study.prompt_suffix
    prompt = prompts.compose(audible, study.prompt_style, *affixes, generator.nearest_colour)
    seed_key = FrameKey(1, key.position) if study.seed_policy == "fixed" else key
    return Frame(
        key=key,
        window=window,
        words=context_words,
        prompt=prompt,
        seed=frame_seed(study.seed, seed_key),
        tokens=generator.tokens(prompt),
        inputs=inputs_of(windowing, key),
    )
