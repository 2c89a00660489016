"""Model directories: found, checked before anything in them is trusted, digested, loaded."""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import AutoPipelineForImage2Image, AutoPipelineForText2Image, DiffusionPipeline
from safetensors import safe_open

import flopslab
from flopslab.errors import ModelError

EMBEDDED = Path(flopslab.__file__).parent / "tiny" / "model"

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_PICKLED = ("*.bin", "*.ckpt", "*.pt", "*.pth")
READ = {".json", ".txt", ".model", ".safetensors"}
_UNUSED = {"safety_checker", "feature_extractor", "image_encoder"}  # no part of the model itself
_SAVE = "save it again with diffusers: pipeline.save_pretrained(directory)"


def find(name: str) -> Path:
    """The directory of a model: the embedded one ("tiny"), a local one, or a hub id's snapshot.

    Raises ModelError if there is none; a hub id is downloaded unless it is in the cache.
    """
    path = EMBEDDED if name == "tiny" else Path(name).expanduser()
    if path.exists():
        return path
    if name == "tiny":
        remedy = "install flopslab again, or train the model: make tiny"
        raise ModelError("the embedded model, tiny", f"no directory {path}", remedy)
    if not _HUB_ID.fullmatch(name):
        raise ModelError(
            f"model {name!r}",
            f"no directory {path.absolute()}, and no hub id either (owner/name)",
            "give tiny (the embedded model), a directory with a model_index.json, or a hub id",
        )
    try:
        return Path(DiffusionPipeline.download(name, use_safetensors=True, safety_checker=None))
    except Exception as error:  # the hub fails in many ways, all of them ours to explain
        raise ModelError(
            f"model {name!r}",
            f"no directory {path.absolute()}, and as a hub id: {first_line(error)}",
            "check the spelling and the network (is HF_HUB_OFFLINE set? a licence to accept?), "
            f"or fetch it where there is one: hf download {name}",
        ) from error


def read_index(directory: Path) -> dict[str, Any]:
    """The directory's model_index.json, checked: no code of its own, no pickled weights."""
    asked = f"a model in {directory}"
    if not directory.is_dir():
        found = "one file, not a directory" if directory.exists() else "no such directory"
        raise ModelError(asked, found, f"give a directory with a model_index.json; {_SAVE}")
    try:
        index = json.loads((directory / "model_index.json").read_text(encoding="utf-8"))
        libraries = dict(_components(index))
    except (OSError, ValueError, AttributeError) as error:
        found = f"no readable model_index.json ({first_line(error)})"
        raise ModelError(asked, found, f"give a diffusers pipeline, or {_SAVE}") from error
    for name, library in libraries.items():
        if not (library in ("diffusers", "transformers") or hasattr(diffusers.pipelines, library)):
            remedy = "use a model made of diffusers' and transformers' own classes"
            raise ModelError(asked, f"{name} with code of its own ({library})", remedy)
        refuse_pickled(asked, directory / name)
    return index


def digest(directory: Path) -> str:
    """SHA-256 (hex) of the names and contents of the files that determine pixels.

    The same wherever the directory lies and whenever it was written.
    """
    files = [directory / "model_index.json"]
    for name, _ in _components(read_index(directory)):
        if name not in _UNUSED:
            files += [path for path in (directory / name).rglob("*") if path.suffix in READ]
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(f"{path.relative_to(directory).as_posix()}\0{file_digest(path)}\n".encode())
    return total.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of the file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def recommended(directory: Path) -> dict[str, Any]:
    """What the model's maker recommends: `steps`, `guidance_scale`, from its flopslab.json if any.

    `ip_adapter` there names the adapter that comes with it: {"subfolder": ..., "weight_name": ...}.
    Raises ModelError if the file cannot be read or recommends anything else.
    """
    path = directory / "flopslab.json"
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.keys() <= {"steps", "guidance_scale", "ip_adapter"}:
            return values
        found = f"the names {', '.join(values)}"
    except (OSError, ValueError, AttributeError) as error:
        found = first_line(error)
    remedy = 'write {"steps": ..., "guidance_scale": ...}, or remove the file'
    raise ModelError(f"recommended settings from {path}", found, remedy)


