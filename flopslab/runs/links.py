"""The directory final/: one link for each frame of the last pass, and no other frame."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from flopslab.runs import layout
from flopslab.storage import filesystem


def is_linked(directory: Path, pictures: Sequence[Path]) -> bool:
    """Whether final/ of the run in `directory` shows these pictures and no other frame."""
    return not unlinked(directory, pictures)


def unlinked(directory: Path, pictures: Sequence[Path]) -> list[Path]:
    """The names in final/ that do not show what they should, or should not be there, in order."""
    final, by_name = directory / layout.FINAL, {picture.name: picture for picture in pictures}
    others = [path for path in layout.final_frames(directory) if path.name not in by_name]
    outside = final.is_symlink()
    missing = [
        final / name
        for name, picture in by_name.items()
        if outside or not _shows(final / name, picture)
    ]
    return sorted(others + missing)


def link_final(
    directory: Path, pictures: Sequence[Path], quarantine: Callable[[Path], None]
) -> None:
    """Let final/ of the run in `directory` show the pictures under their own names.

    By relative links; where these cannot be made by hard links, else by copies. A link of ours to
    another pass is replaced; whatever else stands in the way is handed to `quarantine`.
    """
    final = directory / layout.FINAL
    filesystem.make_directory(final)
    by_name = {picture.name: picture for picture in pictures}
    for path in layout.final_frames(directory):
        if path.name not in by_name or not _shows(path, by_name[path.name]):
            _clear(path, keep_link=path.name in by_name, quarantine=quarantine)
    for picture in pictures:
        path = final / picture.name
        if _shows(path, picture):
            filesystem.remove(filesystem.temporary_path(path))  # a crash may have left it
        else:
            _put(picture, path)
    filesystem.sync_directory(final)  # a link that was removed is gone for good, too


def link_new(directory: Path, pictures: Sequence[Path]) -> None:
    """Let final/ show these pictures too, while a run is at work; what is not ours stays.

    Nothing is forced to the disk: `link_final` does that, and puts right what a crash left.
    """
    for picture in pictures:
        path = directory / layout.FINAL / picture.name
        if not os.path.lexists(path) or (_is_ours(path) and not _shows(path, picture)):
            _put(picture, path)


def _shows(path: Path, picture: Path) -> bool:
    if path.is_symlink():
        return str(path.readlink()) == layout.link_target(picture)
    if not (path.is_file() and picture.is_file()):
        return False
    return path.samefile(picture) or path.read_bytes() == picture.read_bytes()


def _clear(path: Path, keep_link: bool, quarantine: Callable[[Path], None]) -> None:
    """Remove a link of ours (or keep it, to be replaced in one step); quarantine all else."""
    if not _is_ours(path):
        quarantine(path)
    elif not keep_link:
        filesystem.remove(path)


def _is_ours(path: Path) -> bool:
    return path.is_symlink() and layout.is_final_link(str(path.readlink()))


def _put(picture: Path, path: Path) -> None:
    temporary = filesystem.temporary_path(path)
    filesystem.remove(temporary)
    _make(picture, temporary)
    filesystem.rename(temporary, path)


def _make(picture: Path, path: Path) -> None:
    """A link to the picture, or a copy of it where the file system has no links."""
    try:
        return filesystem.symlink(layout.link_target(picture), path)
    except OSError:
        filesystem.remove(path)
    try:
        return filesystem.hard_link(picture, path)
    except OSError:
        filesystem.remove(path)
    filesystem.create(path, picture.read_bytes())
