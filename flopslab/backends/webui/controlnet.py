"""IP-Adapter through the ControlNet extension of a server."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from flopslab.backends.webui.client import Client
from flopslab.core.compositing import Context
from flopslab.errors import ParameterError

LOSS = (
    "the server's IP-Adapter mixes all neighbours alike: distance_weights changes nothing, and its "
    "embeddings are not those of this package's own ip_adapter"
)


@dataclass(frozen=True, slots=True)
class Adapter:
    """An IP-Adapter that a server has."""

    model: str  # its name there, with the start of its hash in brackets
    module: str  # what turns a picture into an embedding

    @property
    def name(self) -> str:
        """What stands in a recipe in the place of a digest."""
        return f"{self.model} by {self.module}"


def find_adapter(client: Client, name: str) -> Adapter | None:
    """The server's IP-Adapter of this name ("" is the first); None if it has none at all.

    Raises ParameterError if it has only others.
    """
    answer = client.find("/controlnet/model_list")
    models = [model for model in (answer or {}).get("model_list", []) if "ip-adapter" in model]
    modules = (client.find("/controlnet/module_list") or {}).get("module_list", [])
    module = next((m for m in ("ip-adapter-auto", "ip-adapter_clip_sd15") if m in modules), "")
    if not models or not module:
        return None
    matches = [model for model in models if name in (model, model.partition(" [")[0], "")]
    if not matches:
        hint = f"use one of {', '.join(models)}"
        raise ParameterError(f"ip_adapter {name!r} on the server", "none of this name", hint)
    return Adapter(matches[0], module)


def adapter_arguments(
    adapter: Adapter, context: Context, encode: Callable[[Image.Image], str]
) -> dict[str, Any]:
    """The part of a request that shows the context's references to the adapter."""
    images = [image for image, _ in context.references]
    unit = {
        "enabled": True,
        "module": adapter.module,
        "model": adapter.model,
        "weight": context.image_weight,
        "image": [{"image": encode(image), "mask": None} for image in images],
        "resize_mode": "Crop and Resize",
        "control_mode": "Balanced",
        "guidance_start": 0.0,
        "guidance_end": 1.0,
        "pixel_perfect": False,
        "processor_res": 512,
        "save_detected_map": False,
    }
    return {"alwayson_scripts": {"ControlNet": {"args": [unit]}}}
