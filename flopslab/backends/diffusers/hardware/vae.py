"""The VAE of a pipeline, fitted to the hardware: any dtype, and a few frames at a time."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import torch

from flopslab.backends.diffusers.hardware.memory import explain_memory_errors

SLICE_PIXELS = 2**18  # that a VAE computes at once: one frame of 512 x 512
WIDTH_BYTES = 40  # of decoding, for a pixel and a channel of the widest layer; measured 28 to 45


def decoding_bytes(vae: Any, pixels: int) -> int:
    """About how many bytes decoding so many pixels at once takes at its peak, in float32."""
    widths = vae.config.get("block_out_channels") or vae.config.get("decoder_block_out_channels")
    return WIDTH_BYTES * (widths[0] if widths else 128) * pixels


def slice_frames(pixels: int) -> int:
    """How many frames of so many pixels a VAE computes at once."""
    return max(SLICE_PIXELS // pixels, 1)


def slice_vae(vae: Any, pixels: int) -> None:
    """Make a VAE take latents and pixels of any dtype, and compute `slice_frames` at a time.

    Slices keep the largest part of a batch's memory, the decoder's, constant. `pixels`: of a frame.
    Errors of memory say that they are the VAE's.
    """
    for name in ("encode", "decode"):
        setattr(vae, name, _sliced(vae, getattr(vae, name), slice_frames(pixels)))


def _sliced(vae: Any, method: Callable, frames: int) -> Callable:
    @wraps(method)
    def compute(batch: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        batch = batch.to(vae.dtype)
        with explain_memory_errors("the VAE"):
            if len(batch) <= frames:
                return method(batch, *arguments, **options)
            parts = [method(part, *arguments, **options) for part in batch.split(frames)]
        return _join(parts)

    return compute


def _join(parts: Sequence[Any]) -> Any:
    """One output for those of slices: a tuple, or a `ModelOutput` of tensors or a distribution."""
    if isinstance(parts[0], tuple):
        return tuple(_join_values(values) for values in zip(*parts, strict=True))
    return type(parts[0])(
        **{name: _join_values([part[name] for part in parts]) for name in parts[0]}
    )


def _join_values(values: Sequence[Any]) -> Any:
    if isinstance(values[0], torch.Tensor):
        return torch.cat(list(values))
    return type(values[0])(torch.cat([value.parameters for value in values]))  # a distribution
