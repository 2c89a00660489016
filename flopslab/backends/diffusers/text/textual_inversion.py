"""Textual inversion: learned vectors stand in a prompt where a word is their name.

Gal et al., "An Image is Worth One Word" (2022). Names are looked for in the text, before it is cut
into tokens: whole, in either case, as all words are read. The vectors become further rows of the
text encoder's embedding matrix, which no other text reaches; the vocabulary stays as it is.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from compel.embeddings_provider import EmbeddingsProvider
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from safetensors.torch import load_file
from transformers import CLIPTextModel

from flopslab.errors import ModelError

_XL = {"clip_l", "clip_g"}  # the tensors for SDXL's two text encoders
_UNNAMED = {"emb_params", "clip_l", "clip_g"}  # then the file's name is the word
_HINT = "use a textual inversion that was trained for this family of models"


@dataclass(frozen=True)
class TextualInversion:
    """`vectors` [count, width] for each text encoder, which the word `name` calls."""

    path: Path
    name: str
    vectors: tuple[torch.Tensor, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The one in a sound safetensors file of diffusers, AUTOMATIC1111 or kohya. ModelError."""
        tensors = load_file(path)
        keys = sorted(tensors, reverse=True)  # clip_l before clip_g
        if len(keys) != 1 and set(keys) != _XL:
            actual = f"{len(keys)} tensors ({', '.join(keys[:3])}, ...)"
            hint = "use a file with one tensor, or for SDXL one with clip_l and clip_g"
            raise ModelError(f"the textual inversion {path}", actual, hint)
        name = path.stem if set(keys) <= _UNNAMED else keys[0]
        inversion = cls(path, name, tuple(torch.atleast_2d(tensors[key]) for key in keys))
        inversion._check()
        return inversion

    def check_widths(self, widths: Sequence[int]) -> None:
        """ModelError if text encoders of these widths cannot read the vectors."""
        actual = [rows.shape[1] for rows in self.vectors]
        if actual != list(widths):
            expected = f"the textual inversion {self.path}"
            text = f"vectors of {_join(actual)} numbers; the model reads {_join(widths)}"
            raise ModelError(expected, text, _HINT)

    def _check(self) -> None:
        expected = f"the textual inversion {self.path}"
        if not self.name or re.search(r"\s", self.name):
            hint = "rename the file, or the one tensor in it"
            raise ModelError(expected, f"the name {self.name!r}, which is not one word", hint)
        shapes = [tuple(rows.shape) for rows in self.vectors]
        counts = {shape[0] for shape in shapes}
        if {len(shape) for shape in shapes} != {2} or len(counts) != 1 or counts == {0}:
            raise ModelError(expected, f"tensors of shape {shapes}", _HINT)
        if not all(torch.isfinite(rows).all() for rows in self.vectors):
            actual = "weights that are not finite numbers"
            raise ModelError(expected, actual, "fetch or copy this file again")


def install_inversions(pipe: DiffusionPipeline, inversions: Sequence[TextualInversion]) -> None:
    """Add the vectors to the pipeline's text encoders. ModelError if one does not fit."""
    encoder = getattr(pipe, "text_encoder", None)
    if inversions and not (hasattr(pipe, "unet") and isinstance(encoder, CLIPTextModel)):
        hint = "leave textual_inversion empty, or use Stable Diffusion 1, 2 or XL"
        expected = f"the textual inversion {inversions[0].path}"
        raise ModelError(expected, f"{type(pipe).__name__}, which takes none", hint)
    suffixes = ["", "_2"] if getattr(pipe, "text_encoder_2", None) is not None else [""]
    encoders = [getattr(pipe, f"text_encoder{suffix}") for suffix in suffixes]
    for inversion in inversions:
        inversion.check_widths([e.get_input_embeddings().embedding_dim for e in encoders])
    for index, suffix in enumerate(suffixes if inversions else []):
        rows = {inversion.name: inversion.vectors[index] for inversion in inversions}
        _extend(getattr(pipe, f"tokenizer{suffix}"), encoders[index], rows)


