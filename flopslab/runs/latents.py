"""Latents beside a picture: what it was decoded from, `frame_000001.safetensors`.

float32 [channels, height, width]. The file has no checksum of its own; the digest stands in the
picture's recipe. Where `colour_anchor` leads the picture's colours back, theirs are led back too.
"""

import hashlib
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

NAME = "latents"  # of the file's only tensor


def beside(picture: Path) -> Path:
    """Where the latents of this picture are kept."""
    return picture.with_suffix(".safetensors")


def digest(latents: np.ndarray) -> str:
    """SHA-256 (hex) of the latents' shape and values."""
    head = f"{latents.dtype} {'x'.join(map(str, latents.shape))}\n".encode()
    return hashlib.sha256(head + latents.tobytes()).hexdigest()


def encode(latents: np.ndarray) -> bytes:
    """The safetensors file of the latents."""
    return save({NAME: np.ascontiguousarray(latents)})


def decode(data: bytes | None, expected: str | None) -> np.ndarray:
    """The latents of a file whose digest is `expected`; ValueError for anything else."""
    try:
        latents = load(data)[NAME]
    except Exception as error:  # safetensors has errors of its own
        raise ValueError(f"no latents ({error!r})") from error
    if digest(latents) != expected:
        raise ValueError("its latents are not those that the recipe records")
    return latents
