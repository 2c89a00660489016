"""How all benchmarks time, and how they say what they measured."""

import json
import os
import platform
import re
import statistics
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

RESULTS = Path(__file__).with_name("RESULTS.md")
CPU_INFO = Path("/proc/cpuinfo")


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
    """When, on what and with what it was measured, and how busy that was."""
    names = ("flopslab", "torch", "diffusers")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "unset"),
        "python": platform.python_version(),
    } | {name: version(name) for name in names}


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    if CPU_INFO.is_file():  # Linux
        for line in CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def publish(rows: Sequence[dict[str, Any]], path: str, **facts: Any) -> None:
    """Print the rows as a table and, if there is a path, write them as JSON with the machine.

    `facts`: more of the machine.
    """
    names, cells = table(rows)
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    for line in (names, *cells):
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    facts = machine() | facts
    print(describe(facts))
    if path:
        Path(path).write_text(
            json.dumps({"machine": facts, "rows": list(rows)}, indent=1, allow_nan=False) + "\n"
        )


def write_section(
    title: str, rows: Sequence[dict[str, Any]], options: Namespace, **facts: Any
) -> None:
    """Put the rows into RESULTS.md, in the place of an older section with this title."""
    names, cells = table(rows)
    lines = [names, ["---"] * len(names), *cells]
    sizes = describe({n: v for n, v in vars(options).items() if n not in ("json", "write")})
    section = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    section = f"## {title}\n\n{describe(machine() | facts)}\n\nOptions: {sizes}\n\n{section}\n"
    head, *sections = re.split(r"^(?=## )", RESULTS.read_text(), flags=re.M)
    by_title = {text.splitlines()[0]: text.strip() + "\n" for text in (*sections, section)}
    RESULTS.write_text("\n".join([head.strip() + "\n", *by_title.values()]))


def table(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """The names of all columns, and the cells below them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, [[str(row.get(name, "-")) for name in names] for row in rows]


def describe(facts: dict[str, Any]) -> str:
    """`cores 2, python 3.11`: the facts in one line."""
    return ", ".join(f"{name} {value}" for name, value in facts.items())
