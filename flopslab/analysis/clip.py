"""The embedder that runs a CLIPModel of transformers.

Radford et al., "Learning transferable visual models from natural language supervision", 2021.
"""

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image

# CLIPImageProcessor would be another processor where torchvision is installed.
from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import BaseModelOutputWithPooling

from flopslab.backends.diffusers.hardware.devices import find_device
from flopslab.backends.diffusers.hardware.memory import explain_memory_errors
from flopslab.backends.diffusers.loading import quiet_libraries
from flopslab.errors import FlopslabWarning, ModelError

TINY_CLIP = Path(__file__).parents[1] / "tiny" / "clip"
BATCH_SIZE = 32  # images or texts computed together

_HINT = (
    "give tiny (the embedded model), or the directory of a CLIPModel as transformers saves it: "
    "config.json, model.safetensors, tokenizer, preprocessor_config.json"
)


class ClipEmbedder:
    """An `Embedder` (see there). Create it with `load`."""

    def __init__(
        self,
        model: CLIPModel,
        tokenizer: PreTrainedTokenizerBase,
        processor: CLIPImageProcessorPil,
    ) -> None:
        self._model, self._tokenizer, self._processor = model, tokenizer, processor
        self._max_tokens: int = model.text_model.config.max_position_embeddings

    @classmethod
    def load(cls, name: str) -> Self:
        """The embedder `name`, on the best device there is; see `load_embedder`."""
        directory = TINY_CLIP if name == "tiny" else Path(name).expanduser()
        expected = f"an embedder from {directory}"
        _check_parts(expected, directory)
        try:
            with quiet_libraries():
                model = _load_model(expected, directory)
                tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
                processor = CLIPImageProcessorPil.from_pretrained(directory, local_files_only=True)
        except ModelError:
            raise
        except Exception as error:  # transformers and safetensors share no base class
            raise ModelError(expected, f"{type(error).__name__}: {error}", _HINT) from error
        model.eval()
        with explain_memory_errors("the embedder"):
            model.to(find_device())  # pyright: ignore[reportArgumentType]  # hides self
        return cls(model, tokenizer, processor)

    def images(self, images: Sequence[Image.Image]) -> np.ndarray:
        batches = (images[i : i + BATCH_SIZE] for i in range(0, len(images), BATCH_SIZE))
        return self._concatenate([self._embed_images(batch) for batch in batches])

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        batches = (texts[i : i + BATCH_SIZE] for i in range(0, len(texts), BATCH_SIZE))
        return self._concatenate([self._embed_texts(batch) for batch in batches])

    @torch.no_grad()
    def _embed_images(self, images: Sequence[Image.Image]) -> torch.Tensor:
        batch = self._processor([image.convert("RGB") for image in images], return_tensors="pt")
        pixels = batch.to(self._model.device)["pixel_values"]
        with _full_precision():
            return _projections(self._model.get_image_features(pixel_values=pixels)).cpu()

    @torch.no_grad()
    def _embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        self._warn_of_long(texts)
        options = {"padding": True, "truncation": True, "max_length": self._max_tokens}
        batch = self._tokenizer(list(texts), return_tensors="pt", **options).to(self._model.device)
        ids, mask = batch["input_ids"], batch["attention_mask"]
        with _full_precision():
            output = self._model.get_text_features(input_ids=ids, attention_mask=mask)
            return _projections(output).cpu()

    def _warn_of_long(self, texts: Sequence[str]) -> None:
        lengths = [len(tokens) for tokens in self._tokenizer(list(texts), verbose=False).input_ids]
        if max(lengths) > self._max_tokens:
            message = f"a text of {max(lengths)} tokens is cut to {self._max_tokens} to be embedded"
            warnings.warn(message, FlopslabWarning, stacklevel=4)

    def _concatenate(self, batches: Sequence[torch.Tensor]) -> np.ndarray:
        """[n, d]: unit vectors; without batches [0, d]."""
        empty = torch.empty(0, self._model.visual_projection.out_features)
        vectors = torch.cat([empty, *batches])
        return torch.nn.functional.normalize(vectors, dim=-1).numpy()


@contextmanager
def _full_precision() -> Iterator[None]:
    """Float32 that is float32: by default a card computes convolutions in TF32, of 10 bits."""
    libraries: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    states = [library.allow_tf32 for library in libraries]
    for library in libraries:
        library.allow_tf32 = False
    try:
        yield
    finally:
        for library, state in zip(libraries, states, strict=True):
            library.allow_tf32 = state


def _load_model(expected: str, directory: Path) -> CLIPModel:
    model, report = CLIPModel.from_pretrained(  # pyright: ignore[reportGeneralTypeIssues]  # a pair
        directory,
        dtype=torch.float32,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
    )
    if names := sorted(report["missing_keys"]):  # transformers initialises them at random
        raise ModelError(expected, f"no weights {names[0]}", "fetch or copy the model again")
    return model


def _projections(output: tuple | BaseModelOutputWithPooling) -> torch.Tensor:
    """[n, d]: the embeddings in the space that images and texts share."""
    assert not isinstance(output, tuple)  # it is one only with return_dict=False
    assert output.pooler_output is not None
    return output.pooler_output


def _check_parts(expected: str, directory: Path) -> None:
    """Raise ModelError for what transformers accepts: another kind of model, or no tokenizer."""
    try:
        kind = json.loads((directory / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(expected, f"no readable config.json ({error})", _HINT) from error
    if kind != "clip":
        raise ModelError(expected, f"a model of the type {kind}", _HINT)
    if not any((directory / name).exists() for name in ("tokenizer.json", "vocab.json")):
        raise ModelError(expected, "no tokenizer", _HINT)