def _extend(tokenizer: Any, encoder: Any, vectors: Mapping[str, torch.Tensor]) -> None:
    """Append the vectors to the encoder's embeddings and tell the tokenizer their rows."""
    embedding = encoder.get_input_embeddings()
    ids, start = {}, embedding.num_embeddings
    for name, rows in vectors.items():
        ids[name] = range(start, start + len(rows))
        start += len(rows)
    old = embedding.weight.detach()
    weight = torch.cat([old, *(rows.to(old.device, old.dtype) for rows in vectors.values())])
    embedding.weight = torch.nn.Parameter(weight, requires_grad=False)
    embedding.num_embeddings = start
    tokenizer.names = Names(ids)
    # Configs of older CLIPs name no end; the largest id would then be taken for it.
    getattr(encoder, "text_model", encoder).eos_token_id = tokenizer.eos_token_id


class Names:
    """The names of textual inversions, and the token ids that each stands for."""

    def __init__(self, ids: Mapping[str, range]) -> None:
        names = sorted(ids, key=len, reverse=True)
        choices = "|".join(f"({re.escape(name)})" for name in names)
        self._pattern = re.compile(rf"(?<!\w)(?:{choices})(?!\w)", re.IGNORECASE)
        self._ids = [ids[name] for name in names]

    def tokenize(self, text: str, tokenize: Callable[[str], list[int]]) -> Iterator[int]:
        """The text's token ids; `tokenize` gives those of what is no name."""
        position = 0
        for match in self._pattern.finditer(text):
            yield from tokenize(text[position : match.start()])
            yield from self._ids[(match.lastindex or 1) - 1]
            position = match.end()
        yield from tokenize(text[position:])

    def inside(self, token_id: int) -> bool:
        """Whether the id is of a vector after which more of the same name follow."""
        return any(token_id in ids[:-1] for ids in self._ids)


def encode_text(tokenizer: Any, text: str) -> torch.Tensor:
    """The text's token ids [1, tokens], between those of start and end, at most the longest."""
    names: Names | None = getattr(tokenizer, "names", None)
    if names is None:
        return tokenizer(text, truncation=True, return_tensors="pt").input_ids
    ids = names.tokenize(text, lambda part: tokenizer(part, add_special_tokens=False).input_ids)
    middle = list(ids)[: tokenizer.model_max_length - 2]
    return torch.tensor([[tokenizer.bos_token_id, *middle, tokenizer.eos_token_id]])


class NamingProvider(EmbeddingsProvider):
    """compel's provider, which reads the names of textual inversions too."""

    @property
    def _names(self) -> Names | None:
        return getattr(self.tokenizer, "names", None)

    def get_token_ids(self, texts: list[str], *arguments: Any, **options: Any) -> list[list[int]]:
        """compel's, with the ids of names; then without start and end."""
        tokenize, names = super().get_token_ids, self._names
        if names is None:
            return tokenize(texts, *arguments, **options)
        return [list(names.tokenize(t, lambda part: tokenize([part], False)[0])) for t in texts]

    def _find_next_best_split_point(
        self, token_ids: list[int], max_length: int, *arguments: Any, **options: Any
    ) -> int:
        """compel's, which asks the tokenizer where words end; no name is split."""
        names = self._names
        if names is None or len(token_ids) <= max_length:
            return super()._find_next_best_split_point(token_ids, max_length, *arguments, **options)
        texts = self.tokenizer.convert_ids_to_tokens(token_ids[:max_length])
        for index in range(max_length, 0, -1):
            text, last = texts[index - 1], token_ids[index - 1]
            if text.endswith("</w>") if text else not names.inside(last):
                return index
        return max_length


def _join(numbers: Sequence[int]) -> str:
    return " and ".join(map(str, numbers))
