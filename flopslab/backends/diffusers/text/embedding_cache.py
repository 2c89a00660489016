"""Text embeddings of prompts, kept on the CPU for the passes to come."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

CACHE_BYTES = 2**31  # 9,000 prompts of Stable Diffusion in float32
RECENT = 64  # prompts, at least those of a batch

Fragments = tuple[tuple[str, float], ...]  # of a prompt: texts and their weights


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A prompt's `rows` [1, tokens, width] and, for SDXL, its `pooled` vector [1, width]."""

    rows: torch.Tensor
    pooled: torch.Tensor | None

    def cpu(self) -> "Embedding":
        """The same on the CPU."""
        return Embedding(self.rows.cpu(), None if self.pooled is None else self.pooled.cpu())

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(part.nbytes for part in (self.rows, self.pooled) if part is not None)


class EmbeddingCache:
    """Encodes each prompt once, together with those announced after it.

    A full cache keeps what it has. Every pass reads the same prompts in the same order: one that
    dropped the oldest would have dropped each prompt before it is read again.
    """

    def __init__(
        self,
        encode: Callable[[Sequence[Fragments]], Iterator[Embedding]],
        group: int,
        capacity: int = CACHE_BYTES,
    ) -> None:
        """`group`: how many prompts to encode together; `capacity`: bytes."""
        self._encode, self._group, self._room = encode, group, capacity
        self._embeddings: dict[Fragments, Embedding] = {}
        self._recent: dict[Fragments, Embedding] = {}  # those that found no room
        self._pending: dict[Fragments, None] = {}  # announced, in order

    def announce(self, fragments: Fragments) -> None:
        """Note a prompt that will be needed."""
        if fragments not in self._embeddings:
            self._pending[fragments] = None

    def get(self, fragments: Fragments) -> Embedding:
        """The prompt's embedding."""
        if fragments not in self._embeddings and fragments not in self._recent:
            self._fill(fragments)
        return self._embeddings.get(fragments) or self._recent[fragments]

    def _fill(self, first: Fragments) -> None:
        self._pending[first] = None
        start = list(self._pending).index(first)
        group = list(itertools.islice(self._pending, start, start + self._group))
        for fragments, embedding in zip(group, self._encode(group), strict=True):
            del self._pending[fragments]
            self._store(fragments, embedding)

    def _store(self, fragments: Fragments, embedding: Embedding) -> None:
        if embedding.size <= self._room:
            self._embeddings[fragments] = embedding
            self._room -= embedding.size
            return
        if len(self._recent) >= RECENT:
            del self._recent[next(iter(self._recent))]
        self._recent[fragments] = embedding
