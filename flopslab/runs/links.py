"""The directory final/: one link for each frame of the last pass, and no other frame."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from flopslab.runs import filesystem as disk


def link(directory: Path, sources: Sequence[Path], set_aside: Callable[[Path], None]) -> None:
    """Let `directory` show the sources under their own names, by relative links.

    Where links cannot be made: hard links, else copies. A link of ours to another pass is
    replaced; whatever else stands in the way is handed to `set_aside`.
    """
    disk.make_directory(directory)
    wanted = {source.name: source for source in sources}
    for path in sorted(directory.glob("frame_*.png")):
        if path.name not in wanted or not _shows(path, wanted[path.name]):
            _clear(path, keep_link=path.name in wanted, set_aside=set_aside)
    absent = [s for s in sources if not _shows(directory / s.name, s)]
    for source in absent:
        _put(source, directory / source.name)
    if absent:
        disk.sync_directory(directory)


def _shows(path: Path, source: Path) -> bool:
    if path.is_symlink():
        return str(path.readlink()) == _target(source)
    return path.is_file() and (path.samefile(source) or path.read_bytes() == source.read_bytes())


_OURS = re.compile(r"\.\./pass\d+/frame_\d+\.png")


def _clear(path: Path, keep_link: bool, set_aside: Callable[[Path], None]) -> None:
    """Remove a link of ours (or keep it, to be replaced in one step); set aside all else."""
    if not (path.is_symlink() and _OURS.fullmatch(str(path.readlink()))):
        set_aside(path)
    elif not keep_link:
        disk.remove(path)


def _put(source: Path, path: Path) -> None:
    beside = disk.beside(path)
    disk.remove(beside)
    _make(source, beside)
    disk.rename(beside, path)


def _make(source: Path, path: Path) -> None:
    for make, target in ((disk.symlink, _target(source)), (disk.hard_link, source)):
        try:
            return make(target, path)
        except OSError:  # this file system has no such links
            disk.remove(path)
    disk.create(path, source.read_bytes())


def _target(source: Path) -> str:
    return f"../{source.parent.name}/{source.name}"
