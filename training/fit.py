"""The training loop that all parts of the embedded model share: resumable, with an average.

Several processes may run it side by side (torch.distributed): each computes the loss of its own
share of a batch, and all step with the mean of their gradients.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from math import cos, pi
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, distributed, nn

Trained = TypeVar("Trained", bound=nn.Module)

_WARM_UP = 100  # steps over which the learning rate rises
_DECAY = 0.25  # the share of the steps, at the end, over which it falls
_CHECKPOINT = 120  # seconds between checkpoints at most
_REPORT = 30  # seconds between lines of the log


def fit(
    name: str,
    module: Trained,
    loss_at: Callable[[torch.Generator, int], Tensor],
    *,
    steps: int,
    rate: float,
    work: Path,
    seed: int = 0,
    average: float = 0.999,
    every: int = 0,
    device: str = "cpu",
) -> Trained:
    """The module with the average of its weights over training (an exponential mean).

    AdamW; the learning rate rises, stays, and falls over the last quarter, so that a training may
    be given more steps until then. `loss_at` computes the loss of a step on the device, with the
    random generator that it is given; each step (and process) has its own, so a training that was
    stopped and started again goes on as if nothing had happened. The module comes back on the CPU.
    `work/<name>.safetensors` is the checkpoint, written every two minutes (`every`: also after so
    many steps); `work/<name>.csv` holds step, loss, seconds (of this process's CPU, over all
    starts). Parameters that need no gradient stay.
    """
    work.mkdir(parents=True, exist_ok=True)
    module.to(device)
    learning = [weight for weight in module.parameters() if weight.requires_grad]
    fused = device != "cpu"
    optimiser = torch.optim.AdamW(learning, lr=rate, betas=(0.9, 0.99), eps=1e-6, fused=fused)
    mean = {key: value.detach().clone() for key, value in module.state_dict().items()}
    checkpoint = work / f"{name}.safetensors"
    start, spent = _load(checkpoint, module, mean, optimiser) if checkpoint.exists() else (0, 0.0)
    rank, processes = _place()
    log = _Log(name, work, start, steps, spent)
    module.train()
    for step in range(start, steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * _schedule(step, steps)
        generator = torch.Generator(device)
        generator.manual_seed((seed * 1_000_003 + step) * processes + rank)
        loss = loss_at(generator, step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        _share_gradients(learning, processes)
        nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        _average(mean, module, min(average, (step + 1) / (step + 10)))
        if rank == 0 and log.is_due(step, loss.detach(), every):
            _save(checkpoint, module, mean, optimiser, step + 1, log.seconds)
    module.load_state_dict(mean)
    return module.eval().cpu()


class _Log:
    """Writes down how a training goes, and says when a checkpoint is due."""

    def __init__(self, name: str, work: Path, start: int, steps: int, spent: float) -> None:
        self.name, self.path, self.start, self.steps = name, work / f"{name}.csv", start, steps
        self.began, self.cpu = time.monotonic(), time.process_time() - spent
        self.reported = self.saved = self.began
        self.losses: list[Tensor] = []

    @property
    def seconds(self) -> float:
        """CPU seconds of this training over all starts."""
        return time.process_time() - self.cpu

    def is_due(self, step: int, loss: Tensor, every: int) -> bool:
        now, last = time.monotonic(), step + 1 == self.steps
        self.losses.append(loss)
        if last or now - self.reported > _REPORT:
            self._report(step + 1, now)
        due = last or now - self.saved > _CHECKPOINT or (every > 0 and (step + 1) % every == 0)
        self.saved = now if due else self.saved
        return due

    def _report(self, step: int, now: float) -> None:
        mean = float(torch.stack(self.losses).mean())
        hours = (now - self.began) / (step - self.start) * (self.steps - step) / 3600
        with open(self.path, "a") as log:
            log.write(f"{step},{mean:.6f},{self.seconds:.1f}\n")
        clock = time.strftime("%H:%M:%S")
        print(
            f"{clock} {self.name} step {step}/{self.steps} loss {mean:.4f} "
            f"{self.seconds:.0f} CPU s, {hours:.1f} h to go",
            flush=True,
        )
        self.reported, self.losses = now, []


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
    rise = (step + 1) / _WARM_UP
    fall = max(0.0, step / steps - (1 - _DECAY)) / _DECAY
    return min(1.0, rise) * (0.02 + 0.98 * (1 + cos(pi * fall)) / 2)


@torch.no_grad()
def _average(mean: dict[str, Tensor], module: nn.Module, decay: float) -> None:
    current = module.state_dict()
    numbers = [key for key, value in current.items() if value.is_floating_point()]
    weights = [current[key] for key in numbers]
    torch._foreach_lerp_([mean[key] for key in numbers], weights, 1 - decay)  # one launch on a card
    for key in current.keys() - numbers:
        mean[key].copy_(current[key])


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
    seconds: float,
) -> None:
    tensors = {f"module.{key}": value for key, value in module.state_dict().items()}
    tensors |= {f"mean.{key}": value for key, value in mean.items()}
    tensors |= dict(_named(optimiser))
    tensors = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    tensors |= {"step": torch.tensor(step), "seconds": torch.tensor(seconds, dtype=torch.float64)}
    fresh = path.with_suffix(".new")
    save_file(tensors, fresh, {"device": _device_name(next(module.parameters()).device)})
    fresh.replace(path)


def _load(
    path: Path, module: nn.Module, mean: dict[str, Tensor], optimiser: torch.optim.Optimizer
) -> tuple[int, float]:
    """The next step and the CPU seconds spent so far."""
    tensors = load_file(path)
    module.load_state_dict({key: tensors[f"module.{key}"] for key in module.state_dict()})
    for key in mean:
        mean[key].copy_(tensors[f"mean.{key}"])
    whole = optimiser.state_dict()
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, what = key.split(".")
            whole["state"].setdefault(int(index), {})[what] = value
    optimiser.load_state_dict(whole)
    return int(tensors["step"]), float(tensors["seconds"])


def _device_name(device: torch.device) -> str:
    return "CPU" if device.type == "cpu" else torch.cuda.get_device_name(device)


def read_effort(path: Path) -> tuple[int, float, str]:
    """(steps, CPU seconds, the name of the device) of a training by its checkpoint."""
    with safe_open(path, "pt") as checkpoint:
        step, seconds = checkpoint.get_tensor("step"), checkpoint.get_tensor("seconds")
        return int(step), float(seconds), (checkpoint.metadata() or {}).get("device", "CPU")


def averaged(path: Path) -> dict[str, Tensor]:
    """The averaged weights that lie in a checkpoint: a look at a training that goes on."""
    tensors = load_file(path)
    return {
        key.removeprefix("mean."): value
        for key, value in tensors.items()
        if key.startswith("mean.")
    }
