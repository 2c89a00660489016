"""A disk that fails on purpose: every operation of `storage.filesystem` counted, one the last.

What was written but not synced is torn; what was renamed in a directory that was not synced may
be undone. No operation is really synced, which makes thousands of crashes affordable.
"""

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

from flopslab.storage import filesystem

OPERATIONS = (
    "write", "sync", "rename", "remove", "symlink", "hard_link", "make_directory", "sync_directory",
)  # fmt: skip
TEARS: dict[str, Callable[[bytes], bytes]] = {
    "whole": lambda data: data,
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "garbage": lambda data: bytes(byte ^ 0x55 for byte in data),
}


class Crash(BaseException):
    """The power went off: nothing in the program may catch this."""


class Disk:
    """Counts operations; `fail` is called in place of number `fail_at` (from 0)."""

    def __init__(self, fail_at: int | None = None, fail: Callable[[], None] | None = None) -> None:
        self.count = 0
        self.log: list[str] = []
        self._fail_at, self._fail = fail_at, fail
        self._unsynced: dict[Path, bytes] = {}  # files whose content may be lost
        self._renamed: list[tuple[Path, Path, bytes | None]] = []  # source, target, what it held

    @contextmanager
    def in_place(self):
        with ExitStack() as stack:
            for name in OPERATIONS:
                stack.enter_context(mock.patch.object(filesystem, name, self._operation(name)))
            yield self

    def power_off(self, tear: Callable[[bytes], bytes], undo: bool) -> None:
        """What the disk holds afterwards."""
        for path, data in self._unsynced.items():
            if path.is_file() and not path.is_symlink():
                path.write_bytes(tear(data))
        for source, target, before in reversed(self._renamed if undo else []):
            target.rename(source)
            if before is not None:
                target.write_bytes(before)

    def _operation(self, name: str) -> Callable:
        real, model = getattr(filesystem, name), getattr(self, f"_{name}", None)

        def operation(*arguments):
            self.count += 1
            self.log.append(name)
            if self.count - 1 == self._fail_at:
                self._fail()
            if model:
                model(*arguments)
            if "sync" not in name:
                real(*arguments)

        return operation

    def _write(self, file, data) -> None:
        self._unsynced[Path(file.name)] = data

    def _sync(self, file) -> None:
        self._unsynced.pop(Path(file.name), None)

    def _rename(self, source: Path, target: Path) -> None:
        plain = target.is_file() and not target.is_symlink()
        self._renamed.append((source, target, target.read_bytes() if plain else None))
        if source in self._unsynced:
            self._unsynced[target] = self._unsynced.pop(source)

    def _sync_directory(self, directory: Path) -> None:
        self._renamed = [entry for entry in self._renamed if directory not in entry[1].parents]