def load(
    directory: Path, device: torch.device, dtype: torch.dtype
) -> tuple[DiffusionPipeline, DiffusionPipeline]:
    """The directory's pipelines (text to image, image to image) on the device, sharing modules.

    Raises ModelError, whatever is wrong with them; weights are known to be complete and finite.
    """
    asked = f"a text-to-image pipeline from {directory}"
    options = _left_out(read_index(directory))
    try:
        with quiet():
            pipe = AutoPipelineForText2Image.from_pretrained(
                directory, dtype=dtype, use_safetensors=True, local_files_only=True, **options
            )
        _check_kind(asked, pipe)
        for name, network in _networks(pipe):
            check_complete(asked, name, network, directory / name)
        pipe.to(device)
        check_finite(asked, _networks(pipe))
        pipes = pipe, AutoPipelineForImage2Image.from_pipe(pipe)
    except ModelError:
        raise
    except Exception as error:  # diffusers, transformers, safetensors and CUDA have no common one
        remedy = (
            "fetch or copy the model again if it is damaged; take another if it is too large for "
            "this device or of a kind that diffusers' AutoPipelineForText2Image does not know"
        )
        raise ModelError(asked, first_line(error), remedy) from error
    for each in pipes:
        each.set_progress_bar_config(disable=True)
    if device.type == "cuda":  # the layout that its convolutions are fastest in
        for name in {"unet", "vae"} & pipe.components.keys():
            getattr(pipe, name).to(memory_format=torch.channels_last)
    return pipes


def _left_out(index: dict[str, Any]) -> dict[str, Any]:
    """Options that leave unloaded what is no part of the model itself."""
    pipeline = getattr(diffusers, str(index.get("_class_name")), None)
    optional = getattr(pipeline, "_optional_components", [])
    options = {name: None for name in _UNUSED if name in index and name in optional}
    return options | ({"requires_safety_checker": False} if "safety_checker" in options else {})


def _components(index: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, library) of what the index lists as [library, class]."""
    for name, value in index.items():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
            yield name, value[0]


def _networks(pipe: DiffusionPipeline) -> Iterator[tuple[str, torch.nn.Module]]:
    return ((n, m) for n, m in pipe.components.items() if isinstance(m, torch.nn.Module))


def refuse_pickled(asked: str, component: Path) -> None:
    pickled = [path.name for pattern in _PICKLED for path in component.glob(pattern)]
    if pickled and not list(component.glob("*.safetensors")):
        found = f"pickled weights only: {component.name}/{pickled[0]}, which could run any code"
        raise ModelError(asked, found, f"take the model's safetensors files; or {_SAVE}")


def _check_kind(asked: str, pipe: DiffusionPipeline) -> None:
    if not ({"unet", "transformer"} & pipe.components.keys() and "vae" in pipe.components):
        remedy = "use a latent diffusion model: Stable Diffusion 1 to 3, SDXL, Flux, PixArt, ..."
        raise ModelError(asked, f"{type(pipe).__name__}, not one denoiser and one VAE", remedy)


def check_complete(asked: str, name: str, network: torch.nn.Module, directory: Path) -> None:
    """Missing tensors would otherwise be made up: transformers only logs it."""
    stored = sum(map(_numbers_in, directory.glob("*.safetensors")))
    needed = sum(parameter.numel() for parameter in network.parameters())
    if stored < needed:
        found = f"{stored} of the {needed} numbers that {name} is made of"
        raise ModelError(asked, found, "fetch or copy the model again")


def _numbers_in(path: Path) -> int:
    with safe_open(path, "pt") as file:
        return sum(math.prod(file.get_slice(key).get_shape()) for key in list(file.keys()))


def check_finite(asked: str, networks: Iterable[tuple[str, torch.nn.Module]]) -> None:
    """A sum is NaN or infinite if any part of it is, and costs one reading of the weights."""
    for name, network in networks:
        for key, parameter in network.named_parameters():
            if not torch.isfinite(parameter.detach().sum(dtype=torch.float32)):
                found = f"weights that are not finite numbers: {name}, {key}"
                raise ModelError(asked, found, "fetch or copy the model again, or train it anew")


@contextmanager
def quiet() -> Iterator[None]:
    """Loading without bars and remarks: what matters in them is checked here. Downloads stay."""
    loggers = [diffusers.utils.logging, transformers.utils.logging]
    before = [(log, log.get_verbosity(), log.is_progress_bar_enabled()) for log in loggers]
    for log in loggers:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log, verbosity, bars in before:
            log.set_verbosity(verbosity)
            if bars:
                log.enable_progress_bar()


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
