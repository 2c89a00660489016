"""Every parameter of a film: its name, its meaning, its range."""

import difflib
from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from flopslab.core.model_parameters import CHECKED
from flopslab.core.parameters import notebook_parameters
from flopslab.errors import ParameterError

Milliseconds = Annotated[int, Field(ge=1, le=60_000)]
TwoLengths = Annotated[list[Milliseconds], Field(min_length=2, max_length=2)]
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]


class FilmSettings(BaseModel):
    """The parameters of a film, checked. Frozen. Raises ParameterError that names every problem."""

    model_config = CHECKED

    timing: Literal["exact", "fps"] = "exact"
    """Every cut at the millisecond of its word, in a variable frame rate (exact), or on the nearest
    frame of a constant rate (fps)."""

    fps: float = Field(25, ge=1, le=240)
    """Frames a second: of the film (timing fps), or within a transition (timing exact)."""

    transition: Literal["cut", "crossfade", "dissolve", "flow", "morph"] = "cut"
    """How a picture gives way to the next: at once, by mixing, through black, by following the
    motion that an optical flow sees between the two, or, in a run of method latent, by decoding
    what lies between their latents (morph, an experiment: it loads the model)."""

    transition_ms: Milliseconds | TwoLengths = 200
    """How long a transition takes; it ends as the new word begins and takes at most half of the old
    picture's time. A list of two: from the shortest, between words that are alike, to the longest,
    between words that are not."""

    frame_ms: Milliseconds = 500
    """How long a word lasts in a run whose words have no times."""

    end: Literal["longest", "sound", "words"] = "longest"
    """Where the film ends: with the longer of pictures and sound, with the sound, or with the last
    word of the sequence."""

    passes: int | Literal["final", "all", "side"] = "final"
    """The pass to show: the last one (final), one by its number, all of them one after the other
    (all), or all of them side by side (side)."""

    height: int = Field(0, ge=0, le=8192)
    """Height of the film in pixels, before passes are set side by side; 0: that of the pictures."""

    quality: int = Field(20, ge=0, le=51)
    """The encoder's constant rate factor: less is better and larger."""

    preset: Preset = "veryfast"
    """How hard the encoder of an MP4 tries to make the file small."""

    captions: bool = True
    """Write each word as a caption into the film, and beside it as .vtt and .srt."""

    chapters: bool = True
    """Make each word a chapter of the film."""

    preview: Literal["", "webp", "gif"] = ""
    """Write a small moving picture beside the film, for a page that cannot play it."""

    def __init__(self, **names: object) -> None:
        try:
            super().__init__(**names)
        except ValidationError as error:
            problems = dict.fromkeys(_problem(details, names) for details in error.errors())
            actual, hint = ("; ".join(parts) for parts in zip(*problems, strict=True))
            raise ParameterError("a film with these parameters", actual, hint) from None

    @classmethod
    def from_cell(cls, namespace: Mapping[str, object], own: Collection[str] = ()) -> Self:
        """The settings in a notebook's parameters cell: pass `globals()`.

        `own`: parameters of the cell that are the notebook's. A mistyped one is an error; the
        user's own variables are left alone.
        """
        parameters = notebook_parameters(namespace, [*cls.model_fields, *own])
        return cls(**{name: parameters[name] for name in cls.model_fields if name in parameters})

    @property
    def rate(self) -> Fraction:
        """Frames a second as a ratio."""
        return Fraction(self.fps).limit_denominator(1001)


def _problem(details: ErrorDetails, names: Mapping[str, object]) -> tuple[str, str]:
    """What was there and what to do, for one error of pydantic."""
    name = str(details["loc"][0])
    actual = f"{name} = {names[name]!r}"
    if details["type"] != "extra_forbidden":
        return actual, f"{name}: {details['msg'].lower()}"
    fields = list(FilmSettings.model_fields)
    near = difflib.get_close_matches(name.lower(), fields, n=1, cutoff=0.5)
    hint = f"use {near[0]} instead of {name}" if near else f"drop {name}"
    return f"{actual}, which is not a parameter", f"{hint}; there are {', '.join(fields)}"
