"""Where a model's networks are, and when."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Self

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline

from flopslab.backends.diffusers.hardware.compilation import check_compilable
from flopslab.backends.diffusers.hardware.devices import find_device, find_dtype
from flopslab.backends.diffusers.hardware.vae import slice_vae
from flopslab.core.study import Study
from flopslab.errors import ParameterError

VAE_BYTES = 4096  # that decoding a pixel takes, in bf16, at its peak

_TEXT_ENCODERS = ["text_encoder", "text_encoder_2"]


@dataclass(frozen=True)
class Hardware:
    """Where a model computes, and in which numbers."""

    device: torch.device
    dtype: torch.dtype  # of the networks; the VAE has float32 where this is float16
    offload: str = "none"

    @classmethod
    def of(cls, study: Study) -> Self:
        """The hardware that the study asks for. ParameterError if it is not there or unfit."""
        check_compilable(study)
        device = find_device(study.device)
        dtype = find_dtype(study.dtype, device)
        if study.offload != "none" and device.type == "cpu":
            hint = "set offload to none: the model is in the CPU's memory anyway"
            raise ParameterError(f"offload {study.offload}", "no card to offload from", hint)
        return cls(device, dtype, study.offload)

    @property
    def loading_device(self) -> torch.device:
        """Where a model is put when it is loaded: with offload, its parts wait on the CPU."""
        return self.device if self.offload == "none" else torch.device("cpu")

    @property
    def settings(self) -> dict[str, str]:
        """What a generator's settings say of it."""
        is_cuda = self.device.type == "cuda"
        name = torch.cuda.get_device_name(self.device) if is_cuda else self.device.type
        return {"device": name, "dtype": str(self.dtype).removeprefix("torch.")}

    def install(self, pipes: Sequence[DiffusionPipeline], size: tuple[int, int]) -> dict[str, bool]:
        """Prepare loaded pipelines, which share their modules, for this hardware.

        `size`: of a frame, (width, height) in pixels. After the adapter is loaded: offload moves
        the modules that are there. What changes pixels is returned, for the settings.
        """
        vae = pipes[0].vae
        if self.dtype == torch.float16:
            vae.to(torch.float32)  # many VAEs overflow in half precision
        tiles = self._needs_tiles(size) and hasattr(vae, "enable_tiling")
        if tiles:
            vae.enable_tiling()
        slice_vae(vae, size[0] * size[1])
        for pipe in pipes:
            if hasattr(pipe, "unet"):  # a transformer wants its timesteps on its own device
                keep_timesteps_on_cpu(pipe.scheduler)
        for name in {"unet", "vae"} & pipes[0].components.keys():
            # the memory format in which convolutions are fastest, on a card and on a CPU
            getattr(pipes[0], name).to(memory_format=torch.channels_last)
        self._offload(pipes)
        return {"vae_tiling": True} if tiles else {}

    def _needs_tiles(self, size: tuple[int, int]) -> bool:
        """Whether decoding one frame takes more than half of the card's memory."""
        if self.device.type != "cuda":
            return False
        _, total = torch.cuda.mem_get_info(self.device)
        return VAE_BYTES * size[0] * size[1] > total / 2

    def _offload(self, pipes: Sequence[Any]) -> None:
        if self.offload == "none":
            return
        for pipe in pipes:
            if hasattr(pipe, "unet"):  # their encoder moves itself, see `on_device`
                order = str(pipe.model_cpu_offload_seq).split("->")
                parts = [name for name in order if name not in _TEXT_ENCODERS]
                pipe.model_cpu_offload_seq = "->".join(parts)
                pipe._exclude_from_cpu_offload = [*pipe._exclude_from_cpu_offload, *_TEXT_ENCODERS]
        for pipe in pipes:
            pipe.enable_model_cpu_offload(device=self.device)


def keep_timesteps_on_cpu(scheduler: Any) -> None:
    """Make a scheduler keep its tables on the CPU, where reading one waits for no kernel."""
    set_timesteps = type(scheduler).set_timesteps

    @wraps(set_timesteps)  # diffusers reads its signature
    def set_timesteps_on_cpu(*arguments: Any, **options: Any) -> Any:
        return set_timesteps(*arguments, **options | {"device": "cpu"})

    # Of a partial, a deep copy of the scheduler has one of its own; a closure would set this one's.
    scheduler.set_timesteps = partial(set_timesteps_on_cpu, scheduler)


@contextmanager
def on_device(networks: Sequence[torch.nn.Module], device: torch.device) -> Iterator[None]:
    """The networks on the device for a `with` block, and on the CPU after it."""
    for network in networks:
        network.to(device)
    try:
        yield
    finally:
        for network in networks:
            network.to("cpu")
