"""The probe that runs a CLIPModel of transformers: Radford et al., "Learning transferable visual
models from natural language supervision", 2021.
"""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from PIL import Image

# not CLIPImageProcessor, which is another one where torchvision is installed
from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel, PreTrainedTokenizerBase

import flopslab
from flopslab.backends.diffusers.loading import quiet
from flopslab.backends.diffusers.settings import best_device
from flopslab.errors import FlopslabWarning, ModelError

EMBEDDED = Path(flopslab.__file__).parent / "tiny" / "clip"
BATCH = 32  # pictures or texts computed together

_REMEDY = (
    "give tiny (the embedded probe), or the directory of a CLIPModel as transformers saves it: "
    "config.json, model.safetensors, tokenizer, preprocessor_config.json"
)


class ClipEmbedder:
    """A `Embedder` (see there). Made by `load`."""

    def __init__(
        self,
        model: CLIPModel,
        tokenizer: PreTrainedTokenizerBase,
        processor: CLIPImageProcessorPil,
    ) -> None:
        self._model, self._tokenizer, self._processor = model, tokenizer, processor
        self._longest = model.config.text_config.max_position_embeddings

    @classmethod
    def load(cls, name: str) -> Self:
        """The probe called `name`, on the best device there is; see `load_embedder`."""
        directory = EMBEDDED if name == "tiny" else Path(name).expanduser()
        asked = f"a probe from {directory}"
        _check_parts(asked, directory)
        try:
            with quiet():
                model, found = CLIPModel.from_pretrained(
                    directory,
                    dtype=torch.float32,
                    use_safetensors=True,
                    local_files_only=True,
                    output_loading_info=True,
                )
                tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
                processor = CLIPImageProcessorPil.from_pretrained(directory, local_files_only=True)
        except Exception as error:  # transformers and safetensors have no common one
            raise ModelError(asked, f"{type(error).__name__}: {error}", _REMEDY) from error
        if missing := sorted(found["missing_keys"]):  # transformers would make them up
            raise ModelError(asked, f"no weights {missing[0]}", "fetch or copy the model again")
        return cls(model.eval().to(best_device()), tokenizer, processor)

    def images(self, images: Sequence[Image.Image]) -> np.ndarray:
        batches = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
        return self._joined([self._of_images(batch) for batch in batches])

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        batches = (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))
        return self._joined([self._of_texts(batch) for batch in batches])

    @torch.inference_mode()
    def _of_images(self, images: Sequence[Image.Image]) -> torch.Tensor:
        pixels = self._processor([image.convert("RGB") for image in images], return_tensors="pt")
        return self._model.get_image_features(**pixels.to(self._model.device)).pooler_output

    @torch.inference_mode()
    def _of_texts(self, texts: Sequence[str]) -> torch.Tensor:
        self._warn_of_long(texts)
        options = {"padding": True, "truncation": True, "max_length": self._longest}
        tokens = self._tokenizer(list(texts), return_tensors="pt", **options)
        return self._model.get_text_features(**tokens.to(self._model.device)).pooler_output

    def _warn_of_long(self, texts: Sequence[str]) -> None:
        lengths = [len(tokens) for tokens in self._tokenizer(list(texts), verbose=False).input_ids]
        if max(lengths) > self._longest:
            cut = f"a text of {max(lengths)} tokens is cut to {self._longest} for the probe"
            warnings.warn(cut, FlopslabWarning, stacklevel=4)

    def _joined(self, batches: Sequence[torch.Tensor]) -> np.ndarray:
        """[n, d]: unit vectors; none is [0, d]."""
        vectors = torch.cat([torch.empty(0, self._model.config.projection_dim), *batches])
        return torch.nn.functional.normalize(vectors.float().cpu(), dim=-1).numpy()


def _check_parts(asked: str, directory: Path) -> None:
    """transformers would take other models for a CLIP, and make up a tokenizer without words."""
    try:
        kind = json.loads((directory / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(asked, f"no readable config.json ({error})", _REMEDY) from error
    if kind != "clip":
        raise ModelError(asked, f"a model of the type {kind}", _REMEDY)
    if not any((directory / name).exists() for name in ("tokenizer.json", "vocab.json")):
        raise ModelError(asked, "no tokenizer", _REMEDY)
