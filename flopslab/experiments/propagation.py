"""The propagation experiment: its runs, and what they are compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from flopslab.analysis.embedder import Embedder
from flopslab.core.generator import Generator
from flopslab.core.neighbours import CONTROLS
from flopslab.experiments.design import Design
from flopslab.experiments.influence import (
    Influence,
    arrival,
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
from flopslab.experiments.transport import (
    Gains,
    Transport,
    measure_gains,
    transport,
    transport_difference,
)
from flopslab.passes import run
from flopslab.prediction.reading import stored_calibration
from flopslab.progress import NullProgress


@dataclass(frozen=True)
class Experiment(Design):
    """A design, run and compared with what the linear model predicts."""

    @cached_property
    def generator(self) -> Generator:
        """The generator of all runs; the base run is complete and verified once it is there."""
        return base_run(self.study)

    @property
    def fronts(self) -> list[int]:
        """The predicted fronts, by pass: how far the cones of the changes reach.

        `Windowing.reach` where there is room; near an end a window that was moved inward has words
        from farther away.
        """
        return front(self.predicted()).max(axis=0).tolist()

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
        """What another seed changes, seen from the positions of the changes: no word is changed.

        In the sequence of each of the changes that are made under controls, in their order.
        """
        changed: dict[str, Path] = {}
        for name in self.all_sequences:
            study = self._variant("none", self.study.seed + self.seeds, name)
            changed[name] = run(study, generator or self.generator, NullProgress()).directory
        studies = self._study_of_change("none")
        pairs = [(studies[change], change) for change in self.planned(self.control_changes)]
        bases = [(Path(study.output_dir), changed[study.sequence]) for study, _ in pairs]
        return placeless_influence(bases, [change.position for _, change in pairs])

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
        expected = dict.fromkeys(influences, self._predicted_of_control())
        expected["none"] = self.predicted()
        return {
            name: inside_outside_front(item, expected[name], random, self.groups_of(name))
            for name, item in influences.items()
        }

    def arrivals(
        self, runs: Mapping[str, Sequence[Intervention]], embedder: Embedder
    ) -> dict[str, Influence]:
        """`influence.arrival` of interventions by control, each with its sequence's words."""
        studies = self._study_of_change("none")
        return {
            name: arrival(items, [self._words(studies[item.change]) for item in items], embedder)
            for name, items in runs.items()
        }

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
        """By the calibration of the model, once its runs have one."""
        calibration, studies = stored_calibration(self.study), self._study_of_change(control)
        pairs = [(studies[change], change.position) for change in changes]
        return concatenate(
            [predict_influence(s, self._words(s), [place], calibration) for s, place in pairs]
        )

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
