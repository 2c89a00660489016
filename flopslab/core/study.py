"""Every parameter of a run: its name, its meaning, its range, and what it acts on.

Those of the model stand in `flopslab.core.model_parameters`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo

from flopslab.core.model_parameters import (
    NEIGHBOURS,
    REFINEMENT,
    RUN,
    ActsOn,
    Home,
    ModelParameters,
    Name,
    Share,
    Text,
    Weight,
    is_server,
)
from flopslab.core.parameters import (
    NOTEBOOK,
    cell_parameters,
    describe_problem,
    read_parameters,
)
from flopslab.errors import ParameterError
from flopslab.words.cues import LONGEST_MS, Unit
from flopslab.words.sequence import MOST_WORDS, TimedSequence, read_timed_sequence

Boundary = Literal["shift", "clamp"]
PromptStyle = Literal["simple", "weighted", "themed"]
MethodName = Literal["grid", "blend", "latent", "ip_adapter"]
WeightShape = Literal["flat", "triangle", "gaussian"]
ColourMatch = Literal["reinhard", "histogram"]
SeedPolicy = Literal["per_pass", "fixed", "shared", "slerp"]
ProofKind = Literal["full", "fast"]
Control = Literal["none", "shuffled", "constant", "no_images", "no_text"]

MOST_PASSES = 1000  # a hundred times what changes a picture visibly; each is planned beforehand
LONGEST_LIST = 1000  # a value for each pass, or for each distance
UNCALIBRATED = 0.5  # a strength that is not known before the model is loaded
MOST_DETAIL = 100  # sharpening beyond which every pixel is black or white


def _suit_model(method: Any, parameters: ValidationInfo) -> Any:
    """The method that an empty one stands for: a server gives no latents to average."""
    if method != "":
        return method
    return "blend" if is_server(parameters.data.get("model", "")) else "latent"


class Study(ModelParameters):
    """The parameters of a run, checked. Frozen; equal if all parameters are equal.

    Raises ParameterError, which names every problem at once and offers the nearest name for one
    that is not known.
    """

    sequence: Annotated[Name, Home] = "demo"
    """The words: a shipped sequence (demo, full, tide, storm, year), or the path of a file with
    words."""

    unit: Annotated[Unit, RUN] = "line"
    """What becomes a word: a line, cue or cell as the file has it (line), or each word in it
    (word)."""

    tier: Annotated[Text, RUN] = ""
    """The tier of a Praat TextGrid that holds the words; empty: the one called words."""

    offset_ms: Annotated[int, RUN] = Field(0, ge=-LONGEST_MS, le=LONGEST_MS)
    """Milliseconds to add to every time of the sequence."""

    output_dir: Annotated[Name, Home, RUN] = "output/demo"
    """The run directory: pass1/, pass2/, ..., final/ and the manifest."""

    passes: Annotated[int, RUN] = Field(2, ge=1, le=MOST_PASSES)
    """How many passes. The first sees words alone; in each later one every frame also looks at its
    neighbours' frames of the previous pass."""

    context_diameter: int = Field(10, ge=0, le=MOST_WORDS)
    """Width of the word window: this many words around a position, half on either side, enter its
    prompt, besides its own."""

    frame_interval: int = Field(1, ge=1, le=MOST_WORDS)
    """Positions from one frame to the next; 1 makes a frame for every word."""

    boundary: Boundary = "shift"
    """At the ends of the sequence the word window moves inward and keeps its size (shift), or is
    cut (clamp)."""

    prompt_style: PromptStyle = "weighted"
    """The words alone (simple), with emphasis by size (weighted), or as '<colour> toned, <words>,
    ethereal, dreamlike' with the basic colour nearest to the words (themed)."""

    prompt_prefix: Text = ""
    """Text before the words of every prompt."""

    prompt_suffix: Text = ""
    """Text after the words of every prompt."""

    negative_prompt: Text = ""
    """What no frame should show."""

    method: Annotated[MethodName, BeforeValidator(_suit_model), REFINEMENT] = Field(
        cast("MethodName", ""), validate_default=True
    )
    """How neighbouring frames enter a new one: tiled into one init image (grid), as their
    distance-weighted mean (blend), as the same mean in latent space (latent), or as image
    embeddings beside the words (ip_adapter). Empty: latent, or blend on a server, which gives no
    latents."""

    distance_weights: Annotated[
        WeightShape | Annotated[list[Weight], Field(min_length=1, max_length=LONGEST_LIST)],
        NEIGHBOURS,
    ] = "triangle"
    """How a neighbour's weight falls with its distance in frames: flat, triangle, gaussian, or a
    list of weights from the centre outwards; grid weighs all alike."""

    image_context_multiplier: Annotated[int, NEIGHBOURS] = Field(2, ge=0, le=MOST_WORDS)
    """How many times farther than words images reach; 0: a frame sees only its predecessor."""

    image_weight: Annotated[float, REFINEMENT] = Field(0.5, ge=0, le=1)
    """Weight of images against words: the share of what a refined frame starts from that survives,
    in ip_adapter that of all image embeddings together. 0: words alone; 1: as much as can be."""

    ip_adapter: Annotated[Text, Home] = ""
    """The IP-Adapter of method ip_adapter: a safetensors file, or owner/name/path of one on the
    hub; empty: the one that comes with the model."""

    denoising_strength: Annotated[
        Share | Annotated[list[Share], Field(min_length=1, max_length=LONGEST_LIST)] | None,
        REFINEMENT,
    ] = None
    """Share of the schedule that a refinement pass runs: a small one stays close to the image it
    starts from, 1 forgets it. A list gives pass 2, 3, ... its own; the last value holds on. Empty:
    follows from image_weight by the calibration of the model."""

    colour_anchor: Annotated[float, REFINEMENT] = Field(0.0, ge=0, le=1)
    """How far a refined frame's colours are matched to those of the pass-1 frame at the same
    position; 0: not at all, 1: all the way."""

    colour_match: Annotated[ColourMatch, REFINEMENT] = "reinhard"
    """What colour_anchor matches: mean and spread in Lab (reinhard) or the whole histogram."""

    detail: Annotated[float, REFINEMENT] = Field(0.0, ge=0, le=MOST_DETAIL)
    """Amount of sharpening (unsharp mask) of what a refinement starts from; 0: none."""

    seed: int = Field(0, ge=0, le=2**63 - 1)
    """The run's seed; every frame of every pass derives its own from it."""

    seed_policy: Annotated[SeedPolicy, NEIGHBOURS] = "per_pass"
    """The noise of frames: of each frame and pass its own (per_pass), one for all frames of a pass
    (shared), turning slowly along the positions (slerp), or the same in every pass (fixed: burns
    artefacts in, a known failure, for experiments)."""

    seed_length: Annotated[int, NEIGHBOURS] = Field(8, ge=1, le=MOST_WORDS)
    """Positions over which the noise of seed_policy slerp turns into another."""

    control: Annotated[Control, NEIGHBOURS] = "none"
    """A refinement that is wrong on purpose, to compare with: neighbours drawn from the whole
    sequence (shuffled), all neighbours the same frame (constant), no neighbours (no_images) or no
    words (no_text) in refinement."""

    workers: Annotated[int, RUN] = Field(0, ge=0)
    """Threads that compute at the same time; 0: one for each core for which there is memory, or one
    for a GPU. With cluster local, processes; 0: one for each card, or one with a thread for each
    core. The number changes no pixel."""

    cluster: Annotated[Text, Home, RUN] = ""
    """A Dask scheduler whose workers make the frames: its address (tcp://host:8786) or its
    scheduler file (scheduler.json); local: workers on this machine, which end with the run; empty:
    none, this process makes them."""

    limit: Annotated[int, RUN] = Field(0, ge=0, le=MOST_WORDS)
    """Make only the first so many frames; 0: all. A run made with a limit can be extended."""

    reuse_from: Annotated[Text, Home, RUN] = ""
    """The directory of another run; frames there that are also this run's, such as the same first
    pass under another method, are copied. Empty: none."""

    proof: Annotated[ProofKind, RUN] = "full"
    """How frames of an earlier run are verified: every pixel (full), or by the size, time and inode
    of files that were verified before (fast), which damage on the disk itself does not change."""

    def __init__(self, **parameters: Any) -> None:
        try:
            super().__init__(**parameters)
        except ValidationError as error:
            schemas = type(self).model_json_schema()["properties"]
            faults = error.errors()
            problems = dict.fromkeys(describe_problem(f, parameters, schemas) for f in faults)
            actual, hints = ("; ".join(parts) for parts in zip(*problems, strict=True))
            raise ParameterError("a study with these parameters", actual, hints) from None

    @classmethod
    def of(cls, **parameters: Any) -> Self:
        """The study with these parameters and defaults for the rest."""
        return cls(**parameters)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The study of a YAML file that maps parameter names to values."""
        return cls.from_mapping(read_parameters(path), f"parameters from {path}")

    @classmethod
    def from_mapping(cls, parameters: Mapping[str, Any], source: str) -> Self:
        """The study with these parameters; an error names their `source`."""
        try:
            return cls(**parameters)
        except ParameterError as error:
            raise ParameterError(source, error.actual, error.hint) from None

    @classmethod
    def from_cell(cls, namespace: Mapping[str, Any]) -> Self:
        """The study of a notebook's parameters cell: pass `globals()`.

        A mistyped parameter is an error; the user's own variables are left alone.
        """
        parameters = cell_parameters(namespace, cls.model_fields)
        return cls.from_mapping(parameters, NOTEBOOK)

    def replace(self, **parameters: Any) -> Self:
        """The study with these parameters changed, checked like any other."""
        return type(self)(**self.model_dump() | parameters)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """The same as `replace`: pydantic's own would check nothing."""
        return self.replace(**update or {})

    def copy(self, **options: Any) -> Self:  # pyright: ignore  # pydantic's own is deprecated
        """The same as `replace`, with pydantic's `update`."""
        return self.replace(**options.get("update") or {})

    def read_words(self) -> TimedSequence:
        """The words of the sequence, with their times. Raises SequenceError."""
        unit, tier, offset = self.unit, self.tier, self.offset_ms
        return read_timed_sequence(self.sequence, unit=unit, tier=tier, offset_ms=offset)

    def with_sequence(self, path: str | Path) -> Self:
        """The study of the words in a file of flopslab's own format, read as they stand there."""
        return self.replace(sequence=str(path), unit="line", tier="", offset_ms=0)

    def strength(self, pass_number: int) -> float:
        """The share of the schedule that this pass (from 1) runs; all of it in pass 1.

        A strength that is still to follow from `image_weight` counts as UNCALIBRATED.
        """
        if pass_number == 1:
            return 1.0
        if self.denoising_strength is None:
            return UNCALIBRATED
        if isinstance(self.denoising_strength, list):
            return self.denoising_strength[: pass_number - 1][-1]
        return self.denoising_strength

    def pixel_parameters(self) -> dict[str, Any]:
        """Every parameter that changes pixels, by name, JSON-ready."""
        return self.model_dump(exclude={name for name, act in _ACTS.items() if act == RUN})

    def refinement_parameters(self) -> dict[str, Any]:
        """The parameters that act on refinement passes alone, by name, JSON-ready."""
        return self.model_dump(include=set(refinement_names()))


def refinement_names() -> list[str]:
    """The names of the parameters that act on refinement passes alone."""
    return [name for name, act in _ACTS.items() if act.refinement]


def acts_directly(name: str) -> bool:
    """Whether a parameter of refinement is itself part of a frame's recipe."""
    return name not in _ACTS or _ACTS[name].directly


_ACTS: dict[str, ActsOn] = {
    name: act
    for name, field in Study.model_fields.items()
    for act in field.metadata
    if isinstance(act, ActsOn)
}
