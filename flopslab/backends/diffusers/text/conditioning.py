"""Text conditioning: prompts become text embeddings, each word with its weight.

A weight w >= 1 moves the embedding z of a token away from z0, the embedding that the empty prompt
has in the same place, to z0 + w (z - z0). This is compel's rule. Words are tokenized literally:
prompt syntax in them is not parsed, and the name of a special token is plain text.
"""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from compel.embeddings_provider import EmbeddingsProvider, SplitLongTextMode
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from transformers import CLIPTextModel

from flopslab.backends.diffusers.hardware.memory import explain_memory_errors
from flopslab.backends.diffusers.hardware.placement import on_device
from flopslab.backends.diffusers.text.embedding_cache import Embedding, EmbeddingCache, Fragments
from flopslab.backends.diffusers.text.textual_inversion import NamingProvider, encode_text
from flopslab.core.prompts import Prompt
from flopslab.errors import ParameterError

GROUP = 64  # prompts that a text encoder on a card encodes before it leaves it

_EMPTY: Fragments = (("", 1.0),)


class PromptEncoder(Protocol):
    """Turns prompts into arguments of a pipeline's call, the negative prompt included."""

    def tokens(self, prompt: Prompt) -> int:
        """How many tokens the prompt has, start and end not counted."""
        ...

    def length(self, prompt: Prompt) -> int:
        """A number that is equal for prompts that can share a batch."""
        ...

    def arguments(self, prompts: Sequence[Prompt]) -> dict[str, Any]:
        """The arguments for a batch of prompts of equal `length`."""
        ...


def make_prompt_encoder(
    pipe: DiffusionPipeline, negative_prompt: str, clip_skip: int = 1
) -> PromptEncoder:
    """The encoder for this pipeline: with word weights where CLIP conditions a UNet.

    `clip_skip` is the layer of CLIP that is read, from the last; 1 is the model's own. Raises
    ParameterError if the pipeline takes no negative prompt, or CLIP has not so many layers.
    """
    for name in ("tokenizer", "tokenizer_2", "tokenizer_3"):
        if getattr(pipe, name, None) is not None:
            getattr(pipe, name).split_special_tokens = True
    if negative_prompt and not takes_negative_prompt(pipe):
        actual = f"{type(pipe).__name__}, which takes none"
        raise ParameterError("a negative prompt", actual, "leave negative_prompt empty")
    if hasattr(pipe, "unet") and isinstance(getattr(pipe, "text_encoder", None), CLIPTextModel):
        return WeightedEncoder(pipe, negative_prompt, clip_skip)
    return PlainEncoder(pipe, negative_prompt, clip_skip)


def takes_negative_prompt(pipe: DiffusionPipeline) -> bool:
    """Whether a negative prompt acts: guidance compares two predictions (classifier-free).

    Flux would take one and ignore it; guidance is an input of its denoiser, as of LCM's.
    """
    names = inspect.signature(pipe.__call__).parameters
    return "negative_prompt" in names and not has_embedded_guidance(pipe)


def has_embedded_guidance(pipe: DiffusionPipeline) -> bool:
    """Whether the denoiser gets the guidance scale as an input, in one prediction for each step."""
    is_lcm = hasattr(pipe, "unet") and pipe.unet.config.get("time_cond_proj_dim")
    return bool(is_lcm) or "true_cfg_scale" in inspect.signature(pipe.__call__).parameters


