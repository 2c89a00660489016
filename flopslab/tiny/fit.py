"""The training loop that all parts of the embedded model share: resumable, with an average."""

import time
from collections.abc import Callable, Iterable
from math import cos, pi
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
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
    random generator that it is given; each step has its own, so a training that was stopped
    and started again goes on as if nothing had happened. Checkpoints lie in
    `work/<name>.safetensors`, losses in `work/<name>.csv`.
    """
    work.mkdir(parents=True, exist_ok=True)
    optimiser = torch.optim.AdamW(module.parameters(), lr=rate, betas=(0.9, 0.99), eps=1e-6)
    mean = {key: value.detach().clone() for key, value in module.state_dict().items()}
    checkpoint = work / f"{name}.safetensors"
    start = _load(checkpoint, module, mean, optimiser) if checkpoint.exists() else 0
    began = time.monotonic()
    module.train()
    bar = tqdm(range(start, steps), name, initial=start, total=steps, mininterval=5)
    for step in bar:
        for group in optimiser.param_groups:
            group["lr"] = rate * _schedule(step, steps)
        loss = loss_at(torch.Generator().manual_seed(seed * 1_000_003 + step))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        _average(mean, module, min(average, (step + 1) / (step + 10)))
        if step % 20 == 0:
            bar.set_postfix(loss=f"{loss.item():.4f}")
            with open(work / f"{name}.csv", "a") as log:
                log.write(f"{step},{loss.item():.6f},{time.monotonic() - began:.1f}\n")
        if (step + 1) % every == 0 or step + 1 == steps:
            _save(checkpoint, module, mean, optimiser, step + 1)
    module.load_state_dict(mean)
    return module.eval()


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
