"""The parameters of the model and its hardware; the types and marks of all parameters."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Name = Annotated[Text, Field(min_length=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Device = Literal[
    "auto", "cpu", "mps", "cuda", "cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:4", "cuda:5",
    "cuda:6", "cuda:7",
]  # fmt: skip


@dataclass(frozen=True)
class ActsOn:
    """What a parameter acts on; without this mark it acts on the pixels of every pass.

    `refinement`: on refinement passes alone. `directly`: it is itself part of a frame's recipe; if
    not, it acts through the frame's neighbours, words and seed, which are.
    """

    refinement: bool = True
    directly: bool = True


RUN = ActsOn(refinement=False, directly=False)  # which frames there are and where: on no pixel
REFINEMENT = ActsOn()
NEIGHBOURS = ActsOn(directly=False)


class ModelParameters(BaseModel):
    """The model, what it computes and how; `flopslab.Study` has them with all others."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    model: Name = "tiny"
    """The diffusion model: tiny (embedded), a directory, or a hub id."""

    width: int = Field(0, ge=0, multiple_of=8)
    """Width of a frame in pixels; 0: the model's own."""

    height: int = Field(0, ge=0, multiple_of=8)
    """Height of a frame in pixels; 0: the model's own."""

    steps: int = Field(0, ge=0)
    """Denoising steps of a whole generation; 0: what suits the model."""

    guidance_scale: float | None = Field(None, ge=0)
    """Scale of classifier-free guidance; none: what suits the model."""

    guidance_stop: Share = 1.0
    """Share of the steps that are guided, from the first; those after it run without guidance, at
    half the cost."""

    scheduler: Text = ""
    """A diffusers scheduler, by short name (ddim, euler, dpm++, ...) or class name; empty: the
    model's own."""

    batch_size: int = Field(0, ge=0)
    """Frames computed together; 0: found once, then kept for the run."""

    device: Annotated[Device, RUN] = "auto"
    """Where the model runs: cpu, cuda, cuda:1 (the second card), mps (Apple), or the best there is
    (auto)."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """The numbers that the model computes with; auto: float32 on a CPU and on Apple's GPUs, on a
    card bfloat16, or float16 (with the VAE in float32) where it has none."""

    offload: Annotated[Literal["none", "model", "sequential"], RUN] = "none"
    """What leaves the card while it is not at work, to save memory: nothing (none), whole networks
    (model), or every layer (sequential, slow)."""
