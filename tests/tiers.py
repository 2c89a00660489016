"""The tiers of the tests.

The fast tier is `-m "not torch and not browser and not slow"`: it imports no torch. A test belongs
to `torch` by its mark, or with its whole file if that lies in tests/backends itself or imports a
heavy library at its head; it belongs to `browser` if its file imports playwright. A test marked
`gpu` is skipped where torch can use no card.
"""

import functools
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TORCH = re.compile(
    r"^(?:import|from) (?:torch|diffusers|transformers|models|flopslab\.backends\.diffusers)\b",
    re.M,
)
WITHOUT_TORCH = str(TESTS / "without_torch")  # where a module stands in front of torch
BROWSER = re.compile(r"^(?:import|from) playwright\b", re.M)


@functools.cache
def tiers(path: Path) -> list[str]:
    """The marks that a whole test file gets."""
    source = path.read_text(encoding="utf-8")
    heavy = path.parent == TESTS / "backends" or TORCH.search(source)
    return ["torch"] * bool(heavy) + ["browser"] * bool(BROWSER.search(source))


def leaves_out(config: pytest.Config, tier: str) -> bool:
    return f"not {tier}" in config.option.markexpr


@functools.cache
def has_card() -> bool:
    import torch

    return torch.cuda.is_available()
