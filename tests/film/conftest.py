"""What the tests of films share: small runs of coded pictures, made once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from coded import make_run, words

from flopslab.film.assembly import Film, make_film
from flopslab.film.settings import FilmSettings
from flopslab.progress import NullProgress


@pytest.fixture(scope="session")
def twelve(tmp_path_factory) -> Path:
    """A run of twelve words, two passes; do not write into it."""
    return make_run(tmp_path_factory.mktemp("twelve") / "run", words(12, spread=90), passes=2)


@pytest.fixture
def run_dir(twelve, tmp_path) -> Path:
    """A copy of that run, to be damaged."""
    return Path(shutil.copytree(twelve, tmp_path / "run", symlinks=True))


@pytest.fixture
def film(tmp_path) -> Callable[..., Film]:
    """`film(run, name, sound, **settings)`: a film of the run in a directory of its own."""

    def make(run_dir: Path, name: str = "film.mp4", sound: object = "", **settings) -> Film:
        path, names = tmp_path / "films" / name, FilmSettings(**settings)
        return make_film(run_dir, path, sound=sound, settings=names, progress=NullProgress())

    return make
