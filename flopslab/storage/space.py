"""Room on the disk and in memory."""

import shutil
from contextlib import suppress
from pathlib import Path

from flopslab.errors import RunError

PNG_BYTES = 1.5  # a pixel: 398 kB for a photograph-like frame of 512 x 512 at compression level 1
LATENT_BYTES = 0.25  # a pixel: four channels of float32 at an eighth of either side
RECIPE_BYTES = 8_000  # with 41 neighbours and 11 words
CERTAIN = 0.5  # even frames that compress twice as well would not fit

_CGROUP = Path("/sys/fs/cgroup")


def frame_bytes(size: tuple[int, int], latents: bool) -> float:
    """About how many bytes a frame of `size` (width, height) takes, its latents with it if kept.

    Frames of smooth colours take down to a fifth of it; noise takes twice as much.
    """
    pixels = size[0] * size[1]
    return RECIPE_BYTES + pixels * (PNG_BYTES + LATENT_BYTES * latents)


def require_space(directory: Path, needed: float, what: str) -> None:
    """RunError if the disk of `directory` has clearly too little room for so many bytes."""
    try:
        free = shutil.disk_usage(directory).free
    except OSError:  # a file system that does not say
        return
    if free < CERTAIN * needed:
        raise RunError(
            f"about {_size(needed)} on the disk of {directory}, for {what}",
            f"{_size(free)} free",
            "free space, choose an output_dir on another disk, or make fewer frames: set limit",
        )


def available_memory() -> int:
    """How many bytes of memory this process can still use, a container's limit considered."""
    import psutil  # it reads files of the system when it is loaded

    available = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # no control group, or "max"
        limit = int((_CGROUP / "memory.max").read_text())
        available = min(available, limit - int((_CGROUP / "memory.current").read_text()))
    return max(available, 0)


def _size(count: float) -> str:
    """Bytes for people, in the units that disks are sold in."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
