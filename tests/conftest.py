"""What the tests of the loop and the store share: a small study, run by a painted generator."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from painted import PaintedGenerator, pixels, write_words

from flopslab.core.study import Study
from flopslab.passes import Run, run
from flopslab.progress import NullProgress

# A busy machine is slow, not wrong.
settings.register_profile("flopslab", deadline=None)
settings.load_profile("flopslab")


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Nobody waits for the disk; the inodes of what was synced, in order."""
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
    return synced


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Twelve words, two passes; words reach 1, images 2 positions."""
    return Study.of(
        sequence=write_words(tmp_path / "words.json"),
        output_dir=str(tmp_path / "run"),
        passes=2,
        context_diameter=2,
    )


@pytest.fixture
def paint(study: Study) -> Callable[..., Run]:
    """`paint(generator, **options of run, **parameters)`: that study, run without a model."""

    def run_it(generator=None, reuse_from=None, last_only=False, **parameters) -> Run:
        asked = study.replace(**parameters)
        generator = generator or PaintedGenerator()
        return run(asked, generator, NullProgress(), last_only=last_only, reuse_from=reuse_from)

    return run_it


@pytest.fixture
def undisturbed(paint: Callable[..., Run], tmp_path: Path) -> dict[str, bytes]:
    """The pixels of the study's frames when nothing went wrong."""
    return pixels(paint(output_dir=str(tmp_path / "undisturbed")).directory)
