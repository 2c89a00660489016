"""Models: found, judged by the files that a load reads, loaded, tried before a run."""

from pathlib import Path

from flopslab.backends.diffusers.loading import single_file
from flopslab.backends.diffusers.loading.additions import Additions
from flopslab.backends.diffusers.loading.digests import digest as _digest
from flopslab.backends.diffusers.loading.directory import find
from flopslab.backends.diffusers.loading.files import list_files
from flopslab.backends.diffusers.loading.libraries import first_line, quiet_libraries
from flopslab.backends.diffusers.loading.pipelines import image_to_image, load, takes_latents
from flopslab.backends.diffusers.loading.trial import try_out

__all__ = [
    "Additions",
    "digest",
    "find",
    "first_line",
    "image_to_image",
    "load",
    "quiet_libraries",
    "takes_latents",
    "try_out",
]


def digest(path: Path, additions: Additions = Additions()) -> str:  # noqa: B008  # frozen
    """SHA-256 (hex) of what a load of the model reads, as it counts for pixels; see `digests`."""
    if path.is_file():
        return single_file.digest(path, additions)
    return _digest(list_files(path, without=additions.replaces))
