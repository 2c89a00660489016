"""The tiers of the tests: which files belong to which, and that the fast one has no torch."""

import subprocess
import sys
from pathlib import Path

import pytest
from tiers import leaves_out, tiers

TESTS = Path(__file__).parent


@pytest.mark.parametrize(
    ("path", "marks"),
    [
        ("backends/test_pipeline.py", ["torch"]),
        ("training/test_training.py", ["torch"]),
        ("analysis/test_embedder.py", ["torch"]),
        ("viewer/test_browser.py", ["browser"]),
        ("core/test_windows.py", []),
    ],
)
def test_a_file_belongs_to_a_tier_by_its_folder_or_its_imports(path, marks):
    assert tiers(TESTS / path) == marks


@pytest.fixture
def fast_tier(pytestconfig: pytest.Config) -> None:
    if not leaves_out(pytestconfig, "torch"):
        pytest.skip("torch may be imported in this run")


def test_no_test_of_the_fast_tier_can_import_torch(fast_tier):
    assert "torch" not in sys.modules
    with pytest.raises(ImportError, match="mark the test"):
        import torch  # noqa: F401


def test_no_process_that_a_fast_test_starts_can_import_torch(fast_tier):
    program = "from flopslab import Study, load_generator; load_generator(Study())"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "ImportError: the fast tier imports no torch" in run.stderr
