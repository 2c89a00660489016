"""IP-Adapter: images condition the denoiser as image embeddings, beside the words.

Ye et al., "IP-Adapter" (2023). The references of a frame become one embedding, their weighted
mean. (The projection behind it ends in a LayerNorm, so that scaling a single embedding by its
weight would have no effect.) `image_weight` is the scale of the adapter's attention.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.embeddings import ImageProjection
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from PIL import Image
from safetensors import safe_open
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from flopslab.backends.diffusers import loading
from flopslab.backends.diffusers.hardware.memory import explain_memory_errors
from flopslab.backends.diffusers.loading.digests import (
    component_digest,
    config_digest,
    weight_digests,
)
from flopslab.backends.diffusers.loading.directory import find_file
from flopslab.backends.diffusers.loading.files import Component, read_component
from flopslab.backends.diffusers.loading.networks import (
    check_complete,
    check_files,
    check_finite,
    load_network,
)
from flopslab.backends.diffusers.recommendations import read_recommendations
from flopslab.core.compositing import Context
from flopslab.digests import json_digest, pixel_digest
from flopslab.errors import ModelError

CACHE_SIZE = 2048  # image embeddings: 2 KB each, or 650 KB where a hidden layer is read

_PROCESSOR = "preprocessor_config.json"
_EXAMPLE = "h94/IP-Adapter/models/ip-adapter_sd15.safetensors"


@dataclass(frozen=True)
class AdapterFiles:
    """An adapter on the disk: the file of its weights and its image encoder.

    `processor` is the directory of a CLIPImageProcessor; None stands for CLIP's default.
    """

    adapter: Path
    encoder: Component
    processor: Path | None


def find(name: str, model: Path) -> AdapterFiles:
    """The adapter's files; `name` as in `Study.ip_adapter`, `model` the model's directory.

    The image encoder beside the adapter comes first, then the model's. Raises ModelError.
    """
    name = name or str(_default_adapter(model))
    expected, beside = (
        f"the IP-Adapter {name}",
        ("image_encoder/*.json", "image_encoder/*.safetensors"),
    )
    adapter = find_file("the IP-Adapter", name, _EXAMPLE, beside)
    check_files(expected, [adapter])
    for directory in (adapter.parent, model):
        if (directory / "image_encoder").is_dir():
            kind, path = CLIPVisionModelWithProjection, directory / "image_encoder"
            encoder = read_component(expected, "the image encoder", kind, path)
            processor = directory / "feature_extractor"
            return AdapterFiles(adapter, encoder, processor if processor.is_dir() else None)
    hint = f"put the image encoder that it was trained with into {adapter.parent / 'image_encoder'}"
    raise ModelError(expected, f"no image encoder beside it or in {model}", hint)


def digest(files: AdapterFiles) -> str:
    """SHA-256 (hex) of the contents that determine what the adapter does."""
    processor = files.processor / _PROCESSOR if files.processor else None
    return json_digest(
        {
            "adapter": weight_digests([files.adapter]),
            "encoder": component_digest(files.encoder),
            "processor": config_digest(processor) if processor and processor.is_file() else "",
        }
    )


def load(files: AdapterFiles, pipes: Sequence[DiffusionPipeline]) -> "ImageAdapter":
    """The adapter, loaded into the pipelines (text to image first), which share one UNet.

    Raises ModelError if it is damaged or does not fit.
    """
    text_to_image, expected = pipes[0], f"the IP-Adapter {files.adapter}"
    if not hasattr(text_to_image, "unet"):
        hint = "use Stable Diffusion 1.5 or XL, or another method"
        raise ModelError(expected, f"{type(text_to_image).__name__}, which has no UNet", hint)
    try:
        _install(expected, files, text_to_image)
    except ModelError:
        raise
    except Exception as error:  # shapes that do not fit raise several types
        actual = f"it does not fit this model, or is damaged: {loading.first_line(error)}"
        hint = "use the adapter and the image encoder that were trained for this model"
        raise ModelError(expected, actual, hint) from error
    for pipe in pipes:
        pipe.prepare_ip_adapter_image_embeds = _prepare_row_embeddings
    return ImageAdapter(text_to_image)


class ImageAdapter:
    """A loaded adapter. At scale 0 the images are those of the model without it."""

    def __init__(self, pipe: DiffusionPipeline) -> None:
        self._pipe = pipe
        projection = pipe.unet.encoder_hid_proj.image_projection_layers[0]
        self._hidden = not isinstance(projection, ImageProjection)  # "plus" reads a hidden layer
        self._cache: dict[str, torch.Tensor] = {}  # image embeddings, by pixel digest
        _, self._empty = self._embed(Image.new("RGB", (8, 8)))

    def arguments(self, contexts: Sequence[Context]) -> dict[str, Any]:
        """Arguments of a call: a row of references for each context. All have one `image_weight`.

        The embeddings are [2 rows, 1 image, ...], the negative half first.
        """
        self._pipe.set_ip_adapter_scale(contexts[0].image_weight)
        positive = torch.cat([self._mean(context.references) for context in contexts])
        negative = self._empty.expand_as(positive)
        embeddings = torch.cat([negative, positive])[:, None]
        return {"ip_adapter_image_embeds": [embeddings.to(self._pipe._execution_device)]}

    def _mean(self, references: Sequence[tuple[Image.Image, float]]) -> torch.Tensor:
        """The weighted mean of the references' embeddings, [1, ...]; the empty one without any."""
        if not references:
            return self._empty
        vectors = [weight * self._embedding(image).float() for image, weight in references]
        return sum(vectors, torch.zeros_like(vectors[0])).to(self._empty.dtype)

    def _embedding(self, image: Image.Image) -> torch.Tensor:
        """The image's embedding [1, ...], from the cache if it is there. The image is not kept."""
        key = pixel_digest(image)
        if key not in self._cache:
            if len(self._cache) >= CACHE_SIZE:
                del self._cache[next(iter(self._cache))]  # the oldest
            self._cache[key], _ = self._embed(image)
        return self._cache[key]

    def _embed(self, image: Image.Image) -> tuple[torch.Tensor, torch.Tensor]:
        """The embeddings of the image and of no image, [1, ...], on the CPU."""
        device = self._pipe._execution_device
        # One image a call: its bits do not depend on the others.
        with torch.no_grad(), explain_memory_errors("the IP-Adapter's image encoder"):
            embedding, empty = self._pipe.encode_image(image, device, 1, self._hidden)
        return embedding.cpu(), empty.cpu()


