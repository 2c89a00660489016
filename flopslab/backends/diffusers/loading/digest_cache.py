"""Digests of large files, kept in the user's cache directory, so that a start need not read them.

An entry belongs to a file's real path, size, modification time in nanoseconds and inode. A file
that keeps all four but has other contents (somebody set its times back) gets a wrong digest. The
cache can be deleted at any time.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

from flopslab.digests import json_digest

SMALLEST = 2**25  # bytes: a smaller file is read in less than a tenth of a second
FRESH = 2.0  # seconds in which a file may change again without a new modification time


def directory() -> Path:
    """Where the digests are kept."""
    return user_cache_path("flopslab", appauthor=False) / "digests"


def cached_digests(
    path: Path, compute: Callable[[], dict[str, str]], purpose: str = ""
) -> dict[str, str]:
    """The file's digests, from the cache if they are there; else computed and kept.

    `purpose` tells digests of one file from each other.
    """
    state = path.stat()
    if state.st_size < SMALLEST:
        return compute()
    identity = [str(path.resolve()), state.st_size, state.st_mtime_ns, state.st_ino, purpose]
    entry = directory() / f"{json_digest(identity)}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):  # not there, or not ours
        kept = json.loads(entry.read_bytes())
        if kept["file"] == identity:
            return kept["digests"]
    digests = compute()
    if time.time() - state.st_mtime > FRESH:
        with suppress(OSError):  # a cache that cannot be written is no fault
            _write(entry, json.dumps({"file": identity, "digests": digests}))
    return digests


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
