"""The generator that runs a diffusers pipeline: batches of requests in, pictures out.

Noise is drawn on the CPU, by one generator for each frame; torch's global random state and number
of threads are left alone. Every call computes `batch_size` rows, because arithmetic on another
number of rows may differ in the last bit.
"""

import inspect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Self

import torch
from diffusers import DiffusionPipeline
from PIL import Image

from flopslab import weights
from flopslab.conditioning import prompt_encoder, text_vector
from flopslab.errors import ModelError, ParameterError
from flopslab.generator import FrameRequest
from flopslab.params import Study, steps_run
from flopslab.prompts import BASIC_COLOURS, Prompt
from flopslab.settings import DTYPES, best_device, make_scheduler, resolve


class DiffusersGenerator:
    """A `Generator` (see there) made of a diffusers text-to-image pipeline.

    Image to image shares its modules. Made by `load`.
    """

    def __init__(
        self,
        text_to_image: DiffusionPipeline,
        image_to_image: DiffusionPipeline,
        settings: dict[str, Any],
    ) -> None:
        self.settings = settings
        self._text_to_image, self._image_to_image = text_to_image, image_to_image
        self._encoder = prompt_encoder(text_to_image, settings["negative_prompt"])
        self._text_vector = lru_cache(4096)(lambda text: text_vector(text_to_image, text))

    @classmethod
    def load(cls, study: Study, batch_size: int = 0) -> Self:
        """The study's model on the best device there is; see `load_generator`."""
        directory = weights.find(study.model)
        device = best_device()
        pipes = weights.load(directory, device, DTYPES[device.type])
        for pipe in pipes:
            pipe.scheduler = make_scheduler(study.scheduler, pipe.scheduler)
        settings = resolve(study, pipes[0], weights.recommended(directory), batch_size)
        return cls(*pipes, settings | {"model_digest": weights.digest(directory)})

    @property
    def size(self) -> tuple[int, int]:
        return self.settings["width"], self.settings["height"]

    def tokens(self, prompt: Prompt) -> int:
        return self._encoder.tokens(prompt)

    def nearest_colour(self, words: tuple[str, ...]) -> str:
        """No words at all: the colour nearest to the empty text."""
        mean = sum(self._text_vector(word) for word in words or ("",))
        return max(BASIC_COLOURS, key=lambda colour: float(mean @ self._text_vector(colour)))

    def generate(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> list[Image.Image]:
        """See `Generator.generate`. More than a batch of requests makes several calls.

        Raises ParameterError if no step would run, ModelError if memory or the model fails.
        """
        images: dict[int, Image.Image] = {}
        for indices in self._batches(requests):
            missing = self.settings["batch_size"] - len(indices)
            padded = [requests[index] for index in indices + indices[-1:] * missing]
            images |= zip(indices, self._run(padded, strength), strict=False)
        return [images[index] for index in range(len(requests))]

    def _batches(self, requests: Sequence[FrameRequest]) -> Iterator[list[int]]:
        """Indices of requests that one pipeline call can hold: alike in kind and prompt length."""
        groups = defaultdict(list)
        for index, request in enumerate(requests):
            kind = request.context.init is not None, self._encoder.length(request.prompt)
            groups[kind].append(index)
        size = self.settings["batch_size"]
        for group in groups.values():
            yield from (group[start : start + size] for start in range(0, len(group), size))

    @torch.no_grad()
    def _run(self, requests: list[FrameRequest], strength: float) -> list[Image.Image]:
        """One call of a pipeline on exactly one batch, all with an init image or all without."""
        noise = [torch.Generator("cpu").manual_seed(request.seed) for request in requests]
        with _memory_errors_explained(self.settings["batch_size"]):
            if requests[0].context.init is None:
                pipe, start = self._text_to_image, self._start_from_noise(noise)
            else:
                inits = [request.context.init for request in requests]
                pipe, start = self._image_to_image, self._start_from_images(inits, strength)
            names = inspect.signature(pipe.__call__).parameters
            arguments = self._encoder.arguments([request.prompt for request in requests])
            pixels = pipe(
                **start,
                **{name: value for name, value in arguments.items() if name in names},
                num_inference_steps=self.settings["steps"],
                guidance_scale=self.settings["guidance_scale"],
                generator=noise,
                output_type="pt",
            ).images
        if not torch.isfinite(pixels).all():
            asked = f"frames from {self.settings['model']} in {self.settings['dtype']}"
            remedy = "try a smaller guidance_scale, another scheduler or another model"
            raise ModelError(asked, "pixels that are not finite numbers", remedy)
        processor = pipe.image_processor
        return processor.numpy_to_pil(processor.pt_to_numpy(pixels))

    def _start_from_noise(self, noise: list[torch.Generator]) -> dict[str, Any]:
        pipe, (width, height) = self._text_to_image, self.size
        start = {"width": width, "height": height}
        if not hasattr(pipe, "unet"):  # transformers pack their latents: each pipeline its own way
            return start
        scale, channels = pipe.vae_scale_factor, pipe.unet.config.in_channels
        shape = (1, channels, height // scale, width // scale)
        latents = torch.cat([torch.randn(shape, generator=generator) for generator in noise])
        return start | {"latents": latents.to(pipe.device, pipe.unet.dtype)}

    def _start_from_images(self, images: list[Image.Image], strength: float) -> dict[str, Any]:
        steps = self.settings["steps"]
        if steps_run(steps, strength) < 1:
            found = f"{steps} steps, of which strength {strength} runs none"
            raise ParameterError("image to image", found, "raise steps or denoising_strength")
        fitted = [_fit(image, self.size) for image in images]
        start = {"image": self._encode(fitted), "strength": strength}
        size = {"width": self.size[0], "height": self.size[1]}
        names = inspect.signature(self._image_to_image.__call__).parameters
        return start | {name: value for name, value in size.items() if name in names}

    def _encode(self, images: list[Image.Image]) -> torch.Tensor | list[Image.Image]:
        """Latents [n, 4, height / scale, width / scale] of RGB images, with no noise in them.

        diffusers would encode one by one. It takes only latents of 4 channels; for a VAE with
        others, or with a normalisation of its own, it gets the images.
        """
        pipe, vae = self._image_to_image, self._image_to_image.vae
        if vae.config.latent_channels != 4 or vae.config.get("latents_mean") is not None:
            return images
        pixels = pipe.image_processor.preprocess(images).to(vae.device, vae.dtype)
        encoded = vae.encode(pixels)
        tiny = hasattr(encoded, "latents")  # AutoencoderTiny has no distribution
        latents = encoded.latents if tiny else encoded.latent_dist.mode()
        return (latents - (vae.config.get("shift_factor") or 0)) * vae.config.scaling_factor


def _fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    image = image.convert("RGB")
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


@contextmanager
def _memory_errors_explained(batch_size: int) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one; the CPU raises a bare one
        if not any(said in str(error) for said in ("out of memory", "can't allocate memory")):
            raise
        asked = f"a batch of {batch_size} frames"
        remedy = f"set batch_size below {batch_size} (in a new output_dir: it changes pixels)"
        remedy = remedy if batch_size > 1 else "set a smaller width and height"
        raise ModelError(asked, str(error).splitlines()[0], remedy) from error
