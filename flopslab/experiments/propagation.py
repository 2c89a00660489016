"""The propagation experiment: where words are changed, and what is compared."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from flopslab.analysis.embedder import Embedder
from flopslab.core.generator import Generator
from flopslab.core.neighbours import CONTROLS
from flopslab.core.parameters import NOTEBOOK, notebook_parameters
from flopslab.core.study import Study
from flopslab.core.windows import Windowing
from flopslab.errors import ParameterError
from flopslab.experiments.influence import (
    Influence,
    concatenate,
    front,
    placeless_influence,
)
from flopslab.experiments.interventions import (
    Intervention,
    Replace,
    base_run,
    intervene_each,
)
from flopslab.experiments.linear_model import predict_influence
from flopslab.experiments.summary import Estimate, inside_outside_front
from flopslab.experiments.sweep import axis_values, file_name
from flopslab.experiments.transport import (
    Gains,
    Transport,
    measure_gains,
    transport,
    transport_difference,
)
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.runs import layout
from flopslab.words.sequence import SHIPPED, Word, read_timed_sequence

Item = TypeVar("Item")

MOST_PLACEBOS = 100


@dataclass(frozen=True)
class Experiment:
    """A study, and how it is experimented with. Raises ParameterError."""

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
    def _windowings(self) -> list[Windowing]:
        """The windows of the study in each sequence."""
        studies = [self.study.replace(sequence=name) for name in self.all_sequences]
        return [Windowing(study, len(study.read_words().words)) for study in studies]

    @property
    def groups(self) -> np.ndarray:
        """[changes]: the units of an interval, sequences under seeds; of one unit, its changes."""
        count = len(self.studies())
        return np.arange(len(self.planned())) % (count if count > 1 else self.changes)

    @cached_property
    def generator(self) -> Generator:
        """The generator of all runs; the base run is complete and verified once it is there."""
        return base_run(self.study)

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
    def fronts(self) -> list[int]:
        """The predicted fronts, by pass: how far the cones of the changes reach.

        `Windowing.reach` where there is room; near an end a window that was moved inward has words
        from farther away.
        """
        return front(self.predicted()).max(axis=0).tolist()

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

    def run_changes(self, generator: Generator | None = None) -> list[Intervention]:
        """The changes, each in the run of its sequence and seed: these take turns."""
        return self._intervene("none", self.planned(), generator)

    def run_control(self, control: str, generator: Generator | None = None) -> list[Intervention]:
        """Some of the changes under a control, one of `CONTROLS`."""
        generator = generator or self.generator
        for study, base in zip(self.studies(control), self.studies(), strict=True):
            run(study.replace(reuse_from=base.output_dir), generator, NullProgress())
        return self._intervene(control, self.planned(self.control_changes), generator)

    def run_controls(self, generator: Generator | None = None) -> dict[str, list[Intervention]]:
        """The interventions under each control, by name."""
        return {control: self.run_control(control, generator) for control in CONTROLS}

    def run_other_seed(self, generator: Generator | None = None) -> Influence:
        """What another seed changes, seen from the positions of the changes: no word is changed."""
        study = self._variant("none", self.study.seed + self.seeds)
        changed = run(study, generator or self.generator, NullProgress()).directory
        centres = [change.position for change in self.planned(self.control_changes)]
        return placeless_influence(Path(self.study.output_dir), changed, centres)

    def predicted(self, control: str = "none") -> Influence:
        """What the linear model predicts for the changes that are made under a control."""
        changes = self.planned(0 if control == "none" else self.control_changes)
        return self._predict(changes, control)

    def inside_outside_front(
        self, influences: Mapping[str, Influence], random: np.random.Generator
    ) -> dict[str, tuple[Estimate, Estimate]]:
        """`summary.inside_outside_front` of influences by control.

        The front is that of the study without a control, so that all are compared at one place.
        """
        predicted = {
            name: predict_influence(self.study, self.words, item.centres.tolist())
            for name, item in influences.items()
        }
        return {
            name: inside_outside_front(item, predicted[name], random)
            for name, item in influences.items()
        }

    @property
    def placebos(self) -> list[str]:
        """Shipped words that are neither in the sequence nor put in: arrivals are held to them."""
        shipped = (word.text for name in SHIPPED for word in read_timed_sequence(name).words)
        sequences = [self._words(study) for study in self.studies()]
        own = {word.text for words in sequences for word in words} | set(self.new_words)
        return [text for text in dict.fromkeys(shipped) if text not in own][:MOST_PLACEBOS]

    def measure_gains(
        self, runs: Mapping[str, Sequence[Intervention]], embedder: Embedder
    ) -> dict[str, Gains]:
        """`transport.measure_gains` of interventions by control, with `placebos`."""
        return {name: measure_gains(items, self.placebos, embedder) for name, items in runs.items()}

    def transports(
        self, gains: Mapping[str, Gains], random: np.random.Generator
    ) -> dict[str, Transport]:
        """`transport.transport` of gains under `none`, `shuffled` and `no_text`, described.

        Shuffled neighbours have two: for the share where they belong, and for that where they went.
        """
        return {
            "real neighbours": transport(gains["none"], self.predicted(), random),
            "shuffled, where neighbours belong": transport(
                gains["shuffled"], self._predicted_of_control(), random
            ),
            "shuffled, where they went": transport(
                gains["shuffled"], self.predicted("shuffled"), random
            ),
            "no words after pass 1": transport(gains["no_text"], self.predicted("no_text"), random),
        }

    def transport_lead(self, gains: Mapping[str, Gains], random: np.random.Generator) -> Estimate:
        """How much more real neighbours transport than shuffled ones, of the same changes."""
        rows = [self.planned().index(change) for change in self.planned(self.control_changes)]
        share = self._predicted_of_control()
        real, control = (gains["none"].select(rows), share), (gains["shuffled"], share)
        return transport_difference(real, control, random)

    def _predicted_of_control(self) -> Influence:
        """What real neighbours would do to the changes that are made under controls."""
        return self._predict(self.planned(self.control_changes), "none")

    def _predict(self, changes: Sequence[Replace], control: str) -> Influence:
        studies = self._study_of_change(control)
        pairs = [(studies[change], change.position) for change in changes]
        return concatenate([predict_influence(s, self._words(s), [p]) for s, p in pairs])

    def _words(self, study: Study) -> tuple[Word, ...]:
        return self.words if study.sequence == self.study.sequence else study.read_words().words

    def _variant(self, control: str, seed: int, sequence: str = "") -> Study:
        """The study with another control, seed and sequence, in a directory of its own."""
        path, sequence = Path(self.study.output_dir), sequence or self.study.sequence
        if sequence != self.study.sequence:
            path = path.with_name(f"{path.name}-{file_name(sequence)}")
        path = layout.variant_directory(path, control, seed if seed != self.study.seed else None)
        names = {"control": control, "seed": seed, "sequence": sequence}
        return self.study.replace(output_dir=str(path), **names)

    def _study_of_change(self, control: str) -> dict[Replace, Study]:
        return dict(zip(self.planned(), itertools.cycle(self.studies(control)), strict=False))

    def _intervene(
        self, control: str, changes: Sequence[Replace], generator: Generator | None
    ) -> list[Intervention]:
        """Each change in the study of its unit, in the order of the changes."""
        studies, generator = self._study_of_change(control), generator or self.generator
        interventions: dict[Replace, Intervention] = {}
        for study in self.studies(control):
            if turn := [change for change in changes if studies[change] == study]:
                interventions |= zip(turn, intervene_each(study, turn, generator), strict=True)
        return [interventions[change] for change in changes]


def _spread(items: Sequence[Item], count: int | None) -> list[Item]:
    """So many of the items, evenly spread; all if there are not more."""
    if count is None or count >= len(items):
        return list(items)
    return [items[int((index + 0.5) * len(items) / count)] for index in range(count)]
