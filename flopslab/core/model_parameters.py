"""The parameters of the model and its hardware; the types and marks of all parameters."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Name = Annotated[Text, Field(min_length=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


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
    """The diffusion model: tiny (embedded), a directory, a hub id, or a safetensors file (Stable
    Diffusion 1.5 or XL)."""

    model_configs: Text = ""
    """A directory with the configs for a model in one file, as diffusers lays them out; empty:
    those on the hub."""

    vae: Text = ""
    """Another VAE than the model's: a directory, a safetensors file, or a hub id; empty: the
    model's own."""

    lora: Text | list[Name] = ""
    """A LoRA to add to the model, or a list of several: each a safetensors file, or
    owner/name/file on the hub, with a weight after a colon if it is not 1
    (style.safetensors:0.8)."""

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
