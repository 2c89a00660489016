"""The plan of a run: for each frame its words, its prompt, its seed and what it looks at."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from PIL import Image

from flopslab.core import neighbours, prompts
from flopslab.core.compositing import METHODS
from flopslab.core.generator import Turn
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
    turn: Turn | None  # where the noise of this seed has turned to
    tokens: int | None  # of the prompt, if the generator counts them
    inputs: tuple[Input, ...] = ()  # the frames of the pass before that it looks at, in order
    anchor: FrameKey | None = None  # the frame whose colours it takes on
    external: Image.Image | None = None  # a picture from outside that is this frame

    @property
    def centre(self) -> Word:
        """The word at the frame's own position."""
        return self.words[self.window.index(self.key.position)]

    @property
    def sources(self) -> list[FrameKey]:
        """The frames that it is shown, in order."""
        return [FrameKey(self.key.pass_number - 1, entry.source) for entry in self.inputs]

    @property
    def needs(self) -> list[FrameKey]:
        """All frames that must be there before it can be made."""
        return self.sources + ([self.anchor] if self.anchor else [])


@dataclass(frozen=True)
class Plan:
    """The frames of a run, each planned when it is asked for.

    `external_frames`: pictures from outside that are the first pass's frames at these positions.
    """

    study: Study
    words: Sequence[Word]
    reader: PromptReader
    external_frames: Mapping[int, Image.Image] = field(default_factory=dict)

    @cached_property
    def windowing(self) -> Windowing:
        """The windows of the study in these words."""
        return Windowing(self.study, len(self.words))

    @property
    def keys(self) -> list[FrameKey]:
        """Of all frames of the run, pass by pass."""
        return [FrameKey(n, p) for n in self.passes for p in self.windowing.positions]

    @property
    def passes(self) -> range:
        """The numbers of all passes."""
        return range(1, self.study.passes + 1)

    def frames(self, pass_number: int) -> list[Frame]:
        """All frames of a pass, in order."""
        return [self.frame(FrameKey(pass_number, p)) for p in self.windowing.positions]

    def frame(self, key: FrameKey) -> Frame:
        """The frame of this key."""
        study, window = self.study, self.windowing.words(key.position)
        words = tuple(self.words[position - 1] for position in window)
        prompt = self._prompt(words, key.pass_number)
        seed, turn = noise_of(study, key)
        inputs = inputs_of(self.windowing, key)
        return Frame(
            key=key,
            window=window,
            words=words,
            prompt=prompt,
            seed=seed,
            turn=turn,
            tokens=self.reader.tokens(prompt),
            inputs=inputs,
            anchor=FrameKey(1, key.position) if study.colour_anchor and inputs else None,
            external=self.external_frames.get(key.position) if key.pass_number == 1 else None,
        )

    def _prompt(self, words: tuple[Word, ...], pass_number: int) -> Prompt:
        study = self.study
        audible = neighbours.audible_words(study.control, words, pass_number)
        affixes = study.prompt_prefix, study.prompt_suffix
        return prompts.compose(audible, study.prompt_style, *affixes, self.reader.nearest_colour)


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


def noise_of(study: Study, key: FrameKey) -> tuple[int, Turn | None]:
    """The seed of a frame's noise and, for `slerp`, how far it has turned to the next one."""
    number, length = key.pass_number, study.seed_length
    if study.seed_policy == "fixed":
        return frame_seed(study.seed, FrameKey(1, key.position)), None
    if study.seed_policy == "shared":
        return frame_seed(study.seed, FrameKey(number, 1)), None
    if study.seed_policy == "per_pass":
        return frame_seed(study.seed, key), None
    rest = (key.position - 1) % length
    first, second = (key.position - rest + shift for shift in (0, length))
    turn = Turn(frame_seed(study.seed, FrameKey(number, second)), round(rest / length, 9))
    return frame_seed(study.seed, FrameKey(number, first)), turn if rest else None


def frame_seed(run_seed: int, key: FrameKey) -> int:
    """The seed (63 bits) of a frame: its own in every run, at every position, in every pass."""
    text = f"{run_seed}/{key.position}/{key.pass_number}"
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
