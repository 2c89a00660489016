"""A fake server, and a study that it makes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_server import FakeServer, serving
from painted import WORDS, write_words

from flopslab.backends.webui.generator import WebuiGenerator
from flopslab.core.study import Study
from flopslab.passes import Run, run
from flopslab.progress import NullProgress


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither those of whoever runs the tests, nor their proxy."""
    monkeypatch.delenv("FLOPSLAB_SERVER_USER", raising=False)
    monkeypatch.delenv("FLOPSLAB_SERVER_PASSWORD", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving() as fake:
        yield fake


@pytest.fixture
def pauses() -> list[float]:
    """The seconds that were waited for, in no time."""
    return []


@pytest.fixture
def ask(server: FakeServer, tmp_path: Path, pauses: list[float]) -> Callable[..., Run]:
    """`ask(**parameters)`: the run of four words in two passes, made by the server."""

    def run_it(fragment: str = "", **parameters: object) -> Run:
        study = Study.of(
            **{
                "sequence": write_words(tmp_path / "words.json", WORDS[:4]),
                "output_dir": str(tmp_path / "run"),
                "model": server.url + fragment,
                "passes": 2,
                "context_diameter": 2,
                "width": 16,
                "height": 8,
                "method": "grid",
                "denoising_strength": 0.5,
            }
            | parameters
        )
        generator = WebuiGenerator.load(study, lambda stop, seconds: pauses.append(seconds))
        return run(study, generator, NullProgress())

    return run_it
