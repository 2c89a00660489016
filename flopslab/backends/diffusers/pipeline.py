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

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from flopslab.backends.diffusers import ip_adapter as adapter
from flopslab.backends.diffusers import loading as weights
from flopslab.backends.diffusers.conditioning import prompt_encoder, text_vector
from flopslab.backends.diffusers.guidance import StepWatch
from flopslab.backends.diffusers.ip_adapter import ImageAdapter
from flopslab.backends.diffusers.settings import DTYPES, best_device, make_scheduler, resolve
from flopslab.core.compositing import METHODS, Context
from flopslab.core.generator import FrameRequest
from flopslab.core.prompts import BASIC_COLOURS, Prompt
from flopslab.core.study import Study, step_count
from flopslab.errors import ModelError, ParameterError


class DiffusersGenerator:
    """A `Generator` (see there) made of a diffusers text-to-image pipeline.

    Image to image shares its modules. Made by `load`.
    """

    def __init__(
        self,
        text_to_image: DiffusionPipeline,
        image_to_image: DiffusionPipeline,
        settings: dict[str, Any],
        image_adapter: ImageAdapter | None = None,
    ) -> None:
        self.settings = settings
        self._adapter = image_adapter
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
        settings |= {"model_digest": weights.digest(directory)}
        _require_unet(study, pipes[0])
        if not METHODS[study.method].weighs_images:
            return cls(*pipes, settings)
        files = adapter.find(study.ip_adapter, directory)
        settings |= {"ip_adapter_digest": adapter.digest(files)}
        return cls(*pipes, settings, adapter.load(files, pipes))

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
        return self.generate_with_latents(requests, strength)[0]

    def generate_with_latents(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> tuple[list[Image.Image], list[np.ndarray]]:
        """See `Generator`. More than a batch of requests makes several calls.

        Raises ParameterError if no step would run, ModelError if memory or the model fails.
        """
        images: dict[int, Image.Image] = {}
        latents: dict[int, np.ndarray] = {}
        for indices in self._batches(requests):
            missing = self.settings["batch_size"] - len(indices)
            padded = [requests[index] for index in indices + indices[-1:] * missing]
            made, decoded_from = self._run(padded, strength)
            images |= zip(indices, made, strict=False)
            latents |= zip(indices, decoded_from, strict=False)
        order = range(len(requests))
        return [images[index] for index in order], [latents[index] for index in order]

    def decode(self, latents: np.ndarray) -> Image.Image:
        """The picture that latents [4, height / scale, width / scale] stand for, to look at."""
        vae, processor = self._text_to_image.vae, self._text_to_image.image_processor
        scaled = torch.from_numpy(latents[None]).to(vae.device, vae.dtype)
        shift = vae.config.get("shift_factor") or 0
        with torch.no_grad():
            pixels = vae.decode(scaled / vae.config.scaling_factor + shift).sample
        return processor.postprocess(pixels)[0]

    def _batches(self, requests: Sequence[FrameRequest]) -> Iterator[list[int]]:
        """Indices of requests that one pipeline call can hold: alike in kind and prompt length."""
        groups = defaultdict(list)
        for index, request in enumerate(requests):
            context, length = request.context, self._encoder.length(request.prompt)
            start = context.init is not None, context.latents is not None
            groups[*start, context.image_weight, length].append(index)
        size = self.settings["batch_size"]
        for group in groups.values():
            yield from (group[start : start + size] for start in range(0, len(group), size))

    @torch.no_grad()
    def _run(
        self, requests: list[FrameRequest], strength: float
    ) -> tuple[list[Image.Image], np.ndarray]:
        """One call of a pipeline on exactly one batch, all starting from the same kind of thing.

        The images and their latents [batch, channels, height, width].
        """
        noise = [torch.Generator("cpu").manual_seed(request.seed) for request in requests]
        contexts = [request.context for request in requests]
        with _memory_errors_explained(self.settings["batch_size"]):
            if contexts[0].init is None and contexts[0].latents is None:
                pipe, start = self._text_to_image, self._start_from_noise(noise)
            else:
                pipe, start = self._image_to_image, self._start_from(contexts, strength)
            arguments = self._encoder.arguments([request.prompt for request in requests])
            arguments |= self._look_at(contexts)
            watch = StepWatch(self.settings["guidance_stop"], arguments)
            arguments |= watch.arguments(pipe)
            names = inspect.signature(pipe.__call__).parameters
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
        images = processor.numpy_to_pil(processor.pt_to_numpy(pixels))
        return images, watch.latents.float().cpu().numpy()

    def _look_at(self, contexts: Sequence[Context]) -> dict[str, Any]:
        if self._adapter is not None:
            return self._adapter.arguments(contexts)
        if any(context.references for context in contexts):
            remedy = "load the generator for a study of method ip_adapter"
            raise ParameterError("frames that look at images", "no IP-Adapter loaded", remedy)
        return {}

    def _start_from_noise(self, noise: list[torch.Generator]) -> dict[str, Any]:
        pipe, (width, height) = self._text_to_image, self.size
        start = {"width": width, "height": height}
        if not hasattr(pipe, "unet"):  # transformers pack their latents: each pipeline its own way
            return start
        scale, channels = pipe.vae_scale_factor, pipe.unet.config.in_channels
        shape = (1, channels, height // scale, width // scale)
        latents = torch.cat([torch.randn(shape, generator=generator) for generator in noise])
        return start | {"latents": latents.to(pipe.device, pipe.unet.dtype)}

    def _start_from(self, contexts: Sequence[Context], strength: float) -> dict[str, Any]:
        steps = self.settings["steps"]
        if step_count(steps, strength) < 1:
            found = f"{steps} steps, of which strength {strength} runs none"
            raise ParameterError("image to image", found, "raise steps or denoising_strength")
        if contexts[0].latents is None:
            image = self._encode([_fit(context.init, self.size) for context in contexts])
        else:
            stack = torch.from_numpy(np.stack([context.latents for context in contexts]))
            image = stack.to(self._image_to_image.device, self._image_to_image.dtype)
        start = {"image": image, "strength": strength}
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


def _require_unet(study: Study, pipe: DiffusionPipeline) -> None:
    """ParameterError if the study asks for what only a UNet on latents of 4 channels can do."""
    method = METHODS[study.method]
    asked = {
        f"method {study.method}": method.takes_latents or method.weighs_images,
        f"guidance_stop {study.guidance_stop}": study.guidance_stop < 1,
    }
    asked = [name for name, needed in asked.items() if needed]
    if asked and not (hasattr(pipe, "unet") and pipe.vae.config.latent_channels == 4):
        found = f"{type(pipe).__name__}, with {pipe.vae.config.latent_channels} latent channels"
        remedy = f"use Stable Diffusion 1.5, 2 or XL, or leave out {' and '.join(asked)}"
        raise ParameterError(" and ".join(asked), found, remedy)


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