class WeightedEncoder:
    """Stable Diffusion 1, 2 and XL: prompts of any length, in chunks that the encoder can read."""

    def __init__(self, pipe: DiffusionPipeline, negative_prompt: str, clip_skip: int = 1) -> None:
        pairs, layer, is_normalized = [(pipe.tokenizer, pipe.text_encoder)], clip_skip, True
        if getattr(pipe, "text_encoder_2", None) is not None:  # SDXL reads the last but one
            pairs.append((pipe.tokenizer_2, pipe.text_encoder_2))
            layer, is_normalized = max(clip_skip, 2), False
        _check_layer(clip_skip, [encoder for _, encoder in pairs])
        self._providers = [_make_provider(*pair, layer, is_normalized) for pair in pairs]
        self._encoders, self._device = [encoder for _, encoder in pairs], pipe._execution_device
        for provider in self._providers:
            provider.device = self._device
        group = 1 if self._device.type == "cpu" else GROUP
        self._cache = EmbeddingCache(self._encode, group)
        self._empty = self._cache.get(_EMPTY)
        self._negative = self._cache.get(((negative_prompt, 1.0),))
        if not negative_prompt and pipe.config.get("force_zeros_for_empty_prompt"):  # SDXL base
            self._empty_negative = self._negative = _zeros_like(self._empty)
        else:
            self._empty_negative = self._empty

    def tokens(self, prompt: Prompt) -> int:
        self._cache.announce(prompt.fragments or _EMPTY)
        texts = [text for text, _ in prompt.fragments or _EMPTY]
        ids = self._providers[0].get_token_ids(texts, include_start_and_end_markers=False)
        return sum(map(len, ids))

    def length(self, prompt: Prompt) -> int:
        """Rows of the embedding; the shorter of prompt and negative prompt is padded to it."""
        return max(
            self._cache.get(prompt.fragments or _EMPTY).rows.shape[1],
            self._negative.rows.shape[1],
        )

    def arguments(self, prompts: Sequence[Prompt]) -> dict[str, torch.Tensor]:
        """Embeddings [prompts, length, width], for SDXL pooled vectors [prompts, width] too."""
        length = self.length(prompts[0])
        positive = [self._cache.get(prompt.fragments or _EMPTY) for prompt in prompts]
        negative = [self._negative] * len(prompts)
        arguments = {
            "prompt_embeds": _stack_rows(positive, self._empty, length),
            "negative_prompt_embeds": _stack_rows(negative, self._empty_negative, length),
        }
        if self._negative.pooled is not None:
            arguments["pooled_prompt_embeds"] = _stack_pooled(positive)
            arguments["negative_pooled_prompt_embeds"] = _stack_pooled(negative)
        return {name: rows.to(self._device) for name, rows in arguments.items()}

    @torch.no_grad()
    def _encode(self, prompts: Sequence[Fragments]) -> Iterator[Embedding]:
        """The prompts' embeddings, on the CPU. Between the calls no text encoder is on a card."""
        with (
            explain_memory_errors("the text encoder"),
            on_device(self._encoders, self._device),
        ):
            for fragments in prompts:
                yield self._encode_fragments(fragments).cpu()

    def _encode_fragments(self, fragments: Fragments) -> Embedding:
        texts, weights = map(list, zip(*fragments, strict=True))
        parts = [_embed_fragments(provider, texts, weights) for provider in self._providers]
        pooled = self._pool(texts, weights) if len(parts) > 1 else None
        return Embedding(torch.cat(parts, dim=-1), pooled)

    def _pool(self, texts: list[str], weights: list[float]) -> torch.Tensor:
        """SDXL's pooled vector [1, width]: the mean over chunks. Weights do not change it."""
        provider = self._providers[-1]
        ids, _, _ = provider.get_token_ids_and_expand_weights(texts, weights, str(provider.device))
        chunks = ids.reshape(-1, provider.max_token_count)
        return provider.text_encoder(chunks).text_embeds.mean(dim=0, keepdim=True)


class PlainEncoder:
    """Other families (SD3, Flux, ...): the pipeline encodes the text; weights are refused."""

    def __init__(self, pipe: DiffusionPipeline, negative_prompt: str, clip_skip: int = 1) -> None:
        self._negative = {"negative_prompt": negative_prompt} if negative_prompt else {}
        self._family = type(pipe).__name__
        self._layer = self._layer_arguments(pipe, clip_skip)
        # The encoder of the last tokenizer reads the longest prompts (T5 where there is one).
        tokenizers = [part for name, part in pipe.components.items() if "tokenizer" in name]
        self._tokenizer = next(part for part in reversed(tokenizers) if part is not None)
        limit = inspect.signature(pipe.__call__).parameters.get("max_sequence_length")
        limits = [self._tokenizer.model_max_length, *([limit.default] if limit else [])]
        self._limit = min(limits) - 2  # start and end

    def tokens(self, prompt: Prompt) -> int:
        """See `PromptEncoder`. Raises ParameterError as `arguments` does: before any frame."""
        self._check(prompt)
        return self._count(prompt)

    def length(self, prompt: Prompt) -> int:
        return 0

    def arguments(self, prompts: Sequence[Prompt]) -> dict[str, Any]:
        """Texts and the layer of CLIP.

        Raises ParameterError for a prompt with word weights or one that is too long.
        """
        for prompt in prompts:
            self._check(prompt)
        texts = {"prompt": [prompt.text for prompt in prompts]}
        texts |= {name: [text] * len(prompts) for name, text in self._negative.items()}
        return texts | self._layer

    def _layer_arguments(self, pipe: DiffusionPipeline, clip_skip: int) -> dict[str, int]:
        """The argument of the call that counts layers from the last but one, SD3's own."""
        if clip_skip == 1:
            return {}
        if "clip_skip" not in inspect.signature(pipe.__call__).parameters:
            actual = f"{self._family}, which reads no layer of CLIP"
            raise ParameterError(f"clip_skip {clip_skip}", actual, "leave clip_skip at 1")
        _check_layer(clip_skip, [pipe.text_encoder, pipe.text_encoder_2])
        return {"clip_skip": clip_skip - 2}

    def _count(self, prompt: Prompt) -> int:
        return len(self._tokenizer(prompt.text, add_special_tokens=False).input_ids)

    def _check(self, prompt: Prompt) -> None:
        expected = f"the prompt {prompt.written[:80]!r}"
        if len({weight for _, weight in prompt.fragments}) > 1:
            actual = f"{self._family}, which has no word weights here"
            hint = "use prompt_style simple or themed with this model"
            raise ParameterError(expected, actual, hint)
        if self._count(prompt) > self._limit:
            actual = f"{self._count(prompt)} tokens, but {self._family} reads {self._limit}"
            raise ParameterError(expected, actual, "use a smaller context_diameter")


