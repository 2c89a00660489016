"""Every parameter of a run: its name, its meaning, its range."""

import difflib
from pathlib import Path
from reprlib import repr as short
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flopslab.errors import ParameterError

Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Name = Annotated[Text, Field(min_length=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]

_NOT_PIXELS = {"output_dir", "limit", "passes"}
_IPYTHON = {"In", "Out", "exit", "quit", "get_ipython", "open"}
_LITERALS = (str, int, float, list, tuple, dict, set, type(None))


class Study(BaseModel):
    """The parameters of a run, checked. Frozen; equal if all parameters are equal.

    Raises ParameterError, which names every problem at once and offers the nearest name for one
    that is not known.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    sequence: Name = "demo"
    """The words: a shipped sequence (demo, full), or the path of a JSON or text file."""

    output_dir: Name = "output/demo"
    """The run directory: pass1/, pass2/, ..., final/ and the manifest."""

    passes: int = Field(3, ge=1)
    """How many passes. The first sees words alone; in each later one every frame also looks at its
    neighbours' frames of the pass before."""

    context_diameter: int = Field(10, ge=0)
    """Width of the word window: this many words around a position, half on either side, enter its
    prompt, besides its own."""

    frame_interval: int = Field(1, ge=1)
    """Positions from one frame to the next; 1 makes a frame for every word."""

    boundary: Literal["shift", "clamp"] = "shift"
    """At the ends of the sequence the word window moves inward and keeps its size (shift), or is
    cut (clamp)."""

    prompt_style: Literal["simple", "weighted", "themed"] = "weighted"
    """The words alone (simple), with emphasis by size (weighted), or as '<colour> toned, <words>,
    ethereal, dreamlike' with the basic colour nearest to the words (themed)."""

    prompt_prefix: Text = ""
    """Text before the words of every prompt."""

    prompt_suffix: Text = ""
    """Text after the words of every prompt."""

    negative_prompt: Text = ""
    """What no frame should show."""

    method: Literal["grid", "blend", "latent", "ip_adapter"] = "grid"
    """How neighbouring frames enter a new one: side by side in one image to start from (grid), as
    their distance-weighted mean (blend), as the same in latent space (latent), or as image
    embeddings beside the words (ip_adapter)."""

    kernel: (
        Literal["flat", "triangle", "gaussian"] | Annotated[list[Positive], Field(min_length=1)]
    ) = "triangle"
    """How a neighbour's weight falls with its distance in frames: flat, triangle, gaussian, or a
    list of weights from the centre outwards; grid shows all alike."""

    image_context_multiplier: int = Field(2, ge=0)
    """How many times farther than words images reach; 0: a frame sees only its predecessor."""

    image_weight: float = Field(0.5, ge=0, le=1)
    """Weight of images against words, all neighbours together, in ip_adapter; the other methods
    have none."""

    ip_adapter: Text = ""
    """The IP-Adapter of method ip_adapter: a safetensors file, or owner/name/path of one on the
    hub; empty: the one that comes with the model."""

    denoising_strength: Share | Annotated[list[Share], Field(min_length=1)] = 0.5
    """Share of the steps that a refinement pass runs: a small one stays close to the image it
    starts from, 1 forgets it. A list gives pass 2, 3, ... its own; the last value holds on."""

    colour_anchor: float = Field(0.0, ge=0, le=1)
    """How far a refined frame's colours are led back to those of its first-pass frame; 0: not at
    all, 1: all the way."""

    colour_match: Literal["reinhard", "histogram"] = "reinhard"
    """What colour_anchor matches: mean and spread in Lab (reinhard) or the whole histogram."""

    detail: float = Field(0.0, ge=0)
    """Amount of sharpening (unsharp mask) of what a refinement starts from; 0: none."""

    model: Name = "tiny"
    """The diffusion model: tiny (embedded), a directory, or a hub id."""

    width: int = Field(0, ge=0, multiple_of=8)
    """Width of a frame in pixels; 0: the model's own."""

    height: int = Field(0, ge=0, multiple_of=8)
    """Height of a frame in pixels; 0: the model's own."""

    steps: int = Field(0, ge=0)
    """Denoising steps of a whole generation; 0: what suits the model."""

    guidance_scale: float | None = Field(None, ge=0)
    """How strongly the prompt pulls (classifier-free guidance); none: what suits the model."""

    guidance_stop: Share = 1.0
    """Share of the steps that are guided, from the first; those after it run without guidance, at
    half the cost."""

    scheduler: Text = ""
    """A diffusers scheduler, by short name (ddim, euler, dpm++, ...) or class name; empty: the
    model's own."""

    seed: int = Field(0, ge=0, le=2**63 - 1)
    """The run's seed; every frame of every pass derives its own from it."""

    seed_policy: Literal["per_pass", "fixed"] = "per_pass"
    """Whether a frame's seed changes with the pass (per_pass) or not (fixed: burns artefacts in, a
    known failure, for experiments)."""

    batch_size: int = Field(0, ge=0)
    """Frames computed together; 0: found once, then kept for the run."""

    control: Literal["none", "shuffled", "constant", "no_images", "no_text"] = "none"
    """A refinement that is wrong on purpose, to compare with: neighbours from elsewhere (shuffled),
    all neighbours one and the same frame (constant), no pictures or no words for refinement."""

    limit: int = Field(0, ge=0)
    """Make only the first so many frames; 0: all. A run made with a limit can be extended."""

    def __init__(self, **names: object) -> None:
        try:
            super().__init__(**names)
        except ValidationError as error:
            problems = dict.fromkeys(_problem(found, names) for found in error.errors())
            found, remedies = ("; ".join(parts) for parts in zip(*problems, strict=True))
            raise ParameterError("a study with these parameters", found, remedies) from None

    @classmethod
    def of(cls, **names: object) -> Self:
        """The study with these parameters and defaults for the rest."""
        return cls(**names)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The study of a YAML file that maps parameter names to values."""
        return cls._from(f"parameters from {path}", _load(path))

    @classmethod
    def from_cell(cls, namespace: dict[str, object]) -> Self:
        """The study of a notebook's parameters cell: pass `globals()` right after it.

        Takes the parameters and every other public name with a literal value, so that a mistyped
        parameter is noticed; ignores modules, functions, classes and IPython's own names.
        """
        public = {
            name: value
            for name, value in namespace.items()
            if name in cls.model_fields
            or (not name.startswith("_") and name not in _IPYTHON and isinstance(value, _LITERALS))
        }
        return cls._from("parameters from this notebook", public)

    @classmethod
    def _from(cls, asked: str, names: dict[str, object]) -> Self:
        try:
            return cls(**names)
        except ParameterError as error:
            raise ParameterError(asked, error.found, error.remedy) from None

    def strength(self, number: int) -> float:
        """The share of the steps that pass `number` (from 1) runs; all of them in pass 1."""
        if number == 1 or not isinstance(self.denoising_strength, list):
            return 1.0 if number == 1 else self.denoising_strength
        return self.denoising_strength[: number - 1][-1]

    def pixel_parameters(self) -> dict[str, object]:
        """Every parameter that changes pixels, by name, JSON-ready."""
        return self.model_dump(exclude=_NOT_PIXELS)


def steps_run(steps: int, strength: float) -> int:
    """How many of `steps` an image-to-image pass at this strength runs; may be 0, a mistake.

    The rule of diffusers, float rounding included.
    """
    return min(int(steps * strength), steps)


def _problem(error: dict, given: dict[str, object]) -> tuple[str, str]:
    """(what was found, what to do) for one of pydantic's errors, in our words."""
    name = error["loc"][0]
    found = f"{name} = {short(given[name])}"
    if error["type"] == "extra_forbidden":
        return f"{found}, which is not a parameter", _nearest(name)
    schema = Study.model_json_schema()["properties"][name]
    return found, f"{name} must be {_allowed(schema)}"


def _nearest(name: str) -> str:
    names = list(Study.model_fields)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    return (
        f"use {near[0]} instead of {name}" if near else f"drop {name}; there are {', '.join(names)}"
    )


def _allowed(schema: dict) -> str:
    """What a JSON Schema allows, in words."""
    if "anyOf" in schema:
        return " or ".join(_allowed(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if schema["type"] == "array":
        return f"a list of one or more, each {_allowed(schema['items'])}"
    kinds = {"integer": "a whole number", "number": "a number", "null": "none"}
    limits = {
        "minLength": "that is not empty",
        "exclusiveMinimum": "above {}",
        "minimum": "of at least {}",
        "maximum": "and at most {}",
        "multipleOf": "and a multiple of {}",
    }
    said = [text.format(schema[key]) for key, text in limits.items() if key in schema]
    return " ".join([kinds.get(schema["type"], "readable text"), *said])


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, where PyYAML keeps the last."""

    def construct_mapping(self, node, deep=False):
        seen = []
        for key, _ in node.value:
            if key.value in seen:
                problem = f"{key.value} is given twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.append(key.value)
        return super().construct_mapping(node, deep)


def _load(path: str | Path) -> dict[str, object]:
    asked, remedy = f"parameters from {path}", "write one 'name: value' a line, as in params/"
    try:
        names = yaml.load(Path(path).read_bytes(), _Loader)
    except OSError as error:
        raise ParameterError(asked, error.strerror, "give the path of a YAML file") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        found = f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
        raise ParameterError(asked, found, remedy) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ParameterError(asked, f"no readable YAML: {error}", remedy) from None
    if names is None:
        return {}
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names):
        raise ParameterError(asked, f"no mapping of names, but {short(names)}", remedy)
    return names
