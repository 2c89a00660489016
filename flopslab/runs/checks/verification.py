"""The one check that every reader makes: whether a manifest is true of what lies on the disk.

It reads the recipes of all frames that the manifest names, not their pixels.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from flopslab.commands import describe_positions
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing
from flopslab.errors import ParameterError
from flopslab.runs import layout, links
from flopslab.runs.frame_files import read_recipe
from flopslab.runs.provenance import Digests, Recipe
from flopslab.words.word import words_digest

ReadRecipe = Callable[[Path], Recipe]  # ValueError for what is no frame of a run
EDITED = KeyError, IndexError, TypeError, AttributeError, ValueError  # by a manifest that was


@dataclass(frozen=True)
class Fault:
    """One thing in a run directory that is not as its manifest, or a recipe, says."""

    path: Path
    problem: str
    key: FrameKey | None = None  # None: no frame

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def find_faults(
    directory: Path, manifest: Mapping[str, Any], read: ReadRecipe = read_recipe
) -> Iterator[Fault]:
    """What in a run directory is not as the manifest of a complete run says, in order.

    Where the manifest contradicts itself, nothing else is looked at. A frame does not fit if its
    recipe cannot be read, is another frame's, or has other pixels, another seed, other settings,
    words or inputs than the manifest and the frames before it. A name in final/ does not if it
    does not show its frame of the last pass. `read` gives the recipe of a file.
    """
    contradictions = [*_manifest_faults(directory, manifest)]
    if contradictions:
        yield from contradictions
        return
    digests: dict[FrameKey, Digests] = {}
    words = words_digest(manifest["sequence"])
    for row in range(manifest["final_pass"]):
        for frame in manifest["frames"]:
            key = FrameKey(row + 1, frame["position"])
            path = layout.frame_path(directory, key)
            try:
                recipe = read(path)
            except ValueError as error:
                yield Fault(path, str(error), key)
                continue
            digests[key] = Digests(recipe.digest, recipe.latents)
            if problem := _contradiction(recipe, key, frame, manifest, digests, words):
                yield Fault(path, problem, key)
    yield from _final_faults(directory, manifest)


_COPIES = "context_diameter", "frame_interval", "prompt_style", "model"  # of parameters


def describe_faults(faults: Sequence[Fault], interval: int, most: int = 4) -> str:
    """Faults for people: pass by pass the positions and what is wrong there."""
    groups = [list(group) for _, group in groupby(faults, key=_kind)]
    parts = []
    for group in groups[:most]:
        place, problem = _kind(group[0])
        positions = [fault.key.position for fault in group if fault.key]
        at = f" at {describe_positions(positions, interval)}" if positions else ""
        parts.append(f"{place}{at}: {problem}")
    rest = sum(map(len, groups[most:]))
    return "; ".join(parts) + (f"; and {rest} more" if rest else "")


def _manifest_faults(directory: Path, manifest: Mapping[str, Any]) -> Iterator[Fault]:
    """What the manifest says of the run as a whole, and its parameters do not."""
    path, frames = directory / layout.MANIFEST, manifest["frames"]
    try:
        study = Study(**manifest["parameters"])
    except ParameterError as error:
        yield Fault(path, f"edited ({error.actual})")
        return
    expected = {
        "total_frames": len(frames),
        "final_pass": study.passes,
        "pass_directories": [layout.pass_name(n + 1) for n in range(study.passes)],
    } | {name: getattr(study, name) for name in _COPIES}
    for name, value in expected.items():
        if manifest[name] != value:
            yield Fault(path, f"{name} = {manifest[name]!r:.80} in place of {value!r:.80}")
    positions = Windowing(study, len(manifest["sequence"])).positions
    if [frame["position"] for frame in frames] != [*positions]:
        yield Fault(path, "other positions than its parameters have")


def _kind(fault: Fault) -> tuple[str, str]:
    place = layout.pass_name(fault.key.pass_number) if fault.key else str(fault.path.name)
    return place, fault.problem


def _contradiction(
    recipe: Recipe,
    key: FrameKey,
    frame: Mapping[str, Any],
    manifest: Mapping[str, Any],
    digests: Mapping[FrameKey, Digests],
    words: str,
) -> str:
    """What in the recipe is not as the manifest and the frames before it say; empty if nothing."""
    if recipe.frame_key != key:
        return f"the frame of pass {recipe.pass_number} at position {recipe.position}"
    if recipe.digest != frame["pixel_digests"][key.pass_number - 1]:
        return "not the picture that the manifest names"
    if recipe.pixels["seed"] != frame["seeds"][key.pass_number - 1]:
        return "not the seed that the manifest names"
    if recipe.pixels["settings"] != manifest["settings"]:
        return "not the settings that the manifest names"
    if recipe.parameters.get("sequence") != words:
        return "not of the words that the manifest names"
    if key.pass_number == manifest["final_pass"] and (name := _edited(recipe, frame, manifest)):
        return f"not the {name} that the manifest names"
    for source, expected in recipe.needs:
        present = digests.get(source)
        if present and expected not in (present, Digests(present.digest, None)):
            where = f"position {source.position} in pass {source.pass_number}"
            return f"made from another picture than the one now at {where}"
    return ""


def _edited(recipe: Recipe, frame: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """The first field of a frame in the manifest that its recipe contradicts; empty if none."""
    centre = manifest["sequence"][recipe.position - 1]
    expected = {
        "center_word": centre["word"],
        "audio_start_ms": centre.get("start_ms"),
        "audio_end_ms": centre.get("end_ms"),
        "context_words": recipe.prompt_words,
        "prompt": recipe.prompt,
        "tokens": recipe.tokens,
        "references": [{"position": e.source, "weight": e.weight} for e in recipe.inputs],
        "image_file": layout.frame_name(recipe.position),
        "generation_time_s": recipe.generation_time_s,
    }
    return next((name for name, value in expected.items() if frame[name] != value), "")


def _final_faults(directory: Path, manifest: Mapping[str, Any]) -> Iterator[Fault]:
    last = manifest["final_pass"]
    positions = [frame["position"] for frame in manifest["frames"]]
    pictures = [layout.frame_path(directory, FrameKey(last, position)) for position in positions]
    try:
        paths = links.unlinked(directory, pictures)
    except OSError as error:
        yield Fault(directory / layout.FINAL, error.strerror or str(error))
        return
    for path in paths:
        yield Fault(path, "does not show its frame of the last pass")
