"""Prompts to text embeddings: what the denoiser is told, each word with its weight.

A weight w >= 1 moves a token's embedding z away from the embedding z0 that the empty prompt has at
the same place, to z0 + w (z - z0); this is compel's rule. Words are tokenized as they are: no
syntax in them is read, and a name of a special token is text like any other.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import torch
from compel.embeddings_provider import (
    EmbeddingsProvider,
    ReturnedEmbeddingsType,
    SplitLongTextMode,
)
from diffusers import DiffusionPipeline
from transformers import CLIPTextModel

from flopslab.core.prompts import Prompt
from flopslab.errors import ParameterError

CACHED = 1024  # prompts: enough for the next pass to find those of 700 frames

_NOTHING = (("", 1.0),)


class PromptEncoder(Protocol):
    """Turns prompts into arguments of a pipeline's call, the negative prompt among them."""

    def tokens(self, prompt: Prompt) -> int: ...
    def length(self, prompt: Prompt) -> int:
        """Prompts may share a batch if this number is the same for them."""

    def arguments(self, prompts: Sequence[Prompt]) -> dict[str, Any]: ...


def prompt_encoder(pipe: DiffusionPipeline, negative_prompt: str) -> PromptEncoder:
    """The encoder that suits the pipeline: with weights where CLIP conditions a UNet."""
    for name in ("tokenizer", "tokenizer_2", "tokenizer_3"):
        if getattr(pipe, name, None) is not None:
            getattr(pipe, name).split_special_tokens = True
    if negative_prompt and "negative_prompt" not in inspect.signature(pipe.__call__).parameters:
        found = f"{type(pipe).__name__}, which has none"
        raise ParameterError("a negative prompt", found, "leave negative_prompt empty")
    weighs = hasattr(pipe, "unet") and isinstance(
        getattr(pipe, "text_encoder", None), CLIPTextModel
    )
    return (WeightedEncoder if weighs else PlainEncoder)(pipe, negative_prompt)


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A prompt's `rows` [1, tokens, width] and, for SDXL, its `pooled` vector [1, width]."""

    rows: torch.Tensor
    pooled: torch.Tensor | None


class WeightedEncoder:
    """Stable Diffusion 1, 2 and XL: a prompt of any length, in chunks of the encoder's length."""

    def __init__(self, pipe: DiffusionPipeline, negative_prompt: str) -> None:
        pairs = [(pipe.tokenizer, pipe.text_encoder)]
        layer = ReturnedEmbeddingsType.LAST_HIDDEN_STATES_NORMALIZED
        if getattr(pipe, "text_encoder_2", None) is not None:  # SDXL
            pairs.append((pipe.tokenizer_2, pipe.text_encoder_2))
            layer = ReturnedEmbeddingsType.PENULTIMATE_HIDDEN_STATES_NON_NORMALIZED
        self._providers = [
            EmbeddingsProvider(
                tokenizer,
                encoder,
                truncate=False,
                split_long_text_mode=SplitLongTextMode.WORDS,
                returned_embeddings_type=layer,
                model_max_length=min(
                    tokenizer.model_max_length, encoder.config.max_position_embeddings
                ),
            )
            for tokenizer, encoder in pairs
        ]
        self._encode = lru_cache(CACHED)(self._encode_fragments)
        self._empty = self._encode_fragments(_NOTHING)
        self._negative = self._encode_fragments(((negative_prompt, 1.0),))
        if not negative_prompt and pipe.config.get("force_zeros_for_empty_prompt"):  # SDXL base
            self._empty_negative = self._negative = _zeros(self._empty)
        else:
            self._empty_negative = self._empty

    def tokens(self, prompt: Prompt) -> int:
        texts = [text for text, _ in prompt.fragments or _NOTHING]
        ids = self._providers[0].get_token_ids(texts, include_start_and_end_markers=False)
        return sum(map(len, ids))

    def length(self, prompt: Prompt) -> int:
        """Rows of the embedding; the shorter of prompt and negative prompt is padded to it."""
        return max(
            self._encode(prompt.fragments or _NOTHING).rows.shape[1], self._negative.rows.shape[1]
        )

    def arguments(self, prompts: Sequence[Prompt]) -> dict[str, torch.Tensor]:
        """Embeddings [prompts, length, width] for prompts that have one `length`."""
        length = self.length(prompts[0])
        positive = [self._encode(prompt.fragments or _NOTHING) for prompt in prompts]
        negative = [self._negative] * len(prompts)
        named = {
            "prompt_embeds": _stack([_pad(e.rows, self._empty.rows, length) for e in positive]),
            "negative_prompt_embeds": _stack(
                [_pad(e.rows, self._empty_negative.rows, length) for e in negative]
            ),
        }
        if self._negative.pooled is not None:
            named["pooled_prompt_embeds"] = _stack([e.pooled for e in positive])
            named["negative_pooled_prompt_embeds"] = _stack([e.pooled for e in negative])
        return named

    @torch.no_grad()
    def _encode_fragments(self, fragments: tuple[tuple[str, float], ...]) -> Embedding:
        texts, weights = map(list, zip(*fragments, strict=True))
        parts = [
            provider.get_embeddings_for_weighted_prompt_fragments(
                [texts], [weights], device=provider.device
            )
            for provider in self._providers
        ]
        pooled = self._pool(texts, weights) if len(parts) > 1 else None
        return Embedding(torch.cat(parts, dim=-1), pooled)

    def _pool(self, texts: list[str], weights: list[float]) -> torch.Tensor:
        """SDXL's summary vector, the mean over chunks; weights have no part in it."""
        provider = self._providers[-1]
        ids, _, _ = provider.get_token_ids_and_expand_weights(texts, weights, provider.device)
        chunks = ids.reshape(-1, provider.max_token_count)
        return provider.text_encoder(chunks).text_embeds.mean(dim=0, keepdim=True)


