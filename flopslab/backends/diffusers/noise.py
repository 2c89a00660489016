"""The noise of a batch: of each frame its own, whoever stands beside it in the batch."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from math import cos, pi, sin
from typing import Any

import torch

from flopslab.core.generator import FrameRequest


class Noise:
    """The random generators of a batch's frames, on the CPU, and where their noise turns to."""

    def __init__(self, requests: Sequence[FrameRequest]) -> None:
        self.generators = [_generator(request.seed) for request in requests]
        self._turns = [request.turn for request in requests]

    def turn(self, noise: torch.Tensor) -> torch.Tensor:
        """The first noise of the batch [n, ...], turned, see `Turn`."""
        rows = list(noise)
        for index, turn in enumerate(self._turns):
            if turn is not None:
                angle, row = turn.share * pi / 2, rows[index]
                other = torch.randn(row.shape, generator=_generator(turn.seed))
                rows[index] = cos(angle) * row + sin(angle) * other.to(row.device, row.dtype)
        return torch.stack(rows)

    @contextmanager
    def drawn_by(self, scheduler: Any) -> Iterator[None]:
        """While it is entered, the scheduler's noise is that of the frames.

        Added to a picture, it is turned. A step that draws noise takes each row's from its own
        generator: the pipelines of SD3 and Flux hand the scheduler none, so that it would draw that
        of a whole batch from torch's global one.
        """
        outer = {name: vars(scheduler).get(name) for name in ("step", "add_noise")}
        if "generator" in inspect.signature(scheduler.step).parameters:
            scheduler.step = partial(scheduler.step, generator=self.generators)
        if hasattr(scheduler, "add_noise"):
            scheduler.add_noise = self._turning(scheduler.add_noise)
        try:
            yield
        finally:
            for name, method in outer.items():
                vars(scheduler).pop(name, None)  # the class has its own
                vars(scheduler).update({name: method} if method else {})

    def _turning(self, add_noise: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        @wraps(add_noise)
        def add(original: torch.Tensor, noise: torch.Tensor, when: torch.Tensor) -> torch.Tensor:
            return add_noise(original, self.turn(noise), when)

        return add


def _generator(seed: int) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)