def _prepare_row_embeddings(
    _image: None,
    embeddings: list[torch.Tensor],
    _device: torch.device,
    _images_per_prompt: int,
    guidance: bool,
) -> list[torch.Tensor]:
    """In place of diffusers' own method, which gives every row the references of all rows."""
    if not guidance:
        embeddings[0] = embeddings[0].chunk(2)[1]
    return embeddings


def _install(expected: str, files: AdapterFiles, pipe: DiffusionPipeline) -> None:
    with loading.quiet_libraries():
        encoder: Any = load_network(expected, files.encoder, pipe.dtype)
        _check_width(expected, files, encoder)
        encoder.to(pipe.device)
        pipe.image_encoder, pipe.feature_extractor = encoder, _load_processor(files, encoder)
        pipe.load_ip_adapter(
            str(files.adapter.parent),
            subfolder="",
            weight_name=files.adapter.name,
            image_encoder_folder=None,
            local_files_only=True,
        )
    check_complete(expected, "unet", pipe.unet)
    check_finite(expected, [("image_encoder", encoder), ("unet", pipe.unet)])


def _check_width(
    expected: str, files: AdapterFiles, encoder: CLIPVisionModelWithProjection
) -> None:
    """Raise ModelError if the adapter was trained on embeddings of another width."""
    with safe_open(files.adapter, "pt") as file:
        widths = {name: file.get_slice(name).get_shape()[-1] for name in list(file.keys())}
    config = encoder.config
    for name, width in (
        ("image_proj.proj.weight", config.projection_dim),
        ("image_proj.proj.0.weight", config.hidden_size),  # full face
        ("image_proj.proj_in.weight", config.hidden_size),  # plus: of a hidden layer
    ):
        if widths.get(name, width) != width:
            actual = (
                f"an adapter on image embeddings of width {widths[name]}, beside an image encoder "
                f"of width {width}: {files.encoder.directory}"
            )
            hint = (
                f"put the image encoder that it was trained with into "
                f"{files.adapter.parent / 'image_encoder'}"
            )
            raise ModelError(expected, actual, hint)


def _load_processor(
    files: AdapterFiles, encoder: CLIPVisionModelWithProjection
) -> CLIPImageProcessor:
    if files.processor:
        return CLIPImageProcessor.from_pretrained(files.processor)
    size = encoder.config.image_size
    return CLIPImageProcessor(size=size, crop_size=size)


def _default_adapter(model: Path) -> Path:
    """The file of the adapter that comes with the model."""
    entry = read_recommendations(model).get("ip_adapter")
    if isinstance(entry, dict) and entry.keys() == {"subfolder", "weight_name"}:
        return model / entry["subfolder"] / entry["weight_name"]
    if entry is None:
        raise ModelError(
            "method ip_adapter",
            f"no IP-Adapter with the model in {model}",
            f"set ip_adapter to a safetensors file for this model (on the hub: {_EXAMPLE} for "
            "Stable Diffusion 1.5), or use another method",
        )
    hint = 'write {"ip_adapter": {"subfolder": ..., "weight_name": ...}}'
    raise ModelError(f"the IP-Adapter that {model / 'flopslab.json'} names", f"{entry}", hint)
