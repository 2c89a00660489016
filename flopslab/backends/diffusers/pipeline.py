"""The generator that runs a diffusers pipeline: batches of requests in, images out.

Noise is drawn on the CPU, by one random generator for each frame; torch's global random state and
number of threads stay as they are. Every call computes `batch_size` rows, because arithmetic on
another number of rows may differ in the last bit.
"""

import copy
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from threading import Event
from typing import Any, Self

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from PIL import Image

from flopslab.backends.diffusers import ip_adapter, loading
from flopslab.backends.diffusers.abilities import check_abilities
from flopslab.backends.diffusers.guidance import GuidanceCutoff, rescaled_guidance
from flopslab.backends.diffusers.hardware.batch import probe_batch_size
from flopslab.backends.diffusers.hardware.compilation import compile_denoiser, compile_now
from flopslab.backends.diffusers.hardware.memory import explain_memory_errors, free_memory
from flopslab.backends.diffusers.hardware.placement import Hardware
from flopslab.backends.diffusers.hardware.transfer import download_levels
from flopslab.backends.diffusers.hardware.vae import decoding_bytes, slice_frames
from flopslab.backends.diffusers.init_images import encode_images
from flopslab.backends.diffusers.noise import Noise
from flopslab.backends.diffusers.recommendations import recommend
from flopslab.backends.diffusers.schedulers import choose_schedule, make_scheduler
from flopslab.backends.diffusers.settings import resolve_settings
from flopslab.backends.diffusers.text.conditioning import embed_text, make_prompt_encoder
from flopslab.core.compositing import METHODS, Context
from flopslab.core.generator import Capabilities, FrameRequest
from flopslab.core.prompts import BASIC_COLOURS, Prompt
from flopslab.core.study import Study
from flopslab.errors import ModelError, ParameterError

# Frames of exactly the size that is asked for, and prompts as they are: whether diffusers would
# rewrite them depends on the packages that are installed.
CALL_OPTIONS = {"use_resolution_binning": False, "clean_caption": False}


