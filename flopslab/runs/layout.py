"""Where everything of a run lies: the module that knows its paths and file names.

    <run>/pass1/frame_000001.png ...       each with its recipe inside
    <run>/pass1/frame_000001.safetensors   its latents, with the method that reads them
    <run>/final/frame_000001.png ...       links to the last pass
    <run>/visual-manifest.json             derived from the pictures
    <run>/quarantine/pass2.frame_000025.1.png   what could not be kept
    <run>/run.log                          how the work went, for people; nothing reads it
    <run>/.lock                            held by the process that writes
    <run>/.proof                           a cache, with `proof: fast`

Derived runs lie beside it, each a run directory of its own:

    <run>-interventions/<identity>/        with intervention.json and sequence.json
    <run>-controls/<control>/  <run>-seeds/<seed>/
"""

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from flopslab.core.windows import FrameKey
from flopslab.errors import RunError

MANIFEST = "visual-manifest.json"
FINAL = "final"
QUARANTINE = "quarantine"
LOCK = ".lock"
LOG = "run.log"
PROOF = ".proof"
INTERVENTION = "intervention.json"  # in the directory of an intervention
SEQUENCE = "sequence.json"  # the words of an intervention, or of the run that it starts from

_FRAME = re.compile(r"frame_(\d{6,})\.png")
_FINAL_NAME = re.compile(r"frame_.*\.png")
_PASS = re.compile(r"pass([1-9]\d*)")
_FINAL_LINK = re.compile(r"\.\./pass\d+/frame_\d+\.png")


def pass_name(pass_number: int) -> str:
    """The name of a pass's directory: `pass2`."""
    return f"pass{pass_number}"


def is_part(name: str) -> bool:
    """Whether a directory of this name in a run is a part of it, and holds no other run."""
    return name in (FINAL, QUARANTINE) or _PASS.fullmatch(name) is not None


def frame_name(position: int) -> str:
    """The name of the frame at a position: `frame_000025.png`."""
    return f"frame_{position:06d}.png"


def frame_path(directory: Path, key: FrameKey) -> Path:
    """The path of a picture of the run in `directory`."""
    return directory / pass_name(key.pass_number) / frame_name(key.position)


def latents_path(picture: Path) -> Path:
    """The path of the latents beside a picture."""
    return picture.with_suffix(".safetensors")


def frame_keys(directory: Path) -> list[FrameKey]:
    """The keys of all pictures in a run directory, in order: by their names alone.

    RunError if there is a directory that may not be read: it is not an empty one.
    """
    passes = (match for name in _names(directory) if (match := _PASS.fullmatch(name)))
    return sorted(
        FrameKey(int(number[1]), int(position[1]))
        for number in passes
        for name in _names(directory / number[0])
        if (position := _FRAME.fullmatch(name))
    )


def sample_keys(directory: Path, most: int = 200) -> list[FrameKey]:
    """The keys of pictures that stand for all: at most so many of each pass, evenly spread."""
    keys = frame_keys(directory)
    passes = [list(group) for _, group in itertools.groupby(keys, lambda key: key.pass_number)]
    return [key for row in passes for key in row[:: -(-len(row) // most)]]


def final_frames(directory: Path) -> list[Path]:
    """What stands in a run's final/ under the name of a frame, in order."""
    final = directory / FINAL
    return [final / name for name in _names(final) if _FINAL_NAME.fullmatch(name)]


def link_target(picture: Path) -> str:
    """What a link in final/ to this picture says: `../pass2/frame_000025.png`."""
    return f"../{picture.parent.name}/{picture.name}"


def is_final_link(target: str) -> bool:
    """Whether a link in final/ with this target was made by a run."""
    return _FINAL_LINK.fullmatch(target) is not None


def quarantine_paths(directory: Path, picture: Path) -> Iterator[Path]:
    """Names in quarantine/ for what stands at `picture`, without end."""
    for number in itertools.count(1):
        name = f"{picture.parent.name}.{picture.stem}.{number}{picture.suffix}"
        yield directory / QUARANTINE / name


def interventions_directory(directory: Path) -> Path:
    """Where the interventions in a run lie."""
    directory = _with_name(directory)
    return directory.with_name(f"{directory.name}-interventions")


def variant_directory(directory: Path, control: str = "none", seed: int | None = None) -> Path:
    """Where the same study lies under a control, with another seed, or both."""
    directory = _with_name(directory)
    name = directory.name
    path = directory if control == "none" else directory.with_name(f"{name}-controls") / control
    return path if seed is None else path.with_name(f"{path.name}-seeds") / str(seed)


def obstacles(directory: Path) -> list[Path]:
    """What stands in a run directory where a directory or the manifest of the run must be."""
    parts = [directory / name for name in _names(directory) if _PASS.fullmatch(name)]
    parts += [directory / FINAL, directory / QUARANTINE]
    links = [path for path in parts if path.is_symlink() or (path.exists() and not path.is_dir())]
    manifest = directory / MANIFEST
    return links + [manifest] * (manifest.is_dir() and not manifest.is_symlink())


def longest_name(passes: int, frames: int) -> str:
    """The longest path that a file of a run has, relative to the run directory."""
    picture = frame_path(Path(), FrameKey(passes, frames))
    return str(latents_path(next(quarantine_paths(Path(), picture))))


def _with_name(directory: Path) -> Path:
    """The same directory, by a path that ends in its name (unlike `.`)."""
    directory = directory if directory.name not in ("", "..") else directory.resolve()
    if not directory.name:
        hint = "choose an output_dir with a name"
        raise RunError(f"a directory beside {directory}", "nothing can be beside it", hint)
    return directory


def _names(directory: Path) -> list[str]:
    """What lies in a directory, in order; nothing where there is none. RunError if refused."""
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        hint = "make it readable for you, or have its owner do so"
        raise RunError(f"what lies in {directory}", error.strerror or str(error), hint) from error
