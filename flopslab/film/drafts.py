"""The files of a film under temporary names beside their places, until all of them are whole."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from flopslab.errors import FlopslabError, ParameterError, RunError


class Drafts:
    """The files with the film's name and these suffixes: `drafts[suffix]` is where to write one.

    At the end of the context all take their places, the film first; after an error or an interrupt
    none does, and none is left. RunError for what the operating system refuses. ParameterError if
    a file that would be replaced is no film's: it is `source`, or was there before any film.
    """

    def __init__(self, film: Path, suffixes: Iterable[str] = (), source: str | Path = "") -> None:
        self.film = film
        self._places = {suffix: film.with_suffix(suffix) for suffix in [film.suffix, *suffixes]}
        self._refuse(Path(source))

    @property
    def beside(self) -> tuple[Path, ...]:
        """The places of all files but the film."""
        return tuple(path for path in self._places.values() if path != self.film)

    def __getitem__(self, suffix: str) -> Path:
        return _draft(self._places[suffix])

    def __enter__(self) -> Self:
        with self._explained():
            self.film.parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, _trace: object) -> None:
        try:
            with self._explained():
                if isinstance(error, OSError):
                    raise error
                if error is None:
                    for place in self._places.values():
                        os.replace(_draft(place), place)
        finally:
            for place in self._places.values():
                _draft(place).unlink(missing_ok=True)

    def _refuse(self, source: Path) -> None:
        expected, hint = f"a film in {self.film}", "choose another name for the film"
        for place in self._places.values():
            if place.exists() and source.is_file() and place.samefile(source):
                raise ParameterError(expected, f"{place} is its own sound", hint)
        strangers = [place for place in self.beside if place.exists() and not self.film.exists()]
        if strangers:
            actual = f"{strangers[0]}, which is not that of a film and would be replaced"
            raise ParameterError(expected, actual, f"{hint}, or move that file")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the operating system refuses into a RunError."""
        try:
            yield
        except FlopslabError:
            raise
        except OSError as error:
            actual = f"{error.strerror or error} ({error.filename or self.film.parent})"
            hint = "make room and make sure that the directory can be written, then try again"
            raise RunError(f"a film in {self.film}", actual, hint) from error


def _draft(place: Path) -> Path:
    return place.with_name(f".{place.name}.tmp")
