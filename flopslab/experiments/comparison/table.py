"""The table of a comparison: a row of measures for each pass of each run, and for each baseline.

It lies as CSV beside the runs and grows with them: interrupted and started again, it goes on. A row
that is there is not made again unless what it depends on has changed: the study, its words, the
model's weights, its calibration, the embedder, or how it is measured.
"""

import csv
import io
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from flopslab.analysis import evaluation, metrics
from flopslab.analysis.embedder import Embedder
from flopslab.analysis.evaluation import Row
from flopslab.calibration.strength import resolve_strength
from flopslab.core.generator import Generator
from flopslab.core.study import Study
from flopslab.core.windows import Windowing
from flopslab.digests import array_digest, json_digest
from flopslab.execution.generators import SharedGenerator
from flopslab.experiments.comparison.entries import Entry, Unit, entries_of
from flopslab.experiments.comparison.measures import MEASURES, Yardstick, pass_images
from flopslab.experiments.sweep import SIZING, Sweep
from flopslab.passes import run
from flopslab.prediction.forecast import plan
from flopslab.prediction.reading import stored_calibration
from flopslab.progress import OverallBar, Progress
from flopslab.runs.provenance import NOT_PIXELS
from flopslab.runs.reader import frozen_batch_size
from flopslab.storage import filesystem

NAME = "table.csv"
VERSION = 1  # of how it is measured: raised when equal pictures get other numbers
PLACES = 3  # decimals of an embedding by which an embedder is recognised

RowKey = tuple[str, int]  # the digest of what its run depends on, and the pass


class Table:
    """The table of a sweep. `embedder`: judges own words; without one they are nan."""

    def __init__(self, sweep: Sweep, embedder: Embedder | None = None) -> None:
        self.sweep, self._embedder = sweep, embedder
        self._yardsticks: dict[str, Yardstick] = {}

    @property
    def path(self) -> Path:
        """The CSV file."""
        return self.sweep.directory / NAME

    @cached_property
    def entries(self) -> list[Entry]:
        """The runs that the table needs, in the order in which they are made."""
        return entries_of(self.sweep)

    def fill(
        self,
        load: Callable[[Study], Generator] | None = None,
        progress: OverallBar | None = None,
    ) -> list[Row]:
        """All rows; those that are missing are made, with the runs that they need.

        `load`, `progress`: as in `Sweep.run`; each model is loaded once.
        """
        generators, stored = SharedGenerator(load), read_rows(self.path)
        rows: list[Row] = []
        with closing(progress or self._bar()) as progress:
            for entry in self.entries:
                progress.follow(entry.label)
                study = self._with_batch_size(entry.study)
                generator = generators.get(study)
                digest = self._digest(entry, study, generator, progress)
                keys: list[RowKey] = [(digest, number) for number in entry.passes]
                if not keys or not stored.keys() >= set(keys):
                    run(self._with_source(entry, study), generator, progress)
                if not stored.keys() >= set(keys):
                    stored |= {(digest, row["pass"]): row for row in self._measure(entry, digest)}
                    self._write(list(stored.values()))
                rows += [stored[key] | dict(entry.values) for key in keys]
        self._write(rows)
        return rows

    def _measure(self, entry: Entry, digest: str) -> list[Row]:
        yardstick, rows = self._yardstick(entry.unit), []
        for number in entry.passes:
            images = entry.images(number)
            facts = {"pass": number, "frames": len(images)}
            measures = yardstick.measure(images) | {"key": digest}
            rows.append({**entry.values, **facts, **measures})
        if not entry.baseline:
            for row, forecast in zip(rows, _forecasts(entry.study), strict=True):
                row |= forecast
        return rows

    def _yardstick(self, unit: Unit) -> Yardstick:
        name = unit.first.output_dir
        if name not in self._yardsticks:
            self._yardsticks[name] = Yardstick.of(unit.first, unit.others, self._embedder)
        return self._yardsticks[name]

    def _digest(self, entry: Entry, study: Study, generator: Generator, progress: Progress) -> str:
        """Of all that the rows of an entry depend on. A calibration that is missing is made."""
        resolved = resolve_strength(study, generator, progress).study
        calibration = stored_calibration(study) if study.passes > 1 else None
        words, baseline = study.read_words().words, entry.baseline
        mixed_by = baseline.mixed_by if baseline else None
        facts = {
            "version": VERSION,
            "study": resolved.pixel_parameters(),
            "passes": study.passes,
            "frames": list(Windowing(study, len(words)).positions),
            "words": [[word.text, word.size] for word in words],
            "model": {k: v for k, v in generator.settings.items() if k not in NOT_PIXELS},
            "calibration": calibration.key if calibration else "",
            "embedder": self._fingerprint,
            "baseline": baseline.name if baseline else "",
            "mixed_by": mixed_by.pixel_parameters() if mixed_by else None,
            "references": [other.seed for other in entry.unit.others],
        }
        return json_digest(facts)[:16]

    @cached_property
    def _fingerprint(self) -> str:
        """What an embedder makes of a word: it has no name of its own."""
        if self._embedder is None:
            return ""
        return array_digest(self._embedder.texts(["light"]).round(PLACES) + 0.0)  # no -0

    def _with_batch_size(self, study: Study) -> Study:
        """The study with the batch size that the first run found: frames are comparable."""
        first = self.entries[0].study
        if study.batch_size or SIZING & self.sweep.axes.keys():
            return study
        return study.replace(batch_size=frozen_batch_size(first))

    def _with_source(self, entry: Entry, study: Study) -> Study:
        """The study, which takes over what a run that is there has in common with it."""
        if not entry.passes or entry.baseline:
            return study
        source = self.sweep.nearest(entry.study) or entry.unit.first.output_dir
        return study.replace(reuse_from=source)

    def _write(self, rows: Sequence[Row]) -> None:
        self.sweep.directory.mkdir(parents=True, exist_ok=True)
        with filesystem.explained(self.sweep.directory):
            filesystem.replace({self.path: evaluation.to_csv(rows).encode()})

    def _bar(self) -> OverallBar:
        studies = [entry.study for entry in self.entries]
        return self.sweep.bar(studies)


def read_rows(path: Path) -> dict[RowKey, Row]:
    """The rows of a table's file, by their keys; what cannot be read counts as missing."""
    data = filesystem.read(path)
    rows: dict[RowKey, Row] = {}
    with suppress(csv.Error):  # what comes after is missing too
        for row in csv.DictReader(io.StringIO((data or b"").decode(errors="replace"))):
            with suppress(KeyError, TypeError, ValueError):
                values = {name: _number(text) for name, text in row.items()}
                values |= {name: float(row[name]) for name in MEASURES} | {"key": row["key"]}
                rows[row["key"], int(row["pass"])] = values
    return rows


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def _forecasts(study: Study) -> list[dict[str, Any]]:
    """Of each pass the predicted coherence, `blind` and `informed`; empty without calibration."""
    calibration = stored_calibration(study)
    if calibration is None:
        return [{}] * study.passes
    likeness = metrics.colour_correlations(pass_images(study, 1))
    informed = None if np.isnan(likeness).any() else likeness
    forecasts = [plan(study, calibration, pace=0.0, first_pass=item) for item in (None, informed)]
    pairs = zip(*(item.passes for item in forecasts), strict=True)
    return [{"blind": a.coherence, "informed": b.coherence} for a, b in pairs]
