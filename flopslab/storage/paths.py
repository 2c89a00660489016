"""Paths that no system can hold, found before anything is written."""

import os
from pathlib import Path, PureWindowsPath

from flopslab.errors import RunError

IS_WINDOWS = os.name == "nt"
LONGEST = 259 if IS_WINDOWS else 4095  # characters of a path; a Windows may be set up for more

_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {f"{n}{i}" for n in ("COM", "LPT") for i in range(1, 10)}
_FORBIDDEN = set('<>"|?*')


def require_path(directory: Path, longest_name: str) -> None:
    """RunError if `directory` cannot be made here, or a file in it has too long a path.

    `longest_name`: the longest relative path of a file that will be in it.
    """
    expected = f"the run directory {directory}"
    if problem := IS_WINDOWS and _windows_problem(str(directory)):
        raise RunError(expected, f"{problem}, which Windows does not allow", "choose another name")
    length = len(os.path.abspath(directory)) + 1 + len(longest_name)
    if length > LONGEST:
        actual = f"paths of up to {length} characters; this system takes {LONGEST}"
        raise RunError(expected, actual, "choose an output_dir with a shorter path")


def _windows_problem(directory: str) -> str:
    """What Windows would not take in the path of a directory; empty if nothing."""
    path = PureWindowsPath(directory)
    for name in path.parts[bool(path.anchor) :]:
        if name.split(".")[0].rstrip().upper() in _DEVICES:
            return f"{name}, the name of a device"
        if name not in (".", "..") and (name[-1] in " ." or _FORBIDDEN & set(name) or ":" in name):
            return f"{name}, with a character that no name may have there"
    return ""
