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
from reprlib import repr as short
from typing import Any, Self

import numpy as np
import yaml

from flopslab.core.generator import Generator
from flopslab.core.study import Study
from flopslab.core.windows import positions
from flopslab.errors import ParameterError
from flopslab.passes import run
from flopslab.progress import WholeProgress
from flopslab.runs.provenance import REFINEMENT
from flopslab.runs.reader import open_run
from flopslab.words.sequence import read_sequence

AXES = ("x", "y", "z")
CELL = {f"{axis}_{part}": "" for axis in AXES for part in ("axis", "values")} | {
    "seeds": 1,
    "probe": "tiny",
}  # parameters of a notebook that sweeps, beside those of the study

_SAFE = re.compile(r"[\w.+-]{1,32}", re.ASCII)
_SIZED = {"model", "width", "height", "batch_size"}  # what a batch size depends on


@dataclass(frozen=True)
class Variant:
    """One combination: the axes' values by name, and the study that has them."""

    values: dict[str, Any]
    study: Study

    @property
    def label(self) -> str:
        """The values for people: `grid, denoising_strength 0.3`."""
        return self.named(*self.values)

    def named(self, *axes: str) -> str:
        """The values of these axes for people."""
        return ", ".join(said(axis, self.values[axis]) for axis in axes if axis in self.values)


@dataclass(frozen=True)
class Sweep:
    """A study and its axes: {parameter: its values}. Runs go below the study's output_dir."""

    study: Study
    axes: Mapping[str, Sequence[Any]]

    def __post_init__(self) -> None:
        _ = self.variants  # every mistake is found before any work

    @classmethod
    def from_cell(cls, namespace: Mapping[str, Any]) -> Self:
        """The sweep of a notebook's parameters cell: pass `globals()` right after it.

        `x_axis` is a parameter's name, `x_values` its values (a list, or text such as
        `grid, blend`), y and z likewise; `seeds`: with how many seeds each is run.
        """
        own = CELL | {name: namespace[name] for name in CELL if name in namespace}
        rest = {name: value for name, value in namespace.items() if name not in CELL}
        study = Study.from_cell(rest)
        pairs = [(own[f"{axis}_axis"], own[f"{axis}_values"]) for axis in AXES]
        named = [(name, listed(name, values)) for name, values in pairs if name]
        if own["seeds"] > 1:
            named.append(("seed", list(range(study.seed, study.seed + own["seeds"]))))
        return cls(study, _distinct(named))

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """Every combination, the last axis fastest. Raises ParameterError for what is no study."""
        combined = itertools.product(*self.axes.values())
        found = tuple(self._variant(dict(zip(self.axes, each, strict=True))) for each in combined)
        if not found or len({variant.study.output_dir for variant in found}) < len(found):
            asked = f"a sweep over {', '.join(self.axes)}"
            raise ParameterError(asked, "no value, or one value twice", "give each value once")
        return found

    @property
    def planes(self) -> list[list[list[Variant]]]:
        """The variants by axis: planes of rows, first axis across, second down, one plane for each
        combination of the others.
        """
        sizes = [*(len(values) for values in self.axes.values()), 1, 1]
        cube = np.array(self.variants, dtype=object).reshape(sizes[0], sizes[1], -1)
        return cube.transpose(2, 1, 0).tolist()

    @property
    def first_seed(self) -> tuple[Variant, ...]:
        """The variants with the first of the seeds: enough to look at."""
        seed = self.variants[0].study.seed
        return tuple(variant for variant in self.variants if variant.study.seed == seed)

    @property
    def conditions(self) -> dict[str, Any]:
        """What all variants have in common, by name, as far as it is no default or matters most."""
        named = self.study.model_dump(exclude_defaults=True)
        named |= self.study.model_dump(include={"sequence", "model", "passes", "seed"})
        return {k: v for k, v in named.items() if k != "output_dir" and k not in self.axes}

    @property
    def directory(self) -> Path:
        return Path(self.study.output_dir)

    def run(
        self,
        load: Callable[[Study], Generator] | None = None,
        progress: WholeProgress | None = None,
    ) -> tuple[Variant, ...]:
        """The variants, each with a finished run in `study.output_dir`; goes on where it was.

        `load`: makes the generator of a study (default: the study's model is loaded). `progress`:
        by default one bar for all runs.
        """
        with closing(progress or self._bar()) as progress:
            for index, variant in enumerate(self.variants):
                progress.start(variant.label)
                study = variant.study.model_copy(update=self._frozen(index))
                generator = load(study) if load else None
                run(study, generator, progress, share_from=self._relative(index))
        return self.variants

    def _variant(self, values: dict[str, Any]) -> Variant:
        if "output_dir" in values:
            found, remedy = "output_dir as an axis", "vary another: each run has its own anyway"
            raise ParameterError("a sweep", found, remedy)
        name = ",".join(f"{key}={_file_name(value)}" for key, value in values.items()) or "run"
        place = {"output_dir": str(self.directory / name)}
        return Variant(values, Study.of(**self.study.model_dump() | values | place))

    def _relative(self, index: int) -> Path | None:
        """The earlier run that has most in common with this one, its first pass at least."""
        mine = self.variants[index].study
        near = [v.study for v in self.variants[:index] if _first_pass(v.study) == _first_pass(mine)]
        nearest = max(near, key=lambda other: _in_common(mine, other), default=None)
        return nearest and Path(nearest.output_dir)

    def _frozen(self, index: int) -> dict[str, int]:
        """The batch size that the first run found, so that the others' frames are comparable."""
        if index == 0 or _SIZED & self.axes.keys():
            return {}
        settings = open_run(self.variants[0].study.output_dir).manifest["settings"]
        return {"batch_size": settings["batch_size"]}

    def _bar(self) -> WholeProgress:
        studies = [variant.study for variant in self.variants]
        return WholeProgress([_costs(s) for s in studies], [_count(s) for s in studies])


