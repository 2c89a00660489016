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
from diffusers.pipelines.auto_pipeline import AutoPipelineForImage2Image, AutoPipelineForText2Image
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from safetensors import safe_open

from flopslab.digests import file_digest
from flopslab.errors import ModelError

TINY_MODEL = Path(__file__).parents[2] / "tiny" / "model"

MODEL_SUFFIXES = {".json", ".txt", ".model", ".safetensors"}  # of files that determine pixels

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_PICKLE_PATTERNS = ("*.bin", "*.ckpt", "*.pt", "*.pth")
_EXTRAS = {"safety_checker", "feature_extractor", "image_encoder"}  # no part of the model itself
_SAVE_HINT = "save it again with diffusers: pipeline.save_pretrained(directory)"


def find(name: str) -> Path:
    """The directory of a model: the embedded one ("tiny"), a local one, or a hub id's snapshot.

    Raises ModelError if there is none. A hub id is downloaded unless it is in the cache.
    """
    path = TINY_MODEL if name == "tiny" else Path(name).expanduser()
    if path.exists():
        return path
    if name == "tiny":
        hint = "install flopslab again, or train the model: make tiny"
        raise ModelError("the embedded model, tiny", f"no directory {path}", hint)
    if not _HUB_ID.fullmatch(name):
        raise ModelError(
            f"model {name!r}",
            f"no directory {path.absolute()}, and not a hub id (owner/name)",
            "give tiny (the embedded model), a directory with a model_index.json, or a hub id",
        )
    try:
        return Path(DiffusionPipeline.download(name, use_safetensors=True, safety_checker=None))
    except Exception as error:  # the hub fails in many ways: explain them all
        raise ModelError(
            f"model {name!r}",
            f"no directory {path.absolute()}, and as a hub id: {first_line(error)}",
            "check the spelling and the network (is HF_HUB_OFFLINE set? a licence to accept?), "
            f"or download it where there is one: hf download {name}",
        ) from error


def read_index(directory: Path) -> dict[str, Any]:
    """The directory's model_index.json, checked: no code of its own, no pickled weights.

    Raises ModelError.
    """
    expected = f"a model in {directory}"
    if not directory.is_dir():
        actual = "one file, not a directory" if directory.exists() else "no such directory"
        hint = f"give a directory with a model_index.json; {_SAVE_HINT}"
        raise ModelError(expected, actual, hint)
    try:
        index = json.loads((directory / "model_index.json").read_text(encoding="utf-8"))
        libraries = dict(_components(index))
    except (OSError, ValueError, AttributeError) as error:
        actual = f"no readable model_index.json ({first_line(error)})"
        raise ModelError(expected, actual, f"give a diffusers pipeline, or {_SAVE_HINT}") from error
    for name, library in libraries.items():
        if not (library in ("diffusers", "transformers") or hasattr(diffusers.pipelines, library)):
            hint = "use a model that consists of classes of diffusers and transformers"
            raise ModelError(expected, f"{name} with code of its own ({library})", hint)
        refuse_pickle(expected, directory / name)
    return index


def digest(directory: Path) -> str:
    """SHA-256 (hex) of the names and contents of the files that determine pixels.

    The directory's place and its files' times have no part in it.
    """
    files = [directory / "model_index.json"]
    for name, _ in _components(read_index(directory)):
        if name not in _EXTRAS:
            paths = (directory / name).rglob("*")
            files += [path for path in paths if path.suffix in MODEL_SUFFIXES]
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(f"{path.relative_to(directory).as_posix()}\0{file_digest(path)}\n".encode())
    return total.hexdigest()


def load(
    directory: Path, device: torch.device, dtype: torch.dtype
) -> tuple[DiffusionPipeline, DiffusionPipeline]:
    """The directory's pipelines (text to image, image to image) on the device, sharing modules.

    Where the family has no image-to-image pipeline, both are the same one. Their weights are
    complete and finite. Raises ModelError for whatever is wrong with them.
    """
    expected = f"a text-to-image pipeline from {directory}"
    try:
        text_to_image = _load_pipeline(expected, directory, dtype)
        text_to_image.to(device)
        check_finite(expected, _networks(text_to_image))
        pipes = text_to_image, image_to_image(text_to_image)
    except ModelError:
        raise
    except Exception as error:  # diffusers, transformers, safetensors and CUDA share no base class
        hint = (
            "fetch or copy the model again if it is damaged; use another if it is too large for "
            "this device or of a kind that diffusers' AutoPipelineForText2Image does not know"
        )
        raise ModelError(expected, first_line(error), hint) from error
    for pipe in pipes:
        pipe.set_progress_bar_config(disable=True)
    if device.type == "cuda":  # the memory format in which its convolutions are fastest
        for name in {"unet", "vae"} & text_to_image.components.keys():
            getattr(text_to_image, name).to(memory_format=torch.channels_last)
    return pipes


