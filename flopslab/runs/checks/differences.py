"""How what determines a frame's pixels differs from what a recipe has."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Difference:
    """A field that determines pixels, as it is needed and as a recipe has it."""

    field: str
    expected: Any
    actual: Any

    @property
    def is_input(self) -> bool:
        """Whether it is another picture in a place that the frame looks at."""
        return self.field.startswith(("input at", "anchor."))

    def __str__(self) -> str:
        return f"{self.field}: {brief(self.actual)}, needed {brief(self.expected)}"


def differences(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[Difference]:
    """How two values of `RunContext.pixels` differ, field by field; empty if the keys are equal.

    Nested fields are written `settings.steps`. Where the same places of the image window show other
    pictures, the field is `input at +2`, and so on.
    """
    changes = []
    for name in sorted({*expected, *actual}):
        one, other = expected.get(name), actual.get(name)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            changes += [replace(c, field=f"{name}.{c.field}") for c in differences(one, other)]
        elif name == "inputs" and one and other and _places(one) == _places(other):
            pairs = zip(one, other, strict=True)
            changes += [_input_change(*pair) for pair in pairs if pair[0] != pair[1]]
        elif name == "inputs":
            changes.append(Difference("input places", _places(one), _places(other)))
        else:
            changes.append(Difference(name, one, other))
    return changes


def brief(value: Any) -> str:
    """A value for people: digests are cut to what tells them apart."""
    if isinstance(value, str) and len(value) == 64:
        return value[:12]
    return "none" if value is None else repr(value)


def _places(inputs: Any) -> list[tuple[int, float]]:
    """(offset, weight) of each input."""
    return [(entry["offset"], entry["weight"]) for entry in inputs or []]


def _input_change(expected: dict[str, Any], actual: dict[str, Any]) -> Difference:
    name = "digest" if expected["digest"] != actual["digest"] else "latents"
    place = f"input at {expected['offset']:+d}"
    return Difference(place, expected.get(name), actual.get(name))
