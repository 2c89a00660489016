"""What the client and the workers of a cluster send each other; Dask's wire is pickle."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flopslab.core.generator import Capabilities, Generator
from flopslab.core.plan import Frame
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.runs.frame_files import EncodedFrame
from flopslab.runs.provenance import ALGORITHM, FORMAT, Digests
from flopslab.version import __version__

Loader = Callable[[Study, int], Generator]  # of a study's generator, with this batch size
Files = tuple[bytes, bytes | None]  # of a frame: its PNG, and its latents if they are kept


def code_version() -> str:
    """The version of flopslab that runs here, with what it says of pixels and records."""
    return f"{__version__}, algorithm {ALGORITHM}, format {FORMAT}"


@dataclass(frozen=True)
class Job:
    """What all batches of a run have in common."""

    study: Study
    load: Loader
    batch_size: int
    settings: Mapping[str, Any] | None = None  # that a worker must have; None: any
    directory: str = ""  # of the run, which a worker may see
    run: str = ""  # a name of its own for each start of a run
    version: str = field(default_factory=code_version)


@dataclass(frozen=True)
class Task:
    """A batch to be made, and the digests of all frames that it needs.

    `files`: of the frames among them that the worker at hand cannot read.
    """

    batch: Sequence[Frame]
    digests: Mapping[FrameKey, Digests]
    files: Mapping[FrameKey, Files]


@dataclass(frozen=True)
class Answer:
    """A batch that is made: its files, the seconds that it took, and on which device."""

    pictures: Sequence[EncodedFrame]
    seconds: float
    device: str


@dataclass(frozen=True)
class Absence:
    """The frames that a worker at this address can neither remember nor read."""

    keys: Sequence[FrameKey]
    address: str


@dataclass(frozen=True)
class Description:
    """What a worker's generator is, and what it says of all prompts of a run."""

    settings: dict[str, Any]
    size: tuple[int, int]
    capabilities: Capabilities
    tokens: dict[Prompt, int | None]
    colours: dict[tuple[str, ...], str]  # by words