def listed(name: str, values: Any) -> list[Any]:
    """An axis's values: a list as it is; text such as `grid, blend` is read as YAML's list."""
    if not isinstance(values, str):
        return list(values) if isinstance(values, list | tuple) else [values]
    try:
        return yaml.safe_load(f"[{values}]")
    except yaml.YAMLError:
        remedy = 'separate them by commas; quote text that has some: "a, b", c'
        raise ParameterError(f"the values of {name}", short(values), remedy) from None


def said(name: str, value: Any) -> str:
    """A parameter's value for people: text says itself, a number needs its name."""
    return value if isinstance(value, str) and value else f"{name} {value!r}"


def _distinct(named: Sequence[tuple[str, list[Any]]]) -> dict[str, list[Any]]:
    names = [name for name, _ in named]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        remedy = "give every axis a parameter of its own; seeds is the axis seed"
        raise ParameterError("the axes of a sweep", f"{', '.join(twice)} twice", remedy)
    return dict(named)


def _file_name(value: Any) -> str:
    text = str(value)
    return text if _SAFE.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()[:8]


def _first_pass(study: Study) -> dict[str, Any]:
    """The parameters that a first pass depends on."""
    return {k: v for k, v in study.pixel_parameters().items() if k not in REFINEMENT}


def _in_common(one: Study, other: Study) -> tuple[int, int]:
    """(how many parameters are equal, how many passes the other one can give)."""
    return sum(value == getattr(other, name) for name, value in one), other.passes


def _costs(study: Study) -> list[float]:
    """What a frame costs in each pass, relative to one another."""
    return [1.0] + [float(np.mean(study.denoising_strength))] * (study.passes - 1)


def _count(study: Study) -> int:
    words = read_sequence(study.sequence)
    return len(positions(len(words), study.frame_interval, study.limit))
