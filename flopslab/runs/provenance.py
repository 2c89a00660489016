"""The recipe that every picture carries: how it was made, and the key that verifies it.

The key of a picture is the SHA-256 of canonical JSON of what determines its pixels: settings of
the generator, prompt, seed and, in a refinement pass, how it refines and the digests of the input
frames with their weights, in order. What does not determine its pixels (position, device, versions,
times, the rest of the run) stands beside it, outside the key.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from sys import intern
from typing import Any, NamedTuple, Protocol

from PIL import Image

from flopslab.core.compositing import METHODS
from flopslab.core.plan import Frame
from flopslab.core.refinement import Input
from flopslab.core.study import Study, acts_directly, refinement_names
from flopslab.core.windows import FrameKey
from flopslab.digests import canonical_json, json_digest, pixel_digest
from flopslab.words.sequence import TimedSequence
from flopslab.words.word import words_digest

FORMAT = 4  # of the record
ALGORITHM = 3  # raise it when the same recipe would give other pixels
NOT_PIXELS = ("model", "device", "versions")  # settings that are recorded, but outside the key
NAMES = ("model", "model_configs", "ip_adapter")  # parameters that only say where something lies
ADAPTER = "ip_adapter_digest"  # a setting that only a method which looks at images has


@dataclass(frozen=True, slots=True)
class Record:
    """A recipe in short: what later frames and the manifest need of a verified picture."""

    key: str  # the recipe's
    digest: str  # of its pixels
    latents: str | None  # digest of the latents beside it, if the run keeps them
    seed: int
    generation_time_s: float
    created: str
    device: str
    versions: Mapping[str, str]

    @property
    def record(self) -> "Record":
        """Itself, as a picture's `record`."""
        return self

    @property
    def maker(self) -> dict[str, Any]:
        """The device and the library versions that made the picture."""
        return {"device": self.device, "versions": self.versions}

    @property
    def digests(self) -> "Digests":
        """What counts of it for those made from it."""
        return Digests(self.digest, self.latents)

    @classmethod
    def of(cls, **values: Any) -> "Record":
        """The record with these values; what many have in common is in memory once."""
        values["created"], values["device"] = intern(values["created"]), intern(values["device"])
        values["versions"] = _shared_versions(canonical_json(values["versions"]))
        return cls(**values)


Records = Mapping[FrameKey, Record]


class Digests(NamedTuple):
    """What counts of a frame for those made from it: its pixels', and its latents' if kept."""

    digest: str
    latents: str | None


