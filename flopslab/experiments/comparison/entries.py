"""The runs that a table needs, in order, each with the rows that it gives."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from flopslab.core.study import Study, refinement_names
from flopslab.execution.models import model_key
from flopslab.experiments.comparison.baselines import (
    Baseline,
    baselines_of,
    words_alone,
)
from flopslab.experiments.comparison.measures import pass_images
from flopslab.experiments.sweep import Sweep, Variant, file_name

REFERENCES = 2  # further seeds, whose first passes show what shapes the words have


@dataclass(frozen=True)
class Unit:
    """One sequence under one seed, and whatever else acts on a first pass.

    `first`: the run of its words alone. `others`: their likes under further seeds.
    """

    first: Study
    others: tuple[Study, ...]


@dataclass(frozen=True)
class Entry:
    """A run, and its rows. `values`: what names them in the table. `unit`: what they are held
    against. `baseline`: what it shows, if it is one. A run without `passes` has no row.
    """

    label: str
    values: Mapping[str, Any]
    study: Study
    unit: Unit
    passes: Sequence[int] = ()
    baseline: Baseline | None = None

    def images(self, pass_number: int) -> list[Image.Image]:
        """The pictures of a row, in order; the run must be finished."""
        return self.baseline.images() if self.baseline else pass_images(self.study, pass_number)


def entries_of(sweep: Sweep) -> list[Entry]:
    """What units are held against, then the baselines, then the runs, one model after another."""
    pairs = [(variant, _unit(sweep, variant)) for variant in sweep.variants]
    distinct = {unit.first.output_dir: (variant, unit) for variant, unit in pairs}
    units = [unit for _, unit in distinct.values()]
    others = {other.output_dir: (other, unit) for unit in units for other in unit.others}
    references = [Entry(f"words alone, seed {o.seed}", {}, o, unit) for o, unit in others.values()]
    baselines = [entry for pair in distinct.values() for entry in _baselines(sweep, *pair)]
    runs = [_run(sweep, variant, unit) for variant, unit in pairs]
    models = list(dict.fromkeys(model_key(entry.study) for entry in runs))
    return (
        references
        + baselines
        + sorted(runs, key=lambda entry: models.index(model_key(entry.study)))
    )


def _run(sweep: Sweep, variant: Variant, unit: Unit) -> Entry:
    study = variant.study
    return Entry(variant.label, _values(sweep, variant), study, unit, range(1, study.passes + 1))


def _baselines(sweep: Sweep, variant: Variant, unit: Unit) -> Iterator[Entry]:
    """Of one unit; `variant` is one that is held against it."""
    refined = set(refinement_names())
    values = {
        name: "" if name in refined else value for name, value in _values(sweep, variant).items()
    }
    common = {name: getattr(sweep.study, name) for name in ("passes", "image_context_multiplier")}
    common["distance_weights"] = sweep.study.distance_weights
    for baseline in baselines_of(unit.first.replace(**common)):
        named = values | {"baseline": baseline.name}
        label = ", ".join([baseline.name, *(str(v) for v in values.values() if v != "")])
        yield Entry(label, named, baseline.study, unit, [baseline.pass_number], baseline)


def _values(sweep: Sweep, variant: Variant) -> dict[str, Any]:
    """The columns that name a run's rows: sequence and seed are always among them."""
    study = variant.study
    units = {"sequence": study.sequence, "seed": study.seed}
    return {"baseline": ""} | variant.values | units


def _unit(sweep: Sweep, variant: Variant) -> Unit:
    """The unit of a variant; its directory is named by the axes that act on a first pass."""
    refined = set(refinement_names())
    axes = {name: value for name, value in variant.values.items() if name not in refined}
    first = words_alone(variant.study)
    last = max(item.study.seed for item in sweep.variants)
    others = [
        first.replace(seed=seed, output_dir=_directory(sweep, axes | {"seed": seed}))
        for seed in range(last + 1, last + 1 + REFERENCES)
    ]
    return Unit(first.replace(output_dir=_directory(sweep, axes)), tuple(others))


def _directory(sweep: Sweep, values: Mapping[str, Any]) -> str:
    names = ",".join(f"{name}={file_name(value)}" for name, value in values.items())
    return str(sweep.directory / f"words_alone,{names}".rstrip(","))
