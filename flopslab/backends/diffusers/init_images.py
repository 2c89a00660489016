"""Init images, as latents that an image-to-image pipeline starts from."""

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from flopslab.backends.diffusers import loading
from flopslab.backends.diffusers.hardware.transfer import upload_pixels


def encode_images(
    pipes: tuple[Any, Any], images: Sequence[Image.Image], size: tuple[int, int], dtype: torch.dtype
) -> torch.Tensor | list[Image.Image]:
    """Latents [n, channels, height / scale, width / scale] of images at `size`, without noise.

    `pipes`: text to image, and the image-to-image pipeline that they are for. diffusers would
    encode one by one. A pipeline that takes no latents, or whose VAE has a normalisation of its
    own, gets the images.
    """
    images, pipe = [_fit(image, size) for image in images], pipes[1]
    if not loading.takes_latents(pipes) or pipe.vae.config.get("latents_mean") is not None:
        return images
    vae = pipe.vae
    output = vae.encode(upload_pixels(images, pipe._execution_device))
    is_tiny = hasattr(output, "latents")  # AutoencoderTiny has no distribution
    latents = output.latents if is_tiny else output.latent_dist.mode()
    latents = (latents - (vae.config.get("shift_factor") or 0)) * vae.config.scaling_factor
    return latents.to(dtype)


def _fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    image = image.convert("RGB")
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
