"""What the tests share: the tiers, and a small study run by a painted generator."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from painted import PaintedGenerator, pixels, write_words
from tiers import WITHOUT_TORCH, has_card, leaves_out, tiers

from flopslab.calibration import records
from flopslab.core.study import Study
from flopslab.execution import local
from flopslab.passes import Run, run
from flopslab.progress import NullProgress

# jsonschema's check of IRIs compiles grammars for two seconds, and nothing here has an IRI.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# A busy machine is slow, not wrong.
settings.register_profile("flopslab", deadline=None)
settings.load_profile("flopslab")


def pytest_configure(config: pytest.Config) -> None:
    """Without the torch tier there is no torch, here and in every process that a test starts."""
    if leaves_out(config, "torch"):
        paths = [WITHOUT_TORCH, os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        sys.path.insert(0, WITHOUT_TORCH)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the files of a tier that is left out."""
    if collection_path.suffix == ".py":
        return any(leaves_out(config, tier) for tier in tiers(collection_path)) or None
    return None


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for tier in tiers(item.path):
            item.add_marker(tier)
        if item.get_closest_marker("gpu") and not has_card():
            item.add_marker(pytest.mark.skip(reason="no card that torch can use"))


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Nobody waits for the disk; the inodes of what was synced, in order."""
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
    return synced


@pytest.fixture(autouse=True, scope="session")
def one_core() -> Iterator[None]:
    """Batches are made one after the other, so that a test can tell when something happens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "count_cores", lambda: 1)
        yield


@pytest.fixture(autouse=True, scope="session")
def own_calibrations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of calibrations, which is not that of whoever runs the tests."""
    directory = tmp_path_factory.mktemp("calibration")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "directory", lambda: directory)
        yield directory


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Twelve words, two passes of grid at half strength; words reach 1, images 2 positions."""
    return Study.of(
        sequence=write_words(tmp_path / "words.json"),
        output_dir=str(tmp_path / "run"),
        passes=2,
        context_diameter=2,
        method="grid",
        denoising_strength=0.5,
    )


@pytest.fixture
def paint(study: Study) -> Callable[..., Run]:
    """`paint(generator, **options of run, **parameters)`: that study, run without a model."""

    def run_it(generator=None, reuse_from="", last_only=False, **parameters) -> Run:
        asked = study.replace(reuse_from=str(reuse_from), **parameters)
        generator = generator or PaintedGenerator()
        return run(asked, generator, NullProgress(), last_only=last_only)

    return run_it


@pytest.fixture
def undisturbed(paint: Callable[..., Run], tmp_path: Path) -> dict[str, bytes]:
    """The pixels of the study's frames when nothing went wrong."""
    return pixels(paint(output_dir=str(tmp_path / "undisturbed")).directory)


@pytest.fixture
def flopslab(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`flopslab(*arguments)`: the command's (exit code, stdout, stderr)."""
    from flopslab.cli import main  # imports all commands

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        return end.value.code or 0, *capsys.readouterr()

    return call
