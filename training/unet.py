"""The embedded model's UNet: denoises latents of 4 x 32 x 32, given the words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from torch.nn import functional

from training.fit import fit
from training.text import WIDTH
from training.training_set import MAP, NOTHING, TrainingSet, sample_starts

_EMPTY = 0.1  # the share of pictures that are learned without their words, for guidance
_REFINED = 0.1  # the share that is learned from starts as refinement makes them
_STRENGTHS = (200, 750)  # the timesteps at which such starts are noised
_SIDE = 32  # cells of the latents
_LEVELS = (32, 64, 128, 160)  # channels, from 32 cells a side to 4
_TAUGHT = 0.6  # the share of the steps in which the motif map is learned too
_MAP_WEIGHT = 0.05


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
    """A UNet of four levels (32, 16, 8 and 4 cells a side) that reads the words at 8 and at 4.

    Above, each cell is 4 or 8 pixels wide: there is nothing to read yet, and attention would cost
    most (at 16 a third of the whole).
    """
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=_SIDE,
        block_out_channels=_LEVELS,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


# --- the loss ---------------------------------------------------------------------------------


def sample_timesteps(count: int, steps: int, generator: torch.Generator) -> Tensor:
    """Timesteps [count] in 0 to steps - 1, mostly from the region in which words decide.

    Three in four are logistic-normal (Esser et al. 2024, https://arxiv.org/abs/2403.03206) around
    0.6 of the schedule, the others uniform, so that no timestep is left out.
    """
    here = {"generator": generator, "device": generator.device}
    normal = torch.sigmoid(0.4 + 1.1 * torch.randn(count, **here))
    uniform, choice = torch.rand(count, **here), torch.rand(count, **here) < 0.25
    return (torch.where(choice, uniform, normal) * steps).long().clamp(0, steps - 1)


def velocity_target(scheduler: DDIMScheduler, noisy: Tensor, clean: Tensor, when: Tensor) -> Tensor:
    """The v (Salimans and Ho 2022, https://arxiv.org/abs/2202.00512) that leads from `noisy`
    to `clean`, whatever `noisy` was made from; its timesteps have noise."""
    alpha = scheduler.alphas_cumprod.to(when.device)[when].view(-1, 1, 1, 1)
    signal, noise = alpha.sqrt(), (1 - alpha).sqrt()
    return (signal * noisy - clean) / noise


def _add_noise(scheduler: Any, clean: Tensor, noise: Tensor, when: Tensor) -> Tensor:
    return scheduler.add_noise(clean, noise, when)


def velocity_loss(
    unet: UNet2DConditionModel,
    scheduler: DDIMScheduler,
    clean: Tensor,
    states: Tensor,
    generator: torch.Generator,
    starts: Tensor | None = None,
    **conditions: Any,
) -> Tensor:
    """The mean squared error of v predicted from latents [n, 4, 32, 32] noised to a random degree.

    The first of them are noised from `starts` instead, to the degrees of a refinement. On a card
    the UNet computes in bfloat16.
    """
    device = generator.device
    when = sample_timesteps(len(clean), len(scheduler.alphas_cumprod), generator)
    noise = torch.randn(clean.shape, generator=generator, device=device)
    origin = clean
    if starts is not None:
        count = len(starts)
        when[:count] = torch.randint(*_STRENGTHS, (count,), generator=generator, device=device)
        origin = torch.cat([starts, clean[count:]])
    noisy = _add_noise(scheduler, origin, noise, when)
    target = velocity_target(scheduler, noisy, clean, when)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu"):
        predicted = unet(noisy, when, states, added_cond_kwargs=conditions).sample
    return functional.mse_loss(predicted.float(), target)


def drop_condition(
    states: Tensor, empty: Tensor, share: float, generator: torch.Generator
) -> Tensor:
    """The conditions [n, ...] with a random share of them replaced by the empty one."""
    unworded = torch.rand(len(states), generator=generator, device=generator.device) < share
    return torch.where(unworded.view(-1, *[1] * empty.ndim), empty, states)


class Supervised(nn.Module):
    """A UNet with a head that tells from its middle block which motif stands where.

    The head is thrown away after training: alignment of features helps early and hinders late
    (Wang et al. 2025, https://arxiv.org/abs/2505.16792).
    """

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.unet = unet
        cells = MAP * 2 ** (len(_LEVELS) - 1) // _SIDE  # of the map in a cell of the middle
        self.head = nn.Sequential(
            nn.SiLU(), nn.Conv2d(_LEVELS[-1], cells**2 * (NOTHING + 1), 1), nn.PixelShuffle(cells)
        )
        self.middle: Tensor | None = None
        unet.mid_block.register_forward_hook(self._keep)

    def _keep(self, _: nn.Module, __: Any, output: Tensor) -> None:
        self.middle = output

    def map_loss(self, maps: Tensor) -> Tensor:
        """The cross-entropy of the motif maps [n, MAP, MAP] of what the UNet has just read."""
        assert self.middle is not None, "the UNet has read nothing yet"
        return functional.cross_entropy(self.head(self.middle.float()), maps.long())


def train_unet(
    shard_at: Callable[[int], TrainingSet], work: Path, steps: int, batch: int, device: str = "cpu"
) -> UNet2DConditionModel:
    """A UNet trained to predict v, `batch` pictures a step in each process.

    `shard_at` returns the part of the training set that a step learns from, on the device.
    """
    model, scheduler = Supervised(make_unet()), make_scheduler()
    if device == "cpu":
        model.unet.set_attn_processor(AttnProcessor())  # learns faster there than the fused one
    refined = round(_REFINED * batch)

    def loss_at(generator: torch.Generator, step: int) -> Tensor:
        data = shard_at(step)
        index = torch.randint(len(data), (batch,), generator=generator, device=generator.device)
        walking, starts = sample_starts(data, refined, generator)
        index[:refined] = walking
        clean, states = data.latents[index].float(), data.states[index].float()
        states = drop_condition(states, data.empty.float(), _EMPTY, generator)
        loss = velocity_loss(model.unet, scheduler, clean, states, generator, starts)
        if step < _TAUGHT * steps:
            loss = loss + _MAP_WEIGHT * model.map_loss(data.maps[index])
        return loss

    options: Any = {"rate": 1e-3, "average": 0.9995, "device": device}
    fit("unet", model, loss_at, steps=steps, work=work, **options)
    return model.unet
