"""The training loop that all parts of the embedded model share: resumable, with an average.

Several processes may run it side by side (torch.distributed): each computes the loss of its own
share of a batch, and all step with the mean of their gradients.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from math import cos, pi
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, distributed, nn
from tqdm.auto import tqdm

_WARM_UP = 100  # steps over which the learning rate rises


def fit(
    name: str,
    module: nn.Module,
    loss_at: Callable[[torch.Generator], Tensor],
    *,
    steps: int,
    rate: float,
    work: Path,
    seed: int = 0,
    average: float = 0.999,
    every: int = 200,
) -> nn.Module:
    """The module with the average of its weights over training (an exponential mean).

    AdamW, cosine decay after a short warm-up. `loss_at` computes the loss of one step with the
    random generator that it is given; each step (and process) has its own, so a training that was
    stopped and started again goes on as if nothing had happened. Checkpoints lie in
    `work/<name>.safetensors`, losses in `work/<name>.csv`. Parameters that need no gradient stay.
    """
    work.mkdir(parents=True, exist_ok=True)
    learning = [weight for weight in module.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=rate, betas=(0.9, 0.99), eps=1e-6)
    mean = {key: value.detach().clone() for key, value in module.state_dict().items()}
    checkpoint = work / f"{name}.safetensors"
    start = _load(checkpoint, module, mean, optimiser) if checkpoint.exists() else 0
    began = time.monotonic()
    rank, processes = _place()
    module.train()
    bar = tqdm(
        range(start, steps), name, initial=start, total=steps, mininterval=5, disable=rank > 0
    )
    for step in bar:
        for group in optimiser.param_groups:
            group["lr"] = rate * _schedule(step, steps)
        drawn = torch.Generator().manual_seed((seed * 1_000_003 + step) * processes + rank)
        loss = loss_at(drawn)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        _share_gradients(learning, processes)
        nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        _average(mean, module, min(average, (step + 1) / (step + 10)))
        if rank > 0:
            continue
        if step % 20 == 0:
            bar.set_postfix(loss=f"{loss.item():.4f}")
            with open(work / f"{name}.csv", "a") as log:
                log.write(f"{step},{loss.item():.6f},{time.monotonic() - began:.1f}\n")
        if (step + 1) % every == 0 or step + 1 == steps:
            _save(checkpoint, module, mean, optimiser, step + 1)
    module.load_state_dict(mean)
    return module.eval()


def _place() -> tuple[int, int]:
    """(which of the processes this is, how many there are)."""
    if not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def _share_gradients(learning: Sequence[nn.Parameter], processes: int) -> None:
    """Replace every gradient by its mean over the processes."""
    if processes == 1:
        return
    gradients = [weight.grad for weight in learning if weight.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    parts = (flat / processes).split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def _schedule(step: int, steps: int) -> float:
    """The share of the full learning rate at a step."""
    return min(1.0, (step + 1) / _WARM_UP) * (0.02 + 0.98 * (1 + cos(pi * step / steps)) / 2)


@torch.no_grad()
def _average(mean: dict[str, Tensor], module: nn.Module, decay: float) -> None:
    for key, value in module.state_dict().items():
        if value.is_floating_point():
            mean[key].lerp_(value, 1 - decay)
        else:
            mean[key].copy_(value)


def _named(optimiser: torch.optim.Optimizer) -> Iterable[tuple[str, Tensor]]:
    for index, state in optimiser.state_dict()["state"].items():
        for key, value in state.items():
            yield f"optimiser.{index}.{key}", value


def _save(
    path: Path,
    module: nn.Module,
    mean: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
    step: int,
) -> None:
    tensors = {f"module.{key}": value for key, value in module.state_dict().items()}
    tensors |= {f"mean.{key}": value for key, value in mean.items()}
    tensors |= dict(_named(optimiser))
    tensors = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    fresh = path.with_suffix(".new")
    save_file(tensors | {"step": torch.tensor(step)}, fresh)
    fresh.replace(path)


def _load(
    path: Path, module: nn.Module, mean: dict[str, Tensor], optimiser: torch.optim.Optimizer
) -> int:
    tensors = load_file(path)
    module.load_state_dict({key: tensors[f"module.{key}"] for key in module.state_dict()})
    for key in mean:
        mean[key] = tensors[f"mean.{key}"]
    whole = optimiser.state_dict()
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, what = key.split(".")
            whole["state"].setdefault(int(index), {})[what] = value
    optimiser.load_state_dict(whole)
    return int(tensors["step"])
