"""What guidance does in the steps of a pipeline's call: it may end, or be rescaled."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline

from flopslab.errors import RunInterrupted

CONDITIONING = ("prompt_embeds", "add_text_embeds", "add_time_ids")  # [negatives, positives]


class GuidanceCutoff:
    """A callback for the steps of one call. Keeps the latents of the last step in `latents`.

    Calls `on_step(number, total)` after each, once the step's kernels are launched: a card may
    still be computing. Steps are counted as they were asked for, though some schedulers evaluate
    the network more often: Heun twice a step, PNDM once more a schedule.

    The share `stop` in (0, 1] of the steps is guided, but at least the first. The later ones
    compute the positive half of the batch alone. (SDCFGCutoffCallback of diffusers keeps a single
    row of any batch.)
    """

    def __init__(
        self,
        stop: float,
        arguments: dict[str, Any],
        interruption: Event,
        steps: int,
        on_step: Callable[[int, int], None] | None = None,
    ) -> None:
        """`arguments`: those of the call, with the list of image embeddings that its loop reads;
        `steps`: how many it runs.

        Once `interruption` is set, the next step raises RunInterrupted.
        """
        self.latents: torch.Tensor | None = None
        self._stop, self._interruption = stop, interruption
        self._steps, self._on_step = steps, on_step
        self._image_embeds = arguments.get("ip_adapter_image_embeds")

    def arguments(self, pipe: DiffusionPipeline) -> dict[str, Any]:
        """The arguments that install this callback in a call of the pipeline.

        PixArt has no `callback_on_step_end`, but an older `callback`; drop what a call has not.
        """
        names = ["latents"]
        if self._stop < 1:
            names += [name for name in CONDITIONING if name in pipe._callback_tensor_inputs]
        return {
            "callback_on_step_end": self,
            "callback_on_step_end_tensor_inputs": names,
            "callback": lambda step, _, latents: self._end_step(pipe, step, latents),
        }

    def __call__(
        self, pipe: DiffusionPipeline, step: int, timestep: torch.Tensor, tensors: dict[str, Any]
    ) -> dict[str, Any]:
        """The tensors that replace those of the loop from the next step on."""
        self._end_step(pipe, step, tensors["latents"])
        last_step = max(round(self._stop * pipe.num_timesteps), 1) - 1
        if step != last_step or self._stop == 1 or not pipe.do_classifier_free_guidance:
            return {}
        pipe._guidance_scale = 1.0  # off for the rest of this call
        if self._image_embeds:
            self._image_embeds[0] = self._image_embeds[0].chunk(2)[1]
        return {name: tensors[name].chunk(2)[1] for name in CONDITIONING if name in tensors}

    def _end_step(self, pipe: DiffusionPipeline, step: int, latents: torch.Tensor) -> None:
        if self._interruption.is_set():
            raise RunInterrupted(f"Interrupted after step {step + 1} of a batch.")
        self.latents = latents
        if self._on_step is not None:
            evaluations = getattr(pipe, "num_timesteps", len(pipe.scheduler.timesteps))
            if number := (step + 1) * self._steps // evaluations:
                self._on_step(number, self._steps)


@contextmanager
def rescaled_guidance(pipe: Any, share: float) -> Iterator[None]:
    """In the `with` block guidance is rescaled by this share, where the call has no such argument.

    Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed" (2023): the guided
    prediction gets the standard deviation of the positive one. It is linear in both halves that
    the UNet predicts, so scaling these scales it.
    """
    if not share or "guidance_rescale" in inspect.signature(pipe.__call__).parameters:
        yield
        return

    def rescale(_: object, __: object, output: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        if not pipe.do_classifier_free_guidance:  # it has ended
            return output
        negative, positive = output[0].chunk(2)
        guided = negative + pipe.guidance_scale * (positive - negative)
        ratio = _deviation(positive) / _deviation(guided)
        return (output[0] * (share * ratio + 1 - share).repeat(2, 1, 1, 1),)

    hook = pipe.unet.register_forward_hook(rescale)
    try:
        yield
    finally:
        hook.remove()


def _deviation(rows: torch.Tensor) -> torch.Tensor:
    """The standard deviation of each row [rows, 1, 1, 1]."""
    return rows.std(dim=(1, 2, 3), keepdim=True)
