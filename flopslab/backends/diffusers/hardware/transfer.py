"""Pixels on their way to a device and back: bytes over the bus, numbers on the device."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image


def upload_pixels(images: Sequence[Image.Image], device: torch.device) -> torch.Tensor:
    """The pixels of RGB images of one size: float32 [n, 3, height, width] in [-1, 1]."""
    levels = torch.from_numpy(np.stack([np.asarray(image) for image in images])).to(device)
    return 2.0 * (levels.permute(0, 3, 1, 2).float() / 255.0) - 1.0


def download_levels(pixels: torch.Tensor) -> tuple[np.ndarray, bool]:
    """(levels, is_finite) of pixels [n, 3, height, width] in [0, 1].

    The levels are uint8 [n, height, width, 3], rounded half to even as diffusers does it.
    `is_finite`: no pixel is NaN or infinite; it travels with them, since every copy is a wait.
    """
    levels = (pixels.permute(0, 2, 3, 1).float() * 255).round().to(torch.uint8)
    is_finite = torch.isfinite(pixels).all().to(torch.uint8)
    data = torch.cat([levels.flatten(), is_finite[None]]).cpu().numpy()
    return data[:-1].reshape(levels.shape), bool(data[-1])
