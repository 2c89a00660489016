"""Where a model lies: the embedded one, a local directory or file, or the hub."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from huggingface_hub import snapshot_download

from flopslab.backends.diffusers.loading.libraries import first_line
from flopslab.errors import ModelError

TINY_MODEL = Path(__file__).parents[3] / "tiny" / "model"
INDEX = "model_index.json"

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")


def find(name: str, dtype: torch.dtype = torch.float32) -> Path:
    """The directory or file of a model: the embedded one ("tiny"), a local one, or a hub id's.

    A hub id is downloaded unless it is in the cache; as its fp16 variant, if it has one, where it
    is computed in half precision. Raises ModelError if there is none.
    """
    path = TINY_MODEL if name == "tiny" else Path(name).expanduser()
    if path.exists():
        return _directory_meant(path)
    if name == "tiny":
        hint = "install flopslab again, or train the model: make tiny"
        raise ModelError("the embedded model, tiny", f"no directory {path}", hint)
    if not is_hub_id(name):
        raise ModelError(
            f"model {name!r}",
            f"no directory {path.absolute()}, and not a hub id (owner/name)",
            f"give tiny (the embedded model), a directory with a {INDEX}, a safetensors file, or "
            "a hub id",
        )
    try:
        return _download(name, "fp16" if dtype.itemsize == 2 else None)
    except Exception as error:  # the hub fails in many ways: explain them all
        raise ModelError(
            f"model {name!r}",
            f"no directory {path.absolute()}, and as a hub id: {first_line(error)}",
            "check the spelling and the network (is HF_HUB_OFFLINE set? a licence to accept?), "
            f"or download it where there is one: hf download {name}",
        ) from error


def is_hub_id(name: str) -> bool:
    """Whether the name can be a hub id, owner/name."""
    return bool(_HUB_ID.fullmatch(name))


def find_file(kind: str, name: str, example: str, beside: Sequence[str] = ()) -> Path:
    """The safetensors file of this path or, as owner/name/path, of a repository on the hub.

    `kind` and `example` are for the error: ModelError if there is none. `beside`: patterns of what
    else to fetch from the file's folder.
    """
    path = Path(name).expanduser()
    expected, parts = f"{kind} {name}", name.split("/")
    if not path.exists() and len(parts) > 2 and name.endswith(".safetensors"):
        repository, file = "/".join(parts[:2]), "/".join(parts[2:])
        folder = Path(file).parent
        patterns = [file, *((folder / pattern).as_posix() for pattern in beside)]
        try:
            return Path(snapshot_download(repository, allow_patterns=patterns)) / file
        except Exception as error:  # the hub fails in many ways: explain them all
            actual = f"no file {path.absolute()}, and on the hub: {first_line(error)}"
            hint = "check the spelling and the network (is HF_HUB_OFFLINE set?)"
            raise ModelError(expected, actual, hint) from error
    if path.suffix != ".safetensors" or not path.is_file():
        hint = f"give the path of a safetensors file, or one on the hub: {example}"
        raise ModelError(expected, f"no safetensors file {path}", hint)
    return path


def _directory_meant(path: Path) -> Path:
    """The path, or the model's directory if it is the index in it.

    Raises ModelError for the outer folder of a model in the hub's cache.
    """
    if path.name == INDEX and path.is_file():
        return path.parent
    snapshots = path / "snapshots"
    if not (path / INDEX).exists() and snapshots.is_dir():
        revisions = sorted(snapshots.iterdir(), key=lambda revision: revision.stat().st_mtime)
        actual = "the folder of all its revisions in the hub's cache"
        choice = str(revisions[-1]) if revisions else "a directory in it"
        identifier = "/".join(path.name.split("--")[1:])
        hint = f"give {choice}" + (f", or the hub id {identifier}" if identifier else "")
        raise ModelError(f"a model in {path}", actual, hint)
    return path


def _download(name: str, variant: str | None) -> Path:
    """The hub id's directory in the cache; without that variant, if the hub has none of it."""
    options = {"use_safetensors": True, "safety_checker": None}
    try:
        return Path(DiffusionPipeline.download(name, variant=variant, **options))
    except ValueError as error:
        if variant is None or "variant" not in str(error):
            raise
        return Path(DiffusionPipeline.download(name, **options))