def image_to_image(pipe: DiffusionPipeline) -> DiffusionPipeline:
    """The family's image-to-image pipeline on the same modules; `pipe` itself if it has none."""
    try:
        return AutoPipelineForImage2Image.from_pipe(pipe)
    except ValueError as error:
        if "find a pipeline linked to" not in str(error):
            raise
        return pipe


def _load_pipeline(expected: str, directory: Path, dtype: torch.dtype) -> DiffusionPipeline:
    """The text-to-image pipeline on the CPU, its weights complete."""
    index = read_index(directory)
    options = _options_without_extras(index)
    if str(index.get("_class_name")).startswith("StableDiffusionXL"):
        options |= {"add_watermarker": False}  # else pixels depend on which packages there are
    with quiet_libraries():
        pipe = AutoPipelineForText2Image.from_pretrained(
            directory, dtype=dtype, use_safetensors=True, local_files_only=True, **options
        )
    _check_kind(expected, pipe)
    for name, network in _networks(pipe):
        check_complete(expected, name, network, directory / name)
    return pipe


def _options_without_extras(index: dict[str, Any]) -> dict[str, Any]:
    """Options of `from_pretrained` that leave out what is no part of the model itself."""
    pipeline = getattr(diffusers, str(index.get("_class_name")), None)
    optional = getattr(pipeline, "_optional_components", [])
    options = {name: None for name in _EXTRAS if name in index and name in optional}
    return options | ({"requires_safety_checker": False} if "safety_checker" in options else {})


def _components(index: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, library) of the entries that the index lists as [library, class]."""
    for name, value in index.items():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
            yield name, value[0]


def _networks(pipe: DiffusionPipeline) -> Iterator[tuple[str, torch.nn.Module]]:
    return ((n, m) for n, m in pipe.components.items() if isinstance(m, torch.nn.Module))


def refuse_pickle(expected: str, component: Path) -> None:
    """Raise ModelError if the component's directory has its weights in pickle files only."""
    pickles = [path.name for pattern in _PICKLE_PATTERNS for path in component.glob(pattern)]
    if pickles and not list(component.glob("*.safetensors")):
        actual = f"pickled weights only: {component.name}/{pickles[0]}, which could run any code"
        raise ModelError(expected, actual, f"take the model's safetensors files; or {_SAVE_HINT}")


def _check_kind(expected: str, pipe: DiffusionPipeline) -> None:
    if not ({"unet", "transformer"} & pipe.components.keys() and "vae" in pipe.components):
        hint = "use a latent diffusion model: Stable Diffusion 1 to 3, SDXL, Flux, PixArt, ..."
        raise ModelError(expected, f"{type(pipe).__name__}, not one denoiser and one VAE", hint)


def check_complete(expected: str, name: str, network: torch.nn.Module, directory: Path) -> None:
    """Raise ModelError if weights are missing: transformers would initialise them at random."""
    count = sum(map(_count_values, directory.glob("*.safetensors")))
    total = sum(parameter.numel() for parameter in network.parameters())
    if count < total:
        actual = f"{count} of the {total} numbers that {name} is made of"
        raise ModelError(expected, actual, "fetch or copy the model again")


def _count_values(path: Path) -> int:
    with safe_open(path, "pt") as file:
        return sum(math.prod(file.get_slice(key).get_shape()) for key in list(file.keys()))


def check_finite(expected: str, networks: Iterable[tuple[str, torch.nn.Module]]) -> None:
    """Raise ModelError if a weight is NaN or infinite: then the sum of its tensor is too."""
    for name, network in networks:
        for key, parameter in network.named_parameters():
            if not torch.isfinite(parameter.detach().sum(dtype=torch.float32)):
                actual = f"weights that are not finite numbers: {name}, {key}"
                hint = "fetch or copy the model again, or train it anew"
                raise ModelError(expected, actual, hint)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """No progress bars and no log messages of diffusers and transformers, errors apart.

    What matters in them is checked here. Downloads keep their bars.
    """
    modules = [diffusers.utils.logging, transformers.utils.logging]
    states = [(log, log.get_verbosity(), log.is_progress_bar_enabled()) for log in modules]
    for log in modules:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log, verbosity, has_bars in states:
            log.set_verbosity(verbosity)
            if has_bars:
                log.enable_progress_bar()


def first_line(error: Exception) -> str:
    """The error's message up to its first line break, or its type where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
