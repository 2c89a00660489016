"""The design of a propagation experiment: where words are changed, in which runs."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from flopslab.core.parameters import NOTEBOOK, notebook_parameters
from flopslab.core.study import Study
from flopslab.core.windows import Windowing
from flopslab.errors import ParameterError
from flopslab.experiments.changes import Change, Replace
from flopslab.experiments.sweep import axis_values, file_name
from flopslab.runs import layout
from flopslab.words.sequence import SHIPPED, Word, read_timed_sequence

Item = TypeVar("Item")

MOST_PLACEBOS = 100


@dataclass(frozen=True)
class Design:
    """A study, and which words are changed in it. Raises ParameterError."""

    study: Study
    new_word: str | Sequence[str] = "fire"
    """What a changed word becomes; of several, each in turn."""

    changes: int = 3
    """How many words are changed, each in a run of its own."""

    control_changes: int = 1
    """How many of them are changed under each control too."""

    seeds: int = 1
    """How many run seeds the changes are spread over, from the study's own upwards."""

    sequences: str | Sequence[str] = ""
    """The sequences that the changes are spread over, the study's own among them; empty: that
    alone."""

    probe: str = "tiny"
    """What measures how alike a picture and a word are: tiny (embedded), or a directory with a
    CLIP."""

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in ("changes", "control_changes", "seeds")}
        whole = all(type(count) is int for count in counts.values())
        if not whole or min(counts.values()) < 1 or max(counts.values()) > self.changes:
            actual = ", ".join(f"{name} = {count}" for name, count in counts.items())
            hint = (
                "give whole numbers, at least one of each, and no more of the others than changes"
            )
            raise ParameterError("an experiment with these parameters", actual, hint)
        if not self.new_words or not all(isinstance(word, str) for word in self.new_words):
            actual = f"new_word = {self.new_word!r}" if self.new_words else "no new_word"
            hint = "give a word, or a list of some (papermill: -r new_word 1984 hands over text)"
            raise ParameterError("an experiment", actual, hint)
        if len({tuple(windowing.positions) for windowing in self._windowings}) > 1:
            hint = "set limit to a number of frames that all of them have"
            raise ParameterError("sequences of equally many frames", f"{self.all_sequences}", hint)
        if not self.planned():
            actual = f"at each frame {' or '.join(self.new_words)} already"
            raise ParameterError("a word that can be changed", actual, "give another new_word")

    @classmethod
    def from_cell(cls, namespace: Mapping[str, Any]) -> Self:
        """The experiment of a notebook's parameters cell: pass `globals()`.

        A mistyped parameter is an error, as in `Study.from_cell`.
        """
        names = [field.name for field in fields(cls) if field.name != "study"]
        parameters = notebook_parameters(namespace, [*names, *Study.model_fields])
        values = {name: parameters.pop(name) for name in parameters.keys() & names}
        if sequences := axis_values("sequences", values.get("sequences", "")):
            parameters["sequence"] = sequences[0]
        return cls(Study.from_mapping(parameters, NOTEBOOK), **values)

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The study's sequence."""
        return self.study.read_words().words

    @property
    def all_sequences(self) -> list[str]:
        """The study's sequence, then the others."""
        others = axis_values("sequences", self.sequences)
        return list(dict.fromkeys([self.study.sequence, *others]))

    @cached_property
    def windowing(self) -> Windowing:
        """The windows of the study in its sequence."""
        return Windowing(self.study, len(self.words))

    @property
    def new_words(self) -> list[str]:
        """What changed words become, in turn."""
        if isinstance(self.new_word, list | tuple):
            return list(self.new_word)
        return [self.new_word]  # pyright: ignore[reportReturnType]  # a word, or refused

    @property
    def groups(self) -> np.ndarray:
        """[changes]: the units of an interval, sequences under seeds; of one unit, its changes."""
        count = len(self.studies())
        return np.arange(len(self.planned())) % (count if count > 1 else self.changes)

    @property
    def control_groups(self) -> np.ndarray:
        """[control_changes]: the same of the changes that are made under controls."""
        rows = [self.planned().index(change) for change in self.planned(self.control_changes)]
        return self.groups[rows]

    def groups_of(self, control: str) -> np.ndarray:
        """The groups of the changes that are made under a control, or under "none"."""
        return self.groups if control == "none" else self.control_groups

    def planned(self, count: int = 0) -> list[Replace]:
        """The changes, or `count` of them: evenly spread, away from the ends if there is room."""
        frames, reach = self.windowing.positions, self.windowing.reach(self.study.passes)
        first, last = frames[0] + reach, frames[-1] - reach
        sequences = [self._words(study) for study in self.studies()[:: self.seeds]]
        eligible = [
            p for p in frames if not any(w[p - 1].text in self.new_words for w in sequences)
        ]
        inner = [p for p in eligible if first <= p <= last] or eligible
        units = range(len(self.studies()))
        words = itertools.cycle(word for word in self.new_words for _ in units)
        changes = list(map(Replace, _spread(inner, self.changes), words))
        return _spread(changes, count or None)

    def studies(self, control: str = "none") -> list[Study]:
        """One study for each sequence and seed, with `control` set."""
        seeds = range(self.study.seed, self.study.seed + self.seeds)
        return [self._variant(control, seed, name) for name in self.all_sequences for seed in seeds]

    @property
    def placebos(self) -> list[str]:
        """Shipped words that are neither in the sequence nor put in: arrivals are held to them."""
        shipped = (word.text for name in SHIPPED for word in read_timed_sequence(name).words)
        sequences = [self._words(study) for study in self.studies()]
        own = {word.text for words in sequences for word in words} | set(self.new_words)
        return [text for text in dict.fromkeys(shipped) if text not in own][:MOST_PLACEBOS]

    def _words(self, study: Study) -> tuple[Word, ...]:
        return self.words if study.sequence == self.study.sequence else study.read_words().words

    @cached_property
    def _windowings(self) -> list[Windowing]:
        """The windows of the study in each sequence."""
        studies = [self.study.replace(sequence=name) for name in self.all_sequences]
        return [Windowing(study, len(study.read_words().words)) for study in studies]

    def _variant(self, control: str, seed: int, sequence: str = "") -> Study:
        """The study with another control, seed and sequence, in a directory of its own."""
        path, sequence = Path(self.study.output_dir), sequence or self.study.sequence
        if sequence != self.study.sequence:
            path = path.with_name(f"{path.name}-{file_name(sequence)}")
        path = layout.variant_directory(path, control, seed if seed != self.study.seed else None)
        names = {"control": control, "seed": seed, "sequence": sequence}
        return self.study.replace(output_dir=str(path), **names)

    def _study_of_change(self, control: str) -> dict[Change, Study]:
        return dict(zip(self.planned(), itertools.cycle(self.studies(control)), strict=False))


def _spread(items: Sequence[Item], count: int | None) -> list[Item]:
    """So many of the items, evenly spread; all if there are not more."""
    if count is None or count >= len(items):
        return list(items)
    return [items[int((index + 0.5) * len(items) / count)] for index in range(count)]
