"""IP-Adapter: pictures enter the denoiser as image embeddings, beside the words.

Ye et al., "IP-Adapter" (2023). A frame's references become one embedding, their weighted mean:
the projection behind it ends in a LayerNorm, so that an embedding scaled by its weight would
count no less than the others. The frame's budget is the scale of the adapter's attention.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from diffusers.models.embeddings import ImageProjection
from huggingface_hub import snapshot_download
from PIL import Image
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from flopslab.backends.diffusers import loading as weights
from flopslab.core.compositing import Context
from flopslab.errors import ModelError

CACHED = 2048  # embeddings of pictures, 2 KB each, or 650 KB where a hidden layer is read

_KNOWN = "h94/IP-Adapter/models/ip-adapter_sd15.safetensors"


@dataclass(frozen=True)
class AdapterFiles:
    """An adapter on the disk: its weights, and the directory of the image encoder it was made for.

    `processor` is the directory of a CLIPImageProcessor; none: CLIP's usual one.
    """

    adapter: Path
    encoder: Path
    processor: Path | None


def find(name: str, model: Path) -> AdapterFiles:
    """The adapter's files; `name` as in `Study.ip_adapter`, `model` the model's directory.

    The image encoder is the one beside the adapter, else the model's own. Raises ModelError.
    """
    adapter = _locate(name) if name else _own(model)
    asked = f"the IP-Adapter {name or adapter}"
    if adapter.suffix != ".safetensors" or not adapter.is_file():
        remedy = f"give the path of a safetensors file, or one on the hub: {_KNOWN}"
        raise ModelError(asked, f"no safetensors file {adapter}", remedy)
    for directory in (adapter.parent, model):
        if (directory / "image_encoder").is_dir():
            weights.refuse_pickled(asked, directory / "image_encoder")
            processor = directory / "feature_extractor"
            found = processor if processor.is_dir() else None
            return AdapterFiles(adapter, directory / "image_encoder", found)
    remedy = f"put the image encoder that it was made for into {adapter.parent / 'image_encoder'}"
    raise ModelError(asked, f"no image encoder beside it or in {model}", remedy)


def digest(files: AdapterFiles) -> str:
    """SHA-256 (hex) of the contents that determine what the adapter does."""
    total = hashlib.sha256(weights.file_digest(files.adapter).encode())
    for directory in (files.encoder, files.processor):
        for path in sorted(directory.rglob("*")) if directory else ():
            if path.suffix in weights.READ:
                total.update(f"\n{path.name}\0{weights.file_digest(path)}".encode())
    return total.hexdigest()


def load(files: AdapterFiles, pipes: Sequence[DiffusionPipeline]) -> "ImageAdapter":
    """The adapter, on the pipelines (text to image first), which share one UNet.

    Raises ModelError if it is damaged or does not fit.
    """
    pipe, asked = pipes[0], f"the IP-Adapter {files.adapter}"
    if not hasattr(pipe, "unet"):
        remedy = "use Stable Diffusion 1.5 or XL, or another method"
        raise ModelError(asked, f"{type(pipe).__name__}, which has no UNet", remedy)
    try:
        with weights.quiet():
            encoder = CLIPVisionModelWithProjection.from_pretrained(
                files.encoder, dtype=pipe.dtype, use_safetensors=True, local_files_only=True
            ).to(pipe.device)
            weights.check_complete(asked, "image_encoder", encoder, files.encoder)
            own = files.processor and CLIPImageProcessor.from_pretrained(files.processor)
            pipe.image_encoder, pipe.feature_extractor = encoder, own or _processor(encoder)
            pipe.load_ip_adapter(
                str(files.adapter.parent),
                subfolder="",
                weight_name=files.adapter.name,
                image_encoder_folder=None,
                local_files_only=True,
            )
        weights.check_finite(asked, [("image_encoder", encoder), ("unet", pipe.unet)])
    except ModelError:
        raise
    except Exception as error:  # a shape that does not fit comes as any of several
        found = f"it does not fit this model, or is damaged: {weights.first_line(error)}"
        remedy = "take the adapter and the image encoder that were made for this model"
        raise ModelError(asked, found, remedy) from error
    for each in pipes:
        each.prepare_ip_adapter_image_embeds = _one_for_each
    return ImageAdapter(pipe)


class ImageAdapter:
    """An adapter that is loaded. At scale 0 the pictures are those of the model without it."""

    def __init__(self, pipe: DiffusionPipeline) -> None:
        self._pipe = pipe
        projection = pipe.unet.encoder_hid_proj.image_projection_layers[0]
        self._hidden = not isinstance(projection, ImageProjection)  # "plus" reads a hidden layer
        self._known: dict[str, torch.Tensor] = {}  # embeddings of pictures, by their pixels' digest
        _, self._nothing = self._embed(Image.new("RGB", (8, 8)))

    def arguments(self, contexts: Sequence[Context]) -> dict[str, Any]:
        """Arguments of a call: each row gets its own references. All have one `image_weight`."""
        self._pipe.set_ip_adapter_scale(contexts[0].image_weight)
        rows = torch.cat([self._mean(context.references) for context in contexts])
        nothing = self._nothing.expand_as(rows)
        both = torch.cat([nothing, rows])[:, None]  # [2 rows, 1 image, ...]: negatives first
        return {"ip_adapter_image_embeds": [both]}

    def _mean(self, references: Sequence[tuple[Image.Image, float]]) -> torch.Tensor:
        """The weighted mean of the references' embeddings, [1, ...]; nothing if there is none."""
        if not references:
            return self._nothing
        vectors = [weight * self._embedding(image).float() for image, weight in references]
        return sum(vectors).to(self._nothing.dtype)

    def _embedding(self, image: Image.Image) -> torch.Tensor:
        """That of one picture, computed once; the oldest are forgotten, the pictures themselves
        are not kept."""
        name = _digest_of(image)
        if name not in self._known:
            if len(self._known) >= CACHED:
                del self._known[next(iter(self._known))]
            self._known[name], _ = self._embed(image)
        return self._known[name]

    def _embed(self, image: Image.Image) -> tuple[torch.Tensor, torch.Tensor]:
        """The embeddings of the image and of no image, [1, ...]."""
        with torch.no_grad():  # one by one: the same bits whoever stands beside
            return self._pipe.encode_image(image, self._pipe.device, 1, self._hidden)