@dataclass(frozen=True)
class Recipe:
    """How one picture was made."""

    pixels: dict[str, Any]  # what determines its pixels, see `RunContext.pixels`
    digest: str  # of its pixels, see `pixel_digest`
    latents: str | None  # digest of the latents beside it, if the run keeps them
    pass_number: int
    position: int
    words: list[str | None]  # of the window, in order; None for one that is silent
    word_window: list[int]  # first and last position of the window
    prompt: str  # as written in the manifest
    tokens: int | None  # of the prompt, if the generator counts them
    sources: list[int]  # positions of the frames that pixels["inputs"] are, in the same order
    parameters: dict[str, Any]  # see `RunContext.parameters`
    study_parameters: dict[str, Any]  # see `RunContext.study_parameters`
    model: str
    device: str
    versions: dict[str, str]
    generation_time_s: float
    created: str  # UTC, ISO 8601, Z

    @property
    def key(self) -> str:
        """What verifies the picture: equal keys, equal pixels (on one device)."""
        return json_digest(self.pixels)

    @property
    def record(self) -> Record:
        """What a run remembers of it once its picture is verified."""
        return Record.of(
            key=self.key,
            digest=self.digest,
            latents=self.latents,
            seed=self.pixels["seed"],
            generation_time_s=self.generation_time_s,
            created=self.created,
            device=self.device,
            versions=self.versions,
        )

    @property
    def frame_key(self) -> FrameKey:
        """Which frame it is."""
        return FrameKey(self.pass_number, self.position)

    @property
    def window(self) -> range:
        """The positions of the words around the frame's own."""
        return range(self.word_window[0], self.word_window[1] + 1)

    @property
    def prompt_words(self) -> list[str]:
        """The words of the window that are not silent."""
        return [word for word in self.words if word is not None]

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What the frame looked at, in order."""
        entries = self.pixels.get("inputs", [])
        return tuple(
            Input(self.position + entry["offset"], source, entry["weight"])
            for entry, source in zip(entries, self.sources, strict=True)
        )

    @property
    def needs(self) -> list[tuple[FrameKey, Digests]]:
        """The frames that this one was made from, and the digests that they had then."""
        keys = [FrameKey(self.pass_number - 1, position) for position in self.sources]
        entries = list(self.pixels.get("inputs", []))
        if anchor := self.pixels.get("anchor"):
            keys.append(FrameKey(1, self.position))
            entries.append(anchor)
        digests = [Digests(entry["digest"], entry.get("latents")) for entry in entries]
        return list(zip(keys, digests, strict=True))

    @property
    def study(self) -> Study:
        """A study that refines as this frame was refined; all else has its default."""
        names = [name for name in refinement_names() if name in self.parameters]
        return Study(**{name: self.parameters[name] for name in names})


class InputFrame(Protocol):
    """What counts of a frame that others are made from: a recipe has it."""

    @property
    def digest(self) -> str: ...
    @property
    def latents(self) -> str | None: ...


@dataclass(frozen=True)
class RunContext:
    """What all frames of a run have in common, and the recipes that follow from it."""

    study: Study
    settings: Mapping[str, Any]  # the generator's, resolved and JSON-ready
    sequence: TimedSequence
    external_frames: Mapping[int, Image.Image] = field(default_factory=dict)  # by position
    follows: bool = False  # whether the study's strength follows from its image_weight

    @property
    def keeps_latents(self) -> bool:
        """Whether each picture has its latents beside it, for the next pass to read."""
        return METHODS[self.study.method].takes_latents

    @property
    def study_parameters(self) -> dict[str, Any]:
        """The study's parameters as they were given, without the places of the run, JSON-ready."""
        values = self.study.model_dump(exclude={"output_dir", "cluster"})
        return values | {"denoising_strength": None} if self.follows else values

    def parameters(self, pass_number: int = 2) -> dict[str, Any]:
        """Every parameter that changes pixels up to this pass, with resolved values.

        Model and sequence stand there by their content, a digest. Pass 1 knows no refinement.
        """
        values = self.study.pixel_parameters() | pixel_settings(self.settings)
        for name in (*NAMES, *refinement_names()):  # the digests tell
            del values[name]
        values |= {"algorithm": ALGORITHM, "sequence": self._sequence_digest}
        values |= {
            "external_frames": {str(p): pixel_digest(i) for p, i in self.external_frames.items()}
        }
        if pass_number > 1:
            return values | self._refinement()
        return values | self._noise()

    def pixels(self, frame: Frame, records: Mapping[FrameKey, InputFrame]) -> dict[str, Any]:
        """What determines the frame's pixels; `records`: of the frames that it may look at."""
        part: dict[str, Any] = {
            "algorithm": ALGORITHM,
            "settings": pixel_settings(self.settings),
            "prompt": [list(fragment) for fragment in frame.prompt.fragments],
            "seed": frame.seed,
        }
        if frame.turn:
            part |= {"turn": list(frame.turn)}
        if frame.external:
            part |= {"external_frame": pixel_digest(frame.external)}
        if frame.key.pass_number == 1:
            return part
        refinement = self._refinement()
        refinement["denoising_strength"] = self.study.strength(frame.key.pass_number)
        refinement = {name: refinement[name] for name in refinement if acts_directly(name)}
        inputs = [
            {"offset": entry.position - frame.key.position, "weight": entry.weight}
            | self._digests(records[source])
            for entry, source in zip(frame.inputs, frame.sources, strict=True)
        ]
        part |= {"refinement": refinement, "inputs": inputs}
        if frame.anchor:
            part |= {"anchor": self._digests(records[frame.anchor])}
        return part

    def recipe(
        self,
        frame: Frame,
        digests: Digests,
        records: Mapping[FrameKey, InputFrame],
        **circumstances: Any,
    ) -> Recipe:
        """The recipe of the frame's picture, of which these are the digests.

        `circumstances`: generation_time_s and created, and the device if it is not the generator's.
        """
        return Recipe(
            pixels=self.pixels(frame, records),
            digest=digests.digest,
            latents=digests.latents,
            pass_number=frame.key.pass_number,
            position=frame.key.position,
            words=[None if word.silent else word.text for word in frame.words],
            word_window=[frame.window[0], frame.window[-1]],
            prompt=frame.prompt.written,
            tokens=frame.tokens,
            sources=[source.position for source in frame.sources],
            parameters=self.parameters(frame.key.pass_number),
            study_parameters=self.study_parameters,
            **{name: self.settings[name] for name in NOT_PIXELS} | circumstances,
        )

    def _digests(self, record: InputFrame) -> dict[str, Any]:
        """The digests of an input frame: its pixels', and its latents' if they count."""
        latents = {"latents": record.latents} if self.keeps_latents else {}
        return {"digest": record.digest} | latents

    @cached_property
    def _sequence_digest(self) -> str:
        """Of the words and their sizes; timings change no pixel."""
        return words_digest(word.entry for word in self.sequence.words)

    def _noise(self) -> dict[str, Any]:
        """What the seed policy is to the first pass, where `fixed` differs in nothing."""
        names = {"shared": ["seed_policy"], "slerp": ["seed_policy", "seed_length"]}
        return {name: getattr(self.study, name) for name in names.get(self.study.seed_policy, [])}

    def _refinement(self) -> dict[str, Any]:
        """The parameters of refinement that have a meaning for the method."""
        study, method = self.study, METHODS[self.study.method]
        meaningless = {
            "distance_weights": not method.weighs_neighbours,
            "image_weight": not method.weighs_images,
            "colour_match": not study.colour_anchor,
            "seed_length": study.seed_policy != "slerp",
        }
        values = {n: v for n, v in study.refinement_parameters().items() if not meaningless.get(n)}
        adapter = {ADAPTER: self.settings.get(ADAPTER)} if method.weighs_images else {}
        return values | adapter


def pixel_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The generator's settings that change the pixels of every pass."""
    return {name: v for name, v in settings.items() if name not in (*NOT_PIXELS, ADAPTER)}


@lru_cache(64)
def _shared_versions(text: bytes) -> dict[str, str]:
    return json.loads(text)
