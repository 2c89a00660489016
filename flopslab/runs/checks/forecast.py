"""What a study would make again in a run directory, and why; needs no model and writes nothing."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from flopslab.core.plan import Frame, Plan
from flopslab.core.prompts import Prompt
from flopslab.core.study import refinement_names
from flopslab.core.windows import FrameKey, Windowing
from flopslab.errors import RunError
from flopslab.runs import layout
from flopslab.runs.checks.differences import Difference, brief, differences
from flopslab.runs.frame_files import decode_frame, decode_latents, read_recipe
from flopslab.runs.provenance import (
    ADAPTER,
    Digests,
    Recipe,
    RunContext,
)
from flopslab.runs.reader import common_parameters, read_manifest
from flopslab.storage import filesystem

UNKNOWN = "not known without the model"

Fate = Literal["kept", "missing", "damaged", "outdated", "stale"]


@dataclass(frozen=True)
class Verdict:
    """What would become of a frame: `kept`, or made again for any other reason."""

    key: FrameKey
    fate: Fate
    detail: str = ""  # the damage
    differences: tuple[Difference, ...] = ()  # of an outdated frame
    sources: tuple["Verdict", ...] = ()  # of a stale frame: its inputs that will change

    @property
    def changes(self) -> bool:
        """Whether the frame's pixels will be others; what is only damaged comes out the same."""
        return self.fate in ("outdated", "stale")


class Planner:
    """Plans frames in place of a generator: counts no tokens, knows the colours of prompts made."""

    def __init__(self, recipes: Mapping[FrameKey, Recipe]) -> None:
        self._colours = {
            tuple(recipe.prompt_words): text.split(" toned, ")[0].rsplit(" ", 1)[-1]
            for recipe in recipes.values()
            for text, _ in recipe.pixels["prompt"]
            if " toned, " in text
        }

    def tokens(self, prompt: Prompt) -> int:
        return 0

    def nearest_colour(self, words: tuple[str, ...]) -> str:
        return self._colours.get(words, f"({UNKNOWN})")


@dataclass
class Forecast:
    """What the run of `context` would make again in `directory`, by the recipes there.

    Pixels are not verified. `external_digests`: of the pictures from outside, by position.
    """

    context: RunContext
    directory: Path
    external_digests: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._verdicts: dict[FrameKey, Verdict] = {}
        self._recipes: dict[FrameKey, Recipe] = {}
        self._problems: dict[FrameKey, str] = {}
        for key in layout.frame_keys(self.directory):
            try:
                recipe = read_recipe(layout.frame_path(self.directory, key))
            except ValueError as error:
                self._problems[key] = str(error)
            else:
                self._recipes[key] = recipe

    @cached_property
    def frames(self) -> dict[FrameKey, Frame]:
        """Every frame of the run, as it is planned, pass by pass."""
        words, planner = self.context.sequence.words, Planner(self._recipes)
        plan = Plan(self.context.study, words, planner)
        return {key: plan.frame(key) for key in plan.keys}

    def verdicts(self) -> list[Verdict]:
        """The verdicts on all frames of the run, in order."""
        return [self.verdict(key) for key in self.frames]

    def verdict(self, key: FrameKey) -> Verdict:
        """What would become of this frame. RunError if the study has none there."""
        if key not in self.frames:
            windowing = Windowing(self.context.study, len(self.context.sequence.words))
            positions, passes = windowing.positions, self.context.study.passes
            actual = f"passes 1 to {passes}, positions {positions[0]} to {positions[-1]}"
            hint = "give the pass and the position of a frame of the study"
            raise RunError(f"a frame of pass {key[0]} at position {key[1]}", actual, hint)
        for source in self.frames[key].needs:
            if source not in self._verdicts:
                self.verdict(source)  # at most as deep as there are passes
        if key not in self._verdicts:
            self._verdicts[key] = self._judge(self.frames[key])
        return self._verdicts[key]

    def _judge(self, frame: Frame) -> Verdict:
        key = frame.key
        if key in self._problems:
            return Verdict(key, "damaged", self._problems[key])
        if key not in self._recipes:
            return Verdict(key, "missing", "there is no such file")
        actual = self._recipes[key].pixels
        changes = differences(self._expected(frame), actual)
        changed = [self._verdicts[source] for source in dict.fromkeys(frame.needs)]
        sources = tuple(verdict for verdict in changed if verdict.changes)
        own = tuple(change for change in changes if not change.is_input)
        if own:
            return Verdict(key, "outdated", differences=own)
        if changes:
            return Verdict(key, "stale", differences=tuple(changes), sources=sources)
        if self.context.keeps_latents and self._recipes[key].latents is None:
            return Verdict(key, "damaged", "made for a method that keeps no latents")
        return Verdict(key, "kept")

    def _expected(self, frame: Frame) -> dict[str, Any]:
        """What determines the frame's pixels, with its sources as they will be."""
        recorded = dict(self._recipes[frame.key].needs)
        present = {key: self._digests(key, recorded.get(key)) for key in frame.needs}
        part = self.context.pixels(frame, present)
        if frame.key.pass_number == 1 and str(frame.key.position) in self.external_digests:
            part["external_frame"] = self.external_digests[str(frame.key.position)]
        return part

    def _digests(self, key: FrameKey, recorded: Digests | None) -> Digests:
        """Of a source as it will be; what has to be made again unchanged: as it was recorded."""
        verdict = self._verdicts.get(key)
        if verdict and verdict.changes:
            return Digests("another picture", "others")
        if key in self._recipes:
            return Digests(self._recipes[key].digest, self._recipes[key].latents)
        return recorded or Digests(UNKNOWN, None)


