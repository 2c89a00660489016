"""The experiment of `notebooks/propagation.ipynb`: where words are changed, and what is compared.

Runs lie beside the base run, in directories that begin with its name: `<output_dir>-seeds/`,
`<output_dir>-controls/`, and for each of them `-interventions/`.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np

from flopslab.analysis.embedder import Embedder
from flopslab.core.controls import CONTROLS
from flopslab.core.generator import Generator
from flopslab.core.study import Study
from flopslab.core.windows import positions
from flopslab.errors import ParameterError
from flopslab.experiments.influence import Influence, everywhere, front, joined, specific, trace
from flopslab.experiments.interventions import Intervention, Replace, interventions
from flopslab.experiments.linear_model import predict, reach
from flopslab.passes import run
from flopslab.progress import NoProgress
from flopslab.runs.reader import open_run
from flopslab.words.sequence import Word, read_sequence


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

    probe: str = "tiny"
    """What says how alike a picture and a word are: tiny (embedded), or a directory with a CLIP."""

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in ("changes", "control_changes", "seeds")}
        if min(counts.values()) < 1 or max(counts.values()) > self.changes:
            found = ", ".join(f"{name} = {count}" for name, count in counts.items())
            remedy = "give at least one of each, and no more of the others than changes"
            raise ParameterError("an experiment with these parameters", found, remedy)
        if not self.new_words:
            raise ParameterError("an experiment", "no new_word", "give a word, or a list of some")

    @classmethod
    def from_cell(cls, namespace: Mapping[str, Any]) -> Self:
        """The experiment of a notebook's parameters cell: pass `globals()` right after it.

        An unknown name is an error, as in `Study.from_cell`.
        """
        own = {field.name for field in fields(cls)} - {"study"}
        study = Study.from_cell({k: v for k, v in namespace.items() if k not in own})
        return cls(study, **{name: namespace[name] for name in own if name in namespace})

    @property
    def words(self) -> tuple[Word, ...]:
        return read_sequence(self.study.sequence)

    @property
    def frames(self) -> range:
        """Positions."""
        return positions(len(self.words), self.study.frame_interval, self.study.limit)

    @property
    def radius(self) -> int:
        """Of the word window, in positions."""
        return self.study.context_diameter // 2

    @property
    def reaches(self) -> list[int]:
        """The predicted fronts, by pass: how far the cones of the changes reach.

        `mixing.reach` where there is room; near an end a window that was moved inward has words
        from farther away.
        """
        return front(self.predicted()).max(axis=0).tolist()

    @property
    def new_words(self) -> list[str]:
        return [self.new_word] if isinstance(self.new_word, str) else list(self.new_word)

    def planned(self, count: int = 0) -> list[Replace]:
        """The changes, or `count` of them: evenly spread, away from the ends if there is room."""
        room = reach(self.study, self.study.passes)
        first, last = self.frames[0] + room, self.frames[-1] - room
        other = [p for p in self.frames if self.words[p - 1].text not in self.new_words]
        inner = [p for p in other if first <= p <= last] or other
        said = itertools.cycle(word for word in self.new_words for _ in range(self.seeds))
        changes = map(Replace, _spread(inner, self.changes), said)
        return _spread([*changes], count or None)

    def studies(self, control: str = "none") -> list[Study]:
        """The study, or what it is under a control, with each run seed in turn."""
        return [self._beside(control, self.study.seed + index) for index in range(self.seeds)]

    def interventions(self, generator: Generator) -> list[Intervention]:
        """The changes, each in the run of its seed: the seeds take turns."""
        return self._made("none", self.planned(), generator)

    def control(self, name: str, generator: Generator) -> list[Intervention]:
        """Some of the changes under a control, one of `CONTROLS`."""
        for study, own in zip(self.studies(name), self.studies(), strict=True):
            run(study, generator, NoProgress(), share_from=own.output_dir)
        return self._made(name, self.planned(self.control_changes), generator)

    def seed_only(self, generator: Generator) -> Influence:
        """What another seed changes, seen from the positions of the changes: no word is changed."""
        study = self._beside("none", self.study.seed + self.seeds)
        other = run(study, generator, NoProgress()).directory
        centres = [change.position for change in self.planned(self.control_changes)]
        return everywhere(Path(self.study.output_dir), other, centres)

    def controls(self, generator: Generator) -> dict[str, list[Intervention]]:
        """The interventions under each control, by name."""
        return {name: self.control(name, generator) for name in CONTROLS}

    def predicted(self, control: str = "none") -> Influence:
        """What the weights predict for the changes that are made under a control."""
        changes = self.planned(0 if control == "none" else self.control_changes)
        own = self._own_studies(control)
        return joined([predict(own[each], self.words, [each.position]) for each in changes])

    def shown_words(self, directory: str | Path, probe: Embedder) -> np.ndarray:
        """[frames, words]: how specifically the last pass of a run shows each word."""
        opened = open_run(directory)
        images = [opened.frame(self.study.passes, p)[0] for p in self.frames]
        return specific(trace(images, self.words, probe))

    def _beside(self, control: str, seed: int) -> Study:
        """The study with another control and seed, in a directory that says which."""
        where = self.study.output_dir
        where += f"-controls/{control}" if control != "none" else ""
        where += f"-seeds/{seed}" if seed != self.study.seed else ""
        own = {"control": control, "seed": seed, "output_dir": where}
        return self.study.model_copy(update=own)

    def _own_studies(self, control: str) -> dict[Replace, Study]:
        """The study of each change."""
        return dict(zip(self.planned(), itertools.cycle(self.studies(control)), strict=False))

    def _made(
        self, control: str, changes: Sequence[Replace], generator: Generator
    ) -> list[Intervention]:
        """Each change in its own study, in the order of the changes."""
        own, found = self._own_studies(control), {}
        for study in self.studies(control):
            if turn := [change for change in changes if own[change] == study]:
                found |= zip(turn, interventions(study, turn, generator), strict=True)
        return [found[change] for change in changes]


def _spread(positions: Sequence[int], count: int | None) -> list[int]:
    """So many of the positions, evenly spread; all if there are not more."""
    if count is None or count >= len(positions):
        return list(positions)
    return [positions[int((index + 0.5) * len(positions) / count)] for index in range(count)]
