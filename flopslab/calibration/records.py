"""Calibrations as JSON: that of the embedded model comes with the package, others are in a cache.

The cache is a folder of the user's, a file for each key. It can be deleted at any time.
"""

import json
import math
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from flopslab.calibration.curve import Calibration, Curve
from flopslab.digests import json_digest
from flopslab.errors import FlopslabWarning, RunError
from flopslab.storage import filesystem

SHIPPED = Path(__file__).parents[1] / "tiny" / "calibration.json"
_CURVES = ("kept", "kept_without_words", "likeness")


def directory() -> Path:
    """Where calibrations are kept."""
    return user_cache_path("flopslab", appauthor=False) / "calibration"


def find(conditions: Mapping[str, Any]) -> Calibration | None:
    """The calibration under these conditions: that of the package, or of the cache; else None.

    A file of the cache that is damaged counts as none, with a warning.
    """
    key = json_digest(conditions)
    for calibration in shipped():
        if calibration.key == key:
            return calibration
    return _read(_path(key))


def shipped() -> list[Calibration]:
    """The calibrations of the embedded model that come with the package."""
    if not SHIPPED.exists():
        return []
    entries = json.loads(SHIPPED.read_text(encoding="utf-8"))["calibrations"]
    return [decode(entry) for entry in entries]


def cached() -> list[Calibration]:
    """The calibrations in the cache, but for files that are damaged."""
    return [c for path in sorted(directory().glob("*.json")) if (c := _read(path))]


def keep(calibration: Calibration) -> None:
    """Write it into the cache. Where that cannot be, a warning: it will be measured again."""
    try:
        directory().mkdir(parents=True, exist_ok=True)
        filesystem.replace({_path(calibration.key): encode([calibration])})
    except OSError as error:
        text = f"the calibration cannot be kept in {directory()}: {error.strerror or error}"
        warnings.warn(text, FlopslabWarning, stacklevel=2)


def delete(key: str) -> Path:
    """Delete the file of the one calibration in the cache whose key begins so; its path.

    RunError if there is none, or several.
    """
    paths = [path for path in directory().glob("*.json") if key and path.stem.startswith(key)]
    if len(paths) != 1:
        hint = "`flopslab calibrate --list` names the keys; those of the package stay"
        raise RunError(f"a calibration {key!r} in {directory()}", f"{len(paths)} of them", hint)
    paths[0].unlink()
    return paths[0]


def encode(calibrations: Iterable[Calibration]) -> bytes:
    """A file of calibrations: JSON in UTF-8."""
    entries = [as_json(calibration) for calibration in calibrations]
    return json.dumps({"calibrations": entries}, indent=1, allow_nan=False).encode() + b"\n"


def as_json(calibration: Calibration) -> dict[str, Any]:
    """The calibration as plain values."""
    return asdict(calibration)


def decode(entry: Mapping[str, Any]) -> Calibration:
    """The calibration of what `as_json` gave. ValueError if it is not one."""
    try:
        curves = [_decode_curve(entry[name]) for name in _CURVES]
        calibration = Calibration(entry["key"], *curves, conditions=entry["conditions"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no calibration ({error!r})") from error
    if json_digest(calibration.conditions) != calibration.key:
        raise ValueError("conditions of another key")
    return calibration


def _decode_curve(values: Mapping[str, Any]) -> Curve:
    curve = Curve(**{name: tuple(map(float, column)) for name, column in values.items()})
    columns = curve.places, curve.means, curve.low, curve.high
    if not curve.places or len({len(column) for column in columns}) > 1:
        raise ValueError("a curve of unequal columns")
    if not all(math.isfinite(value) for column in columns for value in column):
        raise ValueError("a curve with numbers that are not finite")
    if list(curve.places) != sorted(curve.places):
        raise ValueError("a curve whose places do not rise")
    return curve


def _read(path: Path) -> Calibration | None:
    """The calibration in a file of the cache; None if there is none, or a damaged one."""
    with suppress(FileNotFoundError):
        try:
            (entry,) = json.loads(path.read_bytes())["calibrations"]
            calibration = decode(entry)
            if calibration.key != path.stem:
                raise ValueError("the calibration of another key")
            return calibration
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            text = f"the calibration in {path} cannot be read ({error}): it is measured anew"
            warnings.warn(text, FlopslabWarning, stacklevel=3)
    return None


def _path(key: str) -> Path:
    return directory() / f"{key}.json"
