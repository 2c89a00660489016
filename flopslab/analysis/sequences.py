"""From a file of words to a sequence: what the command and the notebook share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from flopslab.analysis.text_embeddings import embed_pool
from flopslab.core.parameters import notebook_parameters
from flopslab.errors import ParameterError
from flopslab.words.cues import Unit
from flopslab.words.flopsopoly import build, parse_gap
from flopslab.words.pool import is_pool, read_pool
from flopslab.words.sequence import TimedSequence, read_timed_sequence

Order = Literal["auto", "keep", "flopsopoly"]
ORDERS = ("auto", "keep", "flopsopoly")


@dataclass(frozen=True, slots=True)
class SequenceRequest:
    """How a sequence is made of a file; the parameters of `flopslab words` and its notebook.

    `order`: "keep" that of the file, "flopsopoly" takes the file as a pool and orders it, "auto"
    does so if the file states sizes without times. `unit`, `tier`, `offset_ms`: see `Options`;
    `embeddings`, `model`: see `embed_pool`; the others: see `build`. Raises ParameterError.
    """

    source: str = "full-pool"
    order: Order = "auto"
    unit: Unit = "line"
    tier: str = ""
    offset_ms: int = 0
    embeddings: str = ""
    model: str = "tiny"
    gap_ms: str = "500"
    first_word: str = ""
    repeat: bool = False
    centre: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not type(field.default):
                kind = type(field.default).__name__
                raise ParameterError(f"{field.name}: {kind}", repr(value), f"give a {kind}")
        if self.order not in ORDERS:
            raise ParameterError(
                f"order: {', '.join(ORDERS)}", repr(self.order), "give one of them"
            )
        parse_gap(self.gap_ms)

    @classmethod
    def from_cell(cls, namespace: Mapping[str, Any], *others: str) -> Self:
        """The request of a notebook's parameters cell: pass `globals()`.

        `others`: parameters of the cell that are not of the request. A mistyped one is an error;
        the user's own variables are left alone.
        """
        names = [field.name for field in fields(cls)]
        parameters = notebook_parameters(namespace, [*names, *others])
        own: dict[str, Any] = {name: parameters[name] for name in names if name in parameters}
        if "gap_ms" in own:
            own["gap_ms"] = str(own["gap_ms"])  # papermill hands 500 over as a number
        return cls(**own)

    def make(self, advance: Callable[[int], object] = lambda count: None) -> TimedSequence:
        """The sequence; `advance` as in `build`. Raises SequenceError, ModelError."""
        if self.order == "keep" or (self.order == "auto" and not is_pool(self.source)):
            return read_timed_sequence(
                self.source, unit=self.unit, tier=self.tier, offset_ms=self.offset_ms
            )
        pool = embed_pool(read_pool(self.source, self.unit), self.embeddings, self.model)
        return build(
            pool,
            gap_ms=parse_gap(self.gap_ms),
            first_word=self.first_word,
            no_repeat=not self.repeat,
            centre=self.centre,
            advance=advance,
        )
