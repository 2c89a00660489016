"""Parameters as a notebook's cell holds them."""

from collections.abc import Mapping
from typing import Any


def cell(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The namespace after a cell that annotates these parameters."""
    return {**parameters, "__annotations__": dict.fromkeys(parameters, object)}
