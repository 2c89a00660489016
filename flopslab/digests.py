"""Digests: SHA-256 (hex) of values, pixels, arrays and files, each spelled in one way."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def canonical_json(value: Any) -> bytes:
    """JSON with one spelling for equal values: sorted keys, no spaces, ASCII, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def json_digest(value: Any) -> str:
    """The digest of the value as canonical JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def pixel_digest(image: Image.Image) -> str:
    """The digest of the image's mode, size and pixels."""
    head = f"{image.mode} {image.width}x{image.height}\n".encode()
    return hashlib.sha256(head + image.tobytes()).hexdigest()


def array_digest(array: np.ndarray) -> str:
    """The digest of the array's type, shape and values."""
    head = f"{array.dtype} {'x'.join(map(str, array.shape))}\n".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()


def file_digest(path: Path) -> str:
    """The digest of the file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
