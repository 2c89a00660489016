"""A sweep: one study with some parameters varied, all else and every seed equal.

Any parameter of a study can be an axis, as in the X/Y/Z plots of other tools. Each combination is
a run in a directory of its own, named by its values; frames that two runs have in common, such as
the first pass of two methods, are made once.
"""

import hashlib
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from reprlib import repr as abbreviate
from typing import Any, Self

import numpy as np

from flopslab.core.compositing import METHODS
from flopslab.core.generator import Generator
from flopslab.core.parameters import NOTEBOOK, load_yaml, notebook_parameters
from flopslab.core.study import Study, refinement_names
from flopslab.core.windows import FrameKey, Windowing
from flopslab.errors import ParameterError
from flopslab.execution.generators import SharedGenerator
from flopslab.passes import run
from flopslab.progress import OverallBar
from flopslab.runs import layout
from flopslab.runs.reader import frozen_batch_size

AXES = ("x", "y", "z")
CELL: dict[str, Any] = {f"{axis}_{part}": "" for axis in AXES for part in ("axis", "values")} | {
    "sequences": "",
    "seeds": 1,
    "probe": "tiny",
}  # parameters of a notebook that sweeps, beside those of the study
UNITS = ("sequence", "seed")  # axes that repeat a comparison: what is resampled for an interval

_SAFE = re.compile(r"[\w.+-]{1,32}", re.ASCII)
SIZING = {"model", "width", "height", "batch_size"}  # what a batch size depends on


@dataclass(frozen=True)
class Variant:
    """One combination: the axes' values by name, and the study that has them."""

    values: dict[str, Any]
    study: Study

    @property
    def label(self) -> str:
        """The values for people: `grid, denoising_strength 0.3`."""
        return self.label_of(*self.values)

    def label_of(self, *axes: str) -> str:
        """The values of these axes for people."""
        labels = (label(axis, self.values[axis]) for axis in axes if axis in self.values)
        return ", ".join(labels)


@dataclass(frozen=True)
class Sweep:
    """A study and its axes: {parameter: its values}. Runs go below the study's output_dir."""

    study: Study
    axes: Mapping[str, Sequence[Any]]

    def __post_init__(self) -> None:
        _ = self.variants  # every mistake is found before any work

    @classmethod
    def from_cell(cls, namespace: Mapping[str, Any]) -> Self:
        """The sweep of a notebook's parameters cell: pass `globals()`.

        `x_axis` is a parameter's name, `x_values` its values (a list, or text such as
        `grid, blend`), y and z likewise; `sequences` and `seeds`: the sequences, and with how many
        seeds, each is run.
        """
        parameters = notebook_parameters(namespace, [*CELL, *Study.model_fields])
        values = CELL | {name: parameters.pop(name) for name in CELL.keys() & parameters.keys()}
        study = Study.from_mapping(parameters, NOTEBOOK)
        pairs = [(values[f"{axis}_axis"], values[f"{axis}_values"]) for axis in AXES]
        _check_cell(values["seeds"], pairs)
        axes = [(name, axis_values(name, values)) for name, values in pairs if name]
        if values["sequences"]:
            axes.append(("sequence", axis_values("sequence", values["sequences"])))
        if values["seeds"] > 1:
            axes.append(("seed", list(range(study.seed, study.seed + values["seeds"]))))
        return cls(study, _distinct(axes))

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """Every combination, the last axis fastest. Raises ParameterError for what is no study."""
        combinations = itertools.product(*self.axes.values())
        variants = tuple(self._variant(dict(zip(self.axes, c, strict=True))) for c in combinations)
        paths = {variant.study.output_dir for variant in variants}
        if not variants or len(paths) < len(variants):
            expected = f"a sweep over {', '.join(self.axes)}"
            raise ParameterError(expected, "no value, or one value twice", "give each value once")
        return variants

    @property
    def planes(self) -> list[list[list[Variant]]]:
        """The variants by axis: planes of rows, first axis across, second down, one plane for each
        combination of the others.
        """
        sizes = [*(len(values) for values in self.axes.values()), 1, 1]
        cube = np.array(self.variants, dtype=object).reshape(sizes[0], sizes[1], -1)
        return cube.transpose(2, 1, 0).tolist()

    @property
    def first_unit(self) -> tuple[Variant, ...]:
        """The variants with the first sequence and the first seed: enough to look at."""
        first = self.variants[0].study
        unit = first.sequence, first.seed
        return tuple(v for v in self.variants if (v.study.sequence, v.study.seed) == unit)

    @property
    def first_axis(self) -> tuple[Variant, ...]:
        """Of these, one for each value of the first axis; the study's own value of the others.

        Where an axis does not have the study's own value, its first.
        """
        usual = {
            name: own if (own := getattr(self.study, name)) in values else values[0]
            for name, values in list(self.axes.items())[1:]
            if name not in UNITS
        }
        return tuple(
            variant
            for variant in self.first_unit
            if all(variant.values[name] == value for name, value in usual.items())
        )

    @property
    def conditions(self) -> dict[str, Any]:
        """What all variants have in common, by name: what is no default, and what matters most."""
        values = self.study.model_dump(exclude_defaults=True)
        values |= self.study.model_dump(include={"sequence", "model", "passes", "seed"})
        return {k: v for k, v in values.items() if k != "output_dir" and k not in self.axes}

    @property
    def title(self) -> str:
        """What is compared: `Comparison of method and denoising_strength`."""
        names = [name for name in self.axes if name not in UNITS] or list(self.axes)
        return f"Comparison of {' and '.join(names)}" if names else "One run, measured"

    @property
    def directory(self) -> Path:
        """Where the runs are."""
        return Path(self.study.output_dir)

    def run(
        self,
        load: Callable[[Study], Generator] | None = None,
        progress: OverallBar | None = None,
    ) -> tuple[Variant, ...]:
        """The variants, each with a finished run in `study.output_dir`; goes on where it was.

        `load`: makes the generator of a study (default: the study's model is loaded). It is called
        again only when a parameter of the model changes. `progress`: by default one bar for all
        runs.
        """
        generator = SharedGenerator(load)
        with closing(progress or self.bar([v.study for v in self.variants])) as progress:
            for index, variant in enumerate(self.variants):
                progress.follow(variant.label)
                study = variant.study.replace(**self._frozen(index))
                if source := self.nearest(variant.study):
                    study = study.replace(reuse_from=source)
                run(study, generator.get(study), progress)
        return self.variants

    def _variant(self, values: dict[str, Any]) -> Variant:
        if "output_dir" in values:
            actual, hint = "output_dir as an axis", "vary another: each run has its own anyway"
            raise ParameterError("a sweep", actual, hint)
        name = ",".join(f"{key}={file_name(value)}" for key, value in values.items()) or "run"
        path = {"output_dir": str(self.directory / name)}
        return Variant(values, Study.of(**self.study.model_dump() | values | path))

    def nearest(self, study: Study) -> str:
        """The directory of the run that has most in common with a study, its first pass at least.

        Of those that are there; empty if there is none. A method that reads latents is helped by
        none that does not keep them.
        """
        first_pass, latents = _first_pass(study), METHODS[study.method].takes_latents
        near = [
            v.study
            for v in self.variants
            if v.study.output_dir != study.output_dir
            and _first_pass(v.study) == first_pass
            and METHODS[v.study.method].takes_latents >= latents
            and layout.frame_path(Path(v.study.output_dir), FrameKey(1, 1)).exists()
        ]
        nearest = max(near, key=lambda candidate: _in_common(study, candidate), default=None)
        return nearest.output_dir if nearest else ""

    def _frozen(self, index: int) -> dict[str, int]:
        """The batch size that the first run found, so that the others' frames are comparable."""
        if index == 0 or SIZING & self.axes.keys():
            return {}
        return {"batch_size": frozen_batch_size(self.variants[0].study)}

    def bar(self, studies: Sequence[Study]) -> OverallBar:
        """One bar for the runs of these studies."""
        log = self.directory / layout.LOG
        return OverallBar([_costs(s) for s in studies], [_count(s) for s in studies], log=log)


