"""What happens between the steps of a pipeline's call: guidance may end, latents are kept."""

from typing import Any

import torch
from diffusers import DiffusionPipeline

DOUBLED = ("prompt_embeds", "add_text_embeds", "add_time_ids")  # negatives first, while guided


class StepWatch:
    """Called after each step of one call; `latents` are then what the last step left.

    `share` in (0, 1] of the steps, the first at least, is guided; the others run on the positive
    half of the batch alone. diffusers' own SDCFGCutoffCallback keeps one row of any batch.
    """

    def __init__(self, share: float, arguments: dict[str, Any]) -> None:
        self.latents: torch.Tensor | None = None
        self._share = share
        self._embeds = arguments.get("ip_adapter_image_embeds")  # the list that the loop reads

    def arguments(self, pipe: DiffusionPipeline) -> dict[str, Any]:
        """Arguments of the pipeline's call."""
        names = ["latents"]
        if self._share < 1:
            names += [name for name in DOUBLED if name in pipe._callback_tensor_inputs]
        return {"callback_on_step_end": self, "callback_on_step_end_tensor_inputs": names}

    def __call__(
        self, pipe: DiffusionPipeline, step: int, timestep: torch.Tensor, tensors: dict[str, Any]
    ) -> dict[str, Any]:
        self.latents = tensors["latents"]
        last_guided = max(round(self._share * pipe.num_timesteps), 1) - 1
        if step != last_guided or self._share == 1 or not pipe.do_classifier_free_guidance:
            return {}
        pipe._guidance_scale = 1.0  # off, for the rest of this call
        if self._embeds:
            self._embeds[0] = self._embeds[0].chunk(2)[1]
        return {name: tensors[name].chunk(2)[1] for name in DOUBLED if name in tensors}