class DiffusersGenerator:
    """A `Generator` (see there) that runs a diffusers text-to-image pipeline.

    The image-to-image pipeline shares its modules. Create it with `load`.
    """

    def __init__(
        self,
        text_to_image: DiffusionPipeline,
        image_to_image: DiffusionPipeline,
        settings: dict[str, Any],
        image_adapter: ip_adapter.ImageAdapter | None = None,
    ) -> None:
        self.settings = settings
        self._adapter, self._interruption = image_adapter, Event()
        self.on_step: Callable[[int, int], None] | None = None  # see `StepReporter`
        self._dtype = getattr(torch, settings["dtype"])
        self._text_to_image, self._image_to_image = text_to_image, image_to_image
        self._encoder = make_prompt_encoder(
            text_to_image, settings["negative_prompt"], settings["clip_skip"]
        )
        self._text_vectors: dict[str, torch.Tensor] = {}
        self._schedules: dict[tuple[int, float], tuple[int, dict[str, Any]]] = {}

    @classmethod
    def load(cls, study: Study, batch_size: int = 0) -> Self:
        """The study's model on the best device there is; see `load_generator`."""
        hardware, additions = Hardware.of(study), loading.Additions.of(study)
        directory = loading.find(study.model, hardware.dtype)
        free_memory()  # of a generator that nobody uses any more
        with explain_memory_errors("the model"):
            pipes = loading.load(directory, hardware.loading_device, hardware.dtype, additions)
        check_abilities(study, pipes)
        recommendations = recommend(study, pipes[0], directory)
        for pipe in pipes:
            pipe.scheduler = make_scheduler(
                study.scheduler, pipe.scheduler, study.scheduler_options
            )
        settings = resolve_settings(study, pipes[0], recommendations, hardware, batch_size)
        settings |= {"model_digest": loading.digest(directory, additions)} | additions.settings()
        adapter = None
        if METHODS[study.method].weighs_images:
            files = ip_adapter.find(study.ip_adapter, directory)
            settings |= {"ip_adapter_digest": ip_adapter.digest(files)}
            with explain_memory_errors("the IP-Adapter"):
                adapter = ip_adapter.load(files, pipes)
        settings |= hardware.install(pipes, (settings["width"], settings["height"]))
        generator = cls(*pipes, settings, adapter)
        loading.try_out(generator, study)
        if hardware.device.type == "cuda" and not (batch_size or study.batch_size):
            settings["batch_size"] = probe_batch_size(generator._try_batch, settings["batch_size"])
        if study.compile:
            compile_now(generator)
        return generator

    def clone(self) -> Self:
        """See `Generator`. All but the weights is copied: modules keep state during a call."""
        pipes = self._text_to_image, self._image_to_image
        modules = [
            part for part in pipes[0].components.values() if isinstance(part, torch.nn.Module)
        ]
        tensors = [t for m in modules for t in (*m.parameters(), *m.buffers())]
        copies = copy.deepcopy(pipes, {id(tensor): tensor for tensor in tensors})
        adapter = self._adapter and ip_adapter.ImageAdapter(copies[0])
        if self.settings.get("compile"):
            compile_denoiser(copies[0])
        return type(self)(*copies, self.settings, adapter)

    def interrupt(self) -> None:
        """See `Generator`. The batches that begin afterwards are not touched."""
        self._interruption.set()
        self._interruption = Event()

    @property
    def size(self) -> tuple[int, int]:
        return self.settings["width"], self.settings["height"]

    @property
    def capabilities(self) -> Capabilities:
        """Those that differ between families; a study was checked for the others at load."""
        pipes = self._text_to_image, self._image_to_image
        return Capabilities(
            init_image=pipes[0] is not pipes[1],
            latents=loading.takes_latents(pipes),
            turning_noise=hasattr(pipes[0], "unet"),
        )

    @property
    def batch_bytes(self) -> int:
        """About how many bytes a batch takes beside the weights, in float32."""
        pixels = self.size[0] * self.size[1]
        frames = min(self.settings["batch_size"], slice_frames(pixels))
        return decoding_bytes(self._text_to_image.vae, frames * pixels)

    def tokens(self, prompt: Prompt) -> int:
        return self._encoder.tokens(prompt)

    def nearest_colour(self, words: tuple[str, ...]) -> str:
        """See `Generator`. Without words: the colour nearest to the empty text."""
        vectors = [self._text_vector(word) for word in words or ("",)]
        total = sum(vectors, torch.zeros_like(vectors[0]))
        return max(BASIC_COLOURS, key=lambda colour: float(total @ self._text_vector(colour)))

    def _text_vector(self, text: str) -> torch.Tensor:
        """The text's unit vector [width], on the CPU."""
        if text not in self._text_vectors:
            self._text_vectors[text] = embed_text(self._text_to_image, text).cpu()
        return self._text_vectors[text]

    def generate(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> list[Image.Image]:
        return [image for image, _ in self._frames(requests, strength)]

    def generate_with_latents(
        self, requests: Sequence[FrameRequest], strength: float = 1.0
    ) -> tuple[list[Image.Image], list[np.ndarray]]:
        """See `Generator`. More requests than a batch holds take several calls.

        Raises ModelError if memory or the model fails.
        """
        frames = self._frames(requests, strength)
        return [image for image, _ in frames], [latents.float().numpy() for _, latents in frames]

    def _frames(
        self, requests: Sequence[FrameRequest], strength: float
    ) -> list[tuple[Image.Image, torch.Tensor]]:
        """The image of each request and its latents, on the CPU."""
        frames: dict[int, tuple[Image.Image, torch.Tensor]] = {}
        for indices in self._batches(requests):
            padding = self.settings["batch_size"] - len(indices)
            batch = [requests[index] for index in indices + indices[-1:] * padding]
            frames |= zip(indices, zip(*self._run(batch, strength), strict=True), strict=False)
        return [frames[index] for index in range(len(requests))]

    def _try_batch(self, size: int) -> None:
        """Compute two steps and the decoding of a batch of this size; nothing of it is kept."""
        trial = copy.copy(self)
        trial.settings = self.settings | {"batch_size": size, "steps": 2}
        trial._check_finite = lambda _: None
        trial.generate([FrameRequest(Prompt((("sea", 1.0),)), 0)])

    def decode(self, latents: np.ndarray) -> Image.Image:
        """The image of latents [channels, height / scale, width / scale], to look at."""
        vae, processor = self._text_to_image.vae, self._text_to_image.image_processor
        device = self._text_to_image._execution_device
        batch = torch.from_numpy(latents[None]).to(device, vae.dtype)
        shift = vae.config.get("shift_factor") or 0
        with torch.no_grad():
            pixels = vae.decode(batch / vae.config.scaling_factor + shift).sample
        return processor.postprocess(pixels)[0]

    def _batches(self, requests: Sequence[FrameRequest]) -> Iterator[list[int]]:
        """Indices of requests that can share a call: the same kind of start and prompt length."""
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
    ) -> tuple[list[Image.Image], torch.Tensor]:
        """The images of one batch and their latents [batch, channels, height, width]."""
        noise = Noise(requests)
        contexts = [request.context for request in requests]
        size = self.settings["batch_size"]
        hints = [f"set batch_size below {size} (in a new output_dir: it changes pixels)"]
        with explain_memory_errors(f"a batch of {size} frames", *hints[: size > 1]):
            if contexts[0].init is None and contexts[0].latents is None:
                pipe, steps = self._text_to_image, self.settings["steps"]
                start = self._noise_arguments(noise)
            else:
                pipe, (steps, schedule) = self._image_to_image, self._schedule(strength)
                start = self._image_arguments(contexts) | schedule
            arguments = self._encoder.arguments([request.prompt for request in requests])
            arguments |= self._reference_arguments(contexts)
            pixels, latents = self._call(pipe, steps, start, arguments, noise)
            levels, is_finite = download_levels(pixels)
        self._check_finite(is_finite)
        return [Image.fromarray(image) for image in levels], latents.cpu()

    def _call(
        self,
        pipe: DiffusionPipeline,
        steps: int,
        start: dict[str, Any],
        conditioning: dict[str, Any],
        noise: Noise,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels [batch, 3, height, width] in [0, 1] and the latents that they are decoded from."""
        stop, interruption = self.settings["guidance_stop"], self._interruption
        cutoff = GuidanceCutoff(stop, conditioning, interruption, steps, self.on_step)
        arguments = conditioning | cutoff.arguments(pipe)
        rescale = self.settings["guidance_rescale"]
        arguments |= CALL_OPTIONS | {"guidance_rescale": rescale}
        names = inspect.signature(pipe.__call__).parameters
        with noise.drawn_by(pipe.scheduler), rescaled_guidance(pipe, rescale):
            pixels = pipe(  # pyright: ignore[reportCallIssue]  # only its subclasses define __call__
                **start,
                **{name: value for name, value in arguments.items() if name in names},
                guidance_scale=self.settings["guidance_scale"],
                generator=noise.generators,
                output_type="pt",
            ).images
        assert cutoff.latents is not None  # every call runs a step or more
        return pixels, cutoff.latents

    def _check_finite(self, is_finite: bool, /) -> None:
        if not is_finite:
            expected = f"frames from {self.settings['model']} in {self.settings['dtype']}"
            hint = "try a smaller guidance_scale, another scheduler or another model"
            raise ModelError(expected, "pixels that are not finite numbers", hint)

    def _reference_arguments(self, contexts: Sequence[Context]) -> dict[str, Any]:
        if self._adapter is not None:
            return self._adapter.arguments(contexts)
        if any(context.references for context in contexts):
            hint = "load the generator for a study of method ip_adapter"
            raise ParameterError("frames with reference images", "no IP-Adapter loaded", hint)
        return {}

    def _noise_arguments(self, noise: Noise) -> dict[str, Any]:
        pipe, (width, height) = self._text_to_image, self.size
        start = {"width": width, "height": height, "num_inference_steps": self.settings["steps"]}
        if not hasattr(pipe, "unet"):  # each transformer pipeline packs its latents in its own way
            return start
        scale, channels = pipe.vae_scale_factor, pipe.unet.config.in_channels
        shape = (1, channels, height // scale, width // scale)
        latents = noise.turn(torch.cat([torch.randn(shape, generator=g) for g in noise.generators]))
        return start | {"latents": latents.to(pipe._execution_device, self._dtype)}

    def _image_arguments(self, contexts: Sequence[Context]) -> dict[str, Any]:
        pipe = self._image_to_image
        latents = [context.latents for context in contexts if context.latents is not None]
        if latents:
            image = torch.from_numpy(np.stack(latents)).to(pipe._execution_device, self._dtype)
        else:
            images = [context.init for context in contexts if context.init is not None]
            image = encode_images((self._text_to_image, pipe), images, self.size, self._dtype)
        size = {"width": self.size[0], "height": self.size[1]}
        names = inspect.signature(pipe.__call__).parameters
        return {"image": image} | {name: value for name, value in size.items() if name in names}

    def _schedule(self, strength: float) -> tuple[int, dict[str, Any]]:
        """(steps, arguments) of a call that starts from an image at this strength."""
        pipe, steps = self._image_to_image, self.settings["steps"]
        if (steps, strength) not in self._schedules:
            self._schedules[steps, strength] = choose_schedule(pipe, steps, strength)
        return self._schedules[steps, strength]
