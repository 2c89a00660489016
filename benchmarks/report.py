"""How all benchmarks time, and how they say what they measured."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def cpu_ms(function: Callable[[], object], repeats: int) -> float:
    """The median of CPU milliseconds of this process, which a busy machine changes little."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(1000 * (time.process_time() - start))
    return statistics.median(times)


def photograph(seed: int, size: int) -> Image.Image:
    """Light and shade with grain, `size` pixels square, as hard to pack as a photograph."""
    rng = np.random.default_rng(seed)
    patches = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
    values = np.asarray(patches.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32)
    values = values + rng.normal(0, 6, values.shape)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def machine() -> dict[str, Any]:
    """When and on what it was measured, and how busy that was."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "python": platform.python_version(),
    }


def publish(rows: Sequence[dict[str, Any]], path: str) -> None:
    """Print the rows as a table and, if there is a path, write them as JSON with the machine."""
    names = list(rows[-1])
    cells = [[str(row.get(name, "-")) for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    for line in (names, *cells):
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    facts = machine()
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    if path:
        Path(path).write_text(
            json.dumps({"machine": facts, "rows": list(rows)}, indent=1, allow_nan=False) + "\n"
        )