def _digest_of(image: Image.Image) -> str:
    head = f"{image.mode} {image.size}".encode()
    return hashlib.sha256(head + image.tobytes()).hexdigest()


def _one_for_each(_image, embeds, _device, _count, guided: bool) -> list[torch.Tensor]:
    """In place of diffusers' own, which gives every row of a batch the references of all."""
    if not guided:
        embeds[0] = embeds[0].chunk(2)[1]
    return embeds


def _processor(encoder: CLIPVisionModelWithProjection) -> CLIPImageProcessor:
    size = encoder.config.image_size
    return CLIPImageProcessor(size=size, crop_size=size)


def _own(model: Path) -> Path:
    """The adapter that comes with the model."""
    named = weights.recommended(model).get("ip_adapter")
    if isinstance(named, dict) and named.keys() == {"subfolder", "weight_name"}:
        return model / named["subfolder"] / named["weight_name"]
    if named is None:
        raise ModelError(
            "method ip_adapter",
            f"no IP-Adapter with the model in {model}",
            f"set ip_adapter to a safetensors file made for this model (on the hub: {_KNOWN} for "
            "Stable Diffusion 1.5), or use another method",
        )
    remedy = 'write {"ip_adapter": {"subfolder": ..., "weight_name": ...}}'
    raise ModelError(f"the IP-Adapter that {model / 'flopslab.json'} names", f"{named}", remedy)


def _locate(name: str) -> Path:
    """The file of this path or, as owner/name/path, of a repository on the hub."""
    path = Path(name).expanduser()
    parts = name.split("/")
    if path.exists() or len(parts) < 3 or not name.endswith(".safetensors"):
        return path
    repository, file = "/".join(parts[:2]), "/".join(parts[2:])
    beside = (Path(file).parent / "image_encoder").as_posix()
    try:
        wanted = [file, f"{beside}/*.json", f"{beside}/*.safetensors"]
        return Path(snapshot_download(repository, allow_patterns=wanted)) / file
    except Exception as error:  # the hub fails in many ways, all of them ours to explain
        raise ModelError(
            f"the IP-Adapter {name}",
            f"no file {path.absolute()}, and on the hub: {weights.first_line(error)}",
            "check the spelling and the network (is HF_HUB_OFFLINE set?)",
        ) from error
