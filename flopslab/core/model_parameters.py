"""The parameters of the model and its hardware; the types and marks of all parameters."""

import os
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

CHECKED = ConfigDict(  # of every class of parameters
    frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
)
LONGEST_TEXT = 10_000  # characters; a text encoder reads a few hundred, a path has at most 4,096
LARGEST_SIDE = 8192  # pixels; Pillow takes a picture of twice as many pixels for an attack
MOST_STEPS = 1000  # noise levels that diffusion models are trained with
MOST_FRAMES = 1024  # in a batch, far more than the memory of any device holds
MOST_GUIDANCE = 1000  # hundreds of times what is used; numbers overflow long before

Text = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=LONGEST_TEXT)]
Name = Annotated[Text, Field(min_length=1)]
Home = AfterValidator(os.path.expanduser)  # of a path, where it begins with ~
Share = Annotated[float, Field(gt=0, le=1)]
Device = Literal[
    "auto", "cpu", "mps", "cuda", "cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:4", "cuda:5",
    "cuda:6", "cuda:7",
]  # fmt: skip
Weight = Annotated[float, Field(gt=0, le=1e6)]  # relative: a sum of them is finite
SchedulerOptions = Text | list[Text] | dict[Text, bool | int | float | Text]


@dataclass(frozen=True)
class ActsOn:
    """What a parameter acts on; without this mark it acts on the pixels of every pass.

    `refinement`: on refinement passes alone. `directly`: it is itself part of a frame's recipe; if
    not, it acts through the frame's neighbours, words and seed, which are.
    """

    refinement: bool = True
    directly: bool = True


def is_server(model: str) -> bool:
    """Whether a `model` is an image server, which is asked over HTTP."""
    return model.startswith(("http://", "https://"))


RUN = ActsOn(refinement=False, directly=False)  # which frames there are and where: on no pixel
REFINEMENT = ActsOn()
NEIGHBOURS = ActsOn(directly=False)


class ModelParameters(BaseModel):
    """The model, what it computes and how; `flopslab.Study` has them with all others."""

    model_config = CHECKED

    model: Annotated[Name, Home] = "tiny"
    """The diffusion model: tiny (embedded), a directory, a hub id, or a safetensors file (Stable
    Diffusion 1.5 or XL)."""

    model_configs: Annotated[Text, Home] = ""
    """A directory with the configs for a model in one file, as diffusers lays them out; empty:
    those on the hub."""

    vae: Annotated[Text, Home] = ""
    """Another VAE than the model's: a directory, a safetensors file, or a hub id; empty: the
    model's own."""

    lora: Text | list[Name] = ""
    """A LoRA to add to the model, or a list of several: each a safetensors file, or
    owner/name/file on the hub, with a weight after a colon if it is not 1
    (style.safetensors:0.8)."""

    textual_inversion: Text | list[Name] = ""
    """A textual inversion to add to the model, or a list of several: each a safetensors file, or
    owner/name/file on the hub. A word calls it by its name: the file's without .safetensors, or the
    one that a file of diffusers holds."""

    width: int = Field(0, ge=0, le=LARGEST_SIDE, multiple_of=8)
    """Width of a frame in pixels; 0: the model's own."""

    height: int = Field(0, ge=0, le=LARGEST_SIDE, multiple_of=8)
    """Height of a frame in pixels; 0: the model's own."""

    steps: int = Field(0, ge=0, le=MOST_STEPS)
    """Denoising steps of a whole generation; 0: what suits the model."""

    guidance_scale: float | None = Field(None, ge=0, le=MOST_GUIDANCE)
    """Scale of classifier-free guidance; none: what suits the model."""

    guidance_stop: Share = 1.0
    """Share of the steps that are guided, from the first; those after it run without guidance, at
    half the cost."""

    guidance_rescale: float = Field(0.0, ge=0, le=1)
    """How far guidance is rescaled to the contrast of the image without it, for models of zero
    terminal signal-to-noise ratio; 0: not at all."""

    scheduler: Text = ""
    """The sampler: a name of docs/settings.md or of a diffusers scheduler class (ddim, euler_a,
    DPM++ 2M Karras, ...); empty: the model's own."""

    scheduler_options: SchedulerOptions = ""
    """Options of the scheduler's class, as a mapping, a list or text of name=value
    (use_karras_sigmas=true, timestep_spacing=trailing); empty: those of the model."""

    clip_skip: int = Field(1, ge=1)
    """The layer of CLIP whose output conditions the model, counted from the last; 1: the model's
    own."""

    batch_size: int = Field(0, ge=0, le=MOST_FRAMES)
    """Frames computed together; 0: found once, then kept for the run."""

    device: Annotated[Device, RUN] = "auto"
    """Where the model runs: cpu, cuda, cuda:1 (the second card), mps (Apple), or the best there is
    (auto)."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """The numbers that the model computes with; auto: float32 on a CPU and on Apple's GPUs, on a
    card bfloat16, or float16 (with the VAE in float32) where it has none."""

    offload: Annotated[Literal["none", "model"], RUN] = "none"
    """What leaves the card while it is not at work, to save memory: nothing (none), or whole
    networks (model)."""

    compile: bool = False
    """Whether the denoiser is compiled for the card (torch.compile): each step is faster, and the
    first takes minutes. It changes the last bits of pixels."""