@torch.no_grad()
def embed_text(pipe: DiffusionPipeline, text: str) -> torch.Tensor:
    """The text's embedding by the pipeline's first text encoder: a unit vector [width], float32.

    Text beyond the encoder's length is ignored.
    """
    device = pipe._execution_device
    if not hasattr(pipe.text_encoder, "_hf_hook"):  # offload would move it by itself
        pipe.text_encoder.to(device)  # it may have left, see `WeightedEncoder`
    token_ids = encode_text(pipe.tokenizer, text).to(device)
    with explain_memory_errors("the text encoder"):
        output = pipe.text_encoder(token_ids)
    for name in ("text_embeds", "pooler_output"):  # CLIP with and without a projection
        if getattr(output, name, None) is not None:
            return torch.nn.functional.normalize(output[name][0].float(), dim=0)
    return torch.nn.functional.normalize(output.last_hidden_state[0].float().mean(0), dim=0)


class _LayerProvider(NamingProvider):
    """compel's provider, reading any layer of CLIP, where compel knows the last two."""

    def __init__(self, layer: int, is_normalized: bool, *arguments: Any, **options: Any) -> None:
        """`layer`: counted from the last, 1."""
        super().__init__(*arguments, **options)
        self._layer, self._is_normalized = layer, is_normalized

    def _encode_token_ids_to_embeddings(
        self, token_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        output = self.text_encoder(token_ids, attention_mask, output_hidden_states=True)
        if self._layer == 1 and self._is_normalized:
            return output.last_hidden_state  # the norm is part of the encoder
        rows = output.hidden_states[-self._layer]
        norm: Any = getattr(self.text_encoder, "text_model", self.text_encoder).final_layer_norm
        return norm(rows) if self._is_normalized else rows


def _make_provider(
    tokenizer: Any, encoder: Any, layer: int, is_normalized: bool
) -> EmbeddingsProvider:
    limit = min(tokenizer.model_max_length, encoder.config.max_position_embeddings)
    return _LayerProvider(
        layer,
        is_normalized,
        tokenizer,
        encoder,
        truncate=False,
        split_long_text_mode=SplitLongTextMode.WORDS,
        model_max_length=limit,
    )


def _check_layer(clip_skip: int, encoders: Sequence[Any]) -> None:
    """Raise ParameterError if one of the encoders has fewer layers."""
    count = min(encoder.config.num_hidden_layers for encoder in encoders)
    if clip_skip > count:
        hint = f"set clip_skip to {count} or less"
        raise ParameterError(f"clip_skip {clip_skip}", f"a CLIP of {count} layers", hint)


def _embed_fragments(
    provider: EmbeddingsProvider, texts: list[str], weights: list[float]
) -> torch.Tensor:
    """[1, tokens, width]: the embedding of one prompt's fragments."""
    embeddings = provider.get_embeddings_for_weighted_prompt_fragments(
        [texts], [weights], device=str(provider.device)
    )
    assert isinstance(embeddings, torch.Tensor)  # a pair only if it should return tokens too
    return embeddings


def _stack_rows(embeddings: Sequence[Embedding], empty: Embedding, length: int) -> torch.Tensor:
    """[embeddings, length, width]: shorter ones are padded with chunks of the empty prompt."""
    return torch.cat([_pad(embedding.rows, empty.rows, length) for embedding in embeddings])


def _pad(rows: torch.Tensor, chunk: torch.Tensor, length: int) -> torch.Tensor:
    count = (length - rows.shape[1]) // chunk.shape[1]
    return torch.cat([rows, *[chunk] * count], dim=1)


def _stack_pooled(embeddings: Sequence[Embedding]) -> torch.Tensor:
    return torch.cat([e.pooled for e in embeddings if e.pooled is not None])


def _zeros_like(embedding: Embedding) -> Embedding:
    pooled = embedding.pooled
    return Embedding(
        torch.zeros_like(embedding.rows), None if pooled is None else torch.zeros_like(pooled)
    )