def check_identity(directory: Path, context: RunContext) -> None:
    """RunError if what lies in the directory is not of the study, or of no run at all.

    It names each difference, and how many frames the study would make again.
    """
    expected, actual = context.parameters(), common_parameters(directory)
    if not actual:
        _refuse_foreign(directory)
    names = [name for name in actual if actual[name] != expected.get(name)]
    if names:
        verdicts = Forecast(context, directory).verdicts()
        hint = (
            "use the parameters that are there (the same words, model and kind of device among "
            f"them), or choose another output_dir; {_cost(verdicts)}"
        )
        is_kept = any(
            verdict.key.pass_number == 1 and verdict.fate == "kept" for verdict in verdicts
        )
        if set(names) <= {*refinement_names(), ADAPTER} and is_kept:
            hint += f"; with reuse_from = {str(directory)!r} another one keeps the first pass"
        if "algorithm" in names:
            hint = (
                "finish this run with the version of flopslab that began it, whose algorithm makes "
                f"these pixels, or choose another output_dir; {_cost(verdicts)}"
            )
        if context.follows and "denoising_strength" in names:
            weight = context.study.image_weight
            hint = f"its denoising_strength is that of image_weight = {weight:g}; {hint}"
        raise RunError(
            f"the run directory {directory} with {_listed(expected, names)}",
            f"frames made with {_listed(actual, names)}; they stay as they are",
            hint,
        )


def verified(forecast: Forecast, key: FrameKey) -> Verdict:
    """The verdict on a frame whose file is read whole: its pixels and latents verified, too."""
    verdict = forecast.verdict(key)
    if verdict.fate in ("missing", "damaged"):
        return verdict
    path = layout.frame_path(forecast.directory, key)
    try:
        _, recipe = decode_frame(filesystem.read(path) or b"")
        if forecast.context.keeps_latents:
            decode_latents(filesystem.read(layout.latents_path(path)), recipe.latents)
    except (OSError, ValueError) as error:
        return replace(verdict, fate="damaged", detail=str(error))
    return verdict


def _cost(verdicts: Iterable[Verdict]) -> str:
    """What the parameters would cost here: `34 of 2,100 frames would be made again`."""
    there = [verdict for verdict in verdicts if verdict.fate != "missing"]
    again = sum(verdict.fate != "kept" for verdict in there)
    return f"with the new ones {again:,} of {len(there):,} frames would be made again"


def _refuse_foreign(directory: Path) -> None:
    """RunError if pictures have the names of frames in a directory that no run has begun."""
    keys = layout.frame_keys(directory)
    if not keys or _has_manifest(directory):
        return
    paths = [layout.frame_path(directory, key) for key in keys]
    names = ", ".join(f"{path.parent.name}/{path.name}" for path in paths[:3])
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    raise RunError(
        f"an empty directory, or one of a run, in {directory}",
        f"{names}{more}, which no run of flopslab has made",
        "move them somewhere else, or choose another output_dir; nothing was changed",
    )


def _has_manifest(directory: Path) -> bool:
    with contextlib.suppress(RunError):
        read_manifest(directory)
        return True
    return False


def _listed(values: Mapping[str, Any], names: Iterable[str]) -> str:
    """`name = value` for each name."""
    return ", ".join(f"{name} = {brief(values.get(name))}" for name in names)
