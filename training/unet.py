"""The embedded model's UNet: denoises latents of 4 x 16 x 16, given the words."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from tqdm.auto import tqdm
from transformers import CLIPTextModel, CLIPTokenizer

from training.fit import fit
from training.scenes import Scene
from training.text import WIDTH, embed
from training.vae import to_tensor

_EMPTY = 0.1  # the share of pictures that are learned without their words, for guidance


@dataclass(frozen=True)
class Lesson:
    """What the UNet learns from: latents [n, 4, 16, 16] and text states [n, 77, WIDTH], halves.

    `empty` [77, WIDTH] are the text states of the empty prompt.
    """

    latents: Tensor
    states: Tensor
    empty: Tensor

    def save(self, path: Path) -> None:
        fresh = path.with_suffix(".new")
        save_file({name: value.contiguous() for name, value in vars(self).items()}, fresh)
        fresh.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(**load_file(path))


def make_scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise schedule, ending in pure noise: night is dark, snow is white.

    Zero terminal SNR with v-prediction and trailing steps, after Lin et al. 2024
    (https://arxiv.org/abs/2305.08891).
    """
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


def make_unet() -> UNet2DConditionModel:
    """A UNet of three levels (16, 8 and 4 cells a side) that reads the words at 8 and at 4.

    Where each cell is 8 pixels wide there is nothing to read yet, and attention would cost most.
    """
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(64, 128, 160),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


@torch.no_grad()
def prepare(
    scenes: Sequence[Scene],
    pictures: np.ndarray,
    vae: AutoencoderTiny,
    encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    batch: int = 64,
) -> Lesson:
    """The lesson that the scenes' pictures make."""
    latents, states = [], []
    for i in tqdm(range(0, len(scenes), batch), "encoding", mininterval=5):
        latents.append(vae.encode(to_tensor(pictures[i : i + batch])).latents.half())
        prompts = [scene.fragments for scene in scenes[i : i + batch]]
        states.append(embed(encoder, tokenizer, prompts).half())
    empty = embed(encoder, tokenizer, [[]])[0]
    return Lesson(torch.cat(latents), torch.cat(states), empty)


def velocity_loss(
    unet: UNet2DConditionModel,
    scheduler: DDIMScheduler,
    clean: Tensor,
    states: Tensor,
    generator: torch.Generator,
    **conditions: Any,
) -> Tensor:
    """The mean squared error of v (Salimans and Ho 2022, https://arxiv.org/abs/2202.00512)
    told from latents [n, 4, 16, 16] noised to a random degree."""
    noise = torch.randn(clean.shape, generator=generator)
    steps = scheduler.config.num_train_timesteps
    when = torch.randint(steps, (len(clean),), generator=generator)
    noisy = scheduler.add_noise(clean, noise, when)
    told = unet(noisy, when, states, added_cond_kwargs=conditions).sample
    return functional.mse_loss(told, scheduler.get_velocity(clean, noise, when))


def dropped(states: Tensor, empty: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """The conditions [n, ...] with a random share of them replaced by the empty one."""
    unworded = torch.rand(len(states), generator=generator) < share
    return torch.where(unworded.view(-1, *[1] * empty.ndim), empty, states)


def train_unet(lesson: Lesson, work: Path, steps: int, batch: int) -> UNet2DConditionModel:
    """A UNet trained to predict v, `batch` pictures a step in each process."""
    unet, scheduler = make_unet(), make_scheduler()
    unet.set_attn_processor(AttnProcessor())  # learns faster on a CPU than the fused one
    count = len(lesson.latents)

    def loss_at(generator: torch.Generator) -> Tensor:
        index = torch.randint(count, (batch,), generator=generator)
        clean, states = lesson.latents[index].float(), lesson.states[index].float()
        states = dropped(states, lesson.empty, _EMPTY, generator)
        return velocity_loss(unet, scheduler, clean, states, generator)

    return fit("unet", unet, loss_at, steps=steps, rate=1e-3, work=work, average=0.9993)