class PlainEncoder:
    """Other families (SD3, Flux, ...): the pipeline encodes the text; weights are refused."""

    def __init__(self, pipe: DiffusionPipeline, negative_prompt: str) -> None:
        self._negative = {"negative_prompt": negative_prompt} if negative_prompt else {}
        self._family = type(pipe).__name__
        # The last tokenizer is the one whose encoder reads furthest (T5 where there is one).
        tokenizers = [part for name, part in pipe.components.items() if "tokenizer" in name]
        self._tokenizer = next(part for part in reversed(tokenizers) if part is not None)
        limit = inspect.signature(pipe.__call__).parameters.get("max_sequence_length")
        longest = [self._tokenizer.model_max_length, *([limit.default] if limit else [])]
        self._limit = min(longest) - 2  # start and end

    def tokens(self, prompt: Prompt) -> int:
        return len(self._tokenizer(prompt.text, add_special_tokens=False).input_ids)

    def length(self, prompt: Prompt) -> int:
        return 0

    def arguments(self, prompts: Sequence[Prompt]) -> dict[str, list[str]]:
        for prompt in prompts:
            self._check(prompt)
        texts = {"prompt": [prompt.text for prompt in prompts]}
        return texts | {name: [text] * len(prompts) for name, text in self._negative.items()}

    def _check(self, prompt: Prompt) -> None:
        asked = f"the prompt {prompt.written[:80]!r}"
        if len({weight for _, weight in prompt.fragments}) > 1:
            remedy = "use prompt_style simple or themed with this model"
            raise ParameterError(asked, f"{self._family}, which has no word weights here", remedy)
        if self.tokens(prompt) > self._limit:
            found = f"{self.tokens(prompt)} tokens where {self._family} reads {self._limit}"
            raise ParameterError(asked, found, "use a smaller context_diameter")


@torch.no_grad()
def text_vector(pipe: DiffusionPipeline, text: str) -> torch.Tensor:
    """The direction of a text in the pipeline's (first) text encoder: unit vector [width], fp32.

    A text beyond the encoder's length is judged by its beginning.
    """
    batch = pipe.tokenizer(text, truncation=True, return_tensors="pt").to(pipe.device)
    output = pipe.text_encoder(batch.input_ids)
    for name in ("text_embeds", "pooler_output"):  # CLIP with and without a projection
        if getattr(output, name, None) is not None:
            return torch.nn.functional.normalize(output[name][0].float(), dim=0)
    return torch.nn.functional.normalize(output.last_hidden_state[0].float().mean(0), dim=0)


def _pad(rows: torch.Tensor, chunk: torch.Tensor, length: int) -> torch.Tensor:
    """Rows [1, n, width] followed by as many copies of `chunk` as `length` asks for."""
    missing = (length - rows.shape[1]) // chunk.shape[1]
    return torch.cat([rows, *[chunk] * missing], dim=1)


def _stack(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat(list(tensors), dim=0)


def _zeros(embedding: Embedding) -> Embedding:
    pooled = embedding.pooled
    return Embedding(
        torch.zeros_like(embedding.rows), None if pooled is None else torch.zeros_like(pooled)
    )
