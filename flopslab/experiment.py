"""The experiment of `notebooks/propagation.ipynb`: where words are changed, and what is compared.

Runs lie beside the base run: `<output_dir>-interventions/`, and `<output_dir>-controls/`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np

from flopslab.changes import cone
from flopslab.controls import CONTROLS
from flopslab.errors import ParameterError
from flopslab.generator import Generator
from flopslab.mixing import reach
from flopslab.params import Study
from flopslab.passes import run
from flopslab.probe import Probe
from flopslab.progress import NoProgress
from flopslab.propagation import Intervention, Replace, interventions
from flopslab.reading import open_run
from flopslab.sequence import Word, read_sequence
from flopslab.waves import Influence, everywhere, influence, specific, trace
from flopslab.windows import positions


@dataclass(frozen=True)
class Experiment:
    """A study, and how it is experimented with. Raises ParameterError."""

    study: Study
    new_word: str = "fire"
    """What a changed word becomes."""

    changes: int = 3
    """How many words are changed, each in a run of its own."""

    control_changes: int = 1
    """How many of them are changed under each control too."""

    probe: str = "tiny"
    """What says how alike a picture and a word are: tiny (embedded), or a directory with a CLIP."""

    def __post_init__(self) -> None:
        if not 1 <= self.control_changes <= self.changes:
            raise ParameterError(
                "an experiment with these parameters",
                f"changes = {self.changes}, control_changes = {self.control_changes}",
                "give at least one of each, and no more control_changes than changes",
            )

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
        changes, length = self.planned(), len(self.words)
        cones = [(change.position, cone(self.study, change, length)) for change in changes]
        return [
            max(abs(p - centre) for centre, reached in cones for p in reached[number])
            for number in range(1, self.study.passes + 1)
        ]

    def planned(self, count: int = 0) -> list[Replace]:
        """The changes, or `count` of them: evenly spread, away from the ends if there is room."""
        room = reach(self.study, self.study.passes)
        first, last = self.frames[0] + room, self.frames[-1] - room
        other = [p for p in self.frames if self.words[p - 1].text != self.new_word]
        inner = [p for p in other if first <= p <= last] or other
        chosen = _spread(inner, self.changes)
        return [Replace(position, self.new_word) for position in _spread(chosen, count or None)]

    def control(self, name: str, generator: Generator) -> list[Intervention]:
        """The changes under a control, one of `CONTROLS`."""
        study = self.controlled(name)
        run(study, generator, NoProgress(), share_from=self.study.output_dir)
        return interventions(study, self.planned(self.control_changes), generator)

    def controlled(self, name: str) -> Study:
        return self._beside(name, control=name)

    def seed_only(self, generator: Generator) -> Influence:
        """What another seed changes, seen from the positions of the changes: no word is changed."""
        study = self._beside("seed", seed=self.study.seed + 1)
        other = run(study, generator, NoProgress()).directory
        centres = [change.position for change in self.planned(self.control_changes)]
        return everywhere(Path(self.study.output_dir), other, centres)

    def controls(self, generator: Generator) -> dict[str, Influence]:
        """The influence under each control, and of another seed, by name."""
        found = {name: influence(self.control(name, generator)) for name in CONTROLS}
        return found | {"seed": self.seed_only(generator)}

    def shown_words(self, directory: str | Path, probe: Probe) -> np.ndarray:
        """[frames, words]: how specifically the last pass of a run shows each word."""
        opened = open_run(directory)
        images = [opened.frame(self.study.passes, p)[0] for p in self.frames]
        return specific(trace(images, self.words, probe))

    def _beside(self, name: str, **parameters: object) -> Study:
        where = {"output_dir": f"{self.study.output_dir}-controls/{name}"}
        return self.study.model_copy(update=where | parameters)


def _spread(positions: Sequence[int], count: int | None) -> list[int]:
    """So many of the positions, evenly spread; all if there are not more."""
    if count is None or count >= len(positions):
        return list(positions)
    return [positions[int((index + 0.5) * len(positions) / count)] for index in range(count)]