def _check_cell(seeds: object, pairs: Sequence[tuple[str, Any]]) -> None:
    """ParameterError for a number of seeds that is none, or values without their axis."""
    if type(seeds) is not int or seeds < 1:
        raise ParameterError("a sweep", f"seeds = {seeds!r}", "give a whole number of at least 1")
    if lost := [values for name, values in pairs if values and not name]:
        hint = "name the axis that has these values"
        raise ParameterError("a sweep", f"the values {abbreviate(lost[0])} without an axis", hint)


def axis_values(name: str, values: Any) -> list[Any]:
    """An axis's values: a list as it is; text such as `grid, blend` is read as YAML's list."""
    if not isinstance(values, str):
        return list(values) if isinstance(values, list | tuple) else [values]
    try:
        return load_yaml(f"[{values}]")
    except ValueError:
        hint = 'separate them by commas; quote text that has some: "a, b", c'
        raise ParameterError(f"the values of {name}", abbreviate(values), hint) from None


def label(name: str, value: Any) -> str:
    """A parameter's value for people: text stands for itself, a number needs its name."""
    return value if isinstance(value, str) and value else f"{name} {value!r}"


def _distinct(axes: Sequence[tuple[str, list[Any]]]) -> dict[str, list[Any]]:
    names = [name for name, _ in axes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        hint = "give every axis a parameter of its own; seeds is the axis seed"
        raise ParameterError("the axes of a sweep", f"{', '.join(twice)} twice", hint)
    return dict(axes)


def file_name(value: Any) -> str:
    """A value as part of a file name: as it is where that is safe, else a digest."""
    text = str(value)
    return text if _SAFE.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()[:8]


def _first_pass(study: Study) -> dict[str, Any]:
    """The parameters that a first pass depends on."""
    names = refinement_names()
    return {k: v for k, v in study.pixel_parameters().items() if k not in names}


def _in_common(study: Study, candidate: Study) -> tuple[int, int]:
    """(how many parameters are equal, how many passes the candidate can give)."""
    return sum(value == getattr(candidate, name) for name, value in study), candidate.passes


def _costs(study: Study) -> list[float]:
    """What a frame costs in each pass, relative to one another."""
    return [study.strength(number) for number in range(1, study.passes + 1)]


def _count(study: Study) -> int:
    """How many frames a pass has."""
    return len(Windowing(study, len(study.read_words().words)).positions)
