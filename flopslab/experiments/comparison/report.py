"""The means of a comparison as a Markdown page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flopslab.analysis.evaluation import Row
from flopslab.experiments.comparison.baselines import BASELINES
from flopslab.experiments.comparison.measures import MEASURES
from flopslab.experiments.sweep import Sweep
from flopslab.storage import filesystem

NAME = "compare.md"
NOTE = "In brackets: 95 % interval of the mean over sequences and seeds."


def last_passes(means: Sequence[Row]) -> str:
    """The baselines, and of each combination its last pass, as a Markdown table."""
    return markdown([row for row in means if row["baseline"] or is_last(row, means)])


def is_last(row: Mapping[str, Any], means: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a mean is of its run's last pass: that of all runs, unless `passes` is an axis."""
    return row["pass"] == (row.get("passes") or max(item["pass"] for item in means))


def markdown(means: Sequence[Row]) -> str:
    """Means as a Markdown table; numbers have two decimals, intervals stand in brackets."""
    hidden = [name for name in MEASURES if all(row[name] != row[name] for row in means)]
    names = [n for n in means[0] if not n.endswith(("_low", "_high")) and n not in hidden]
    lines = [names, ["---:" if name in MEASURES else "---" for name in names]]
    lines += [[_cell(row, name) for name in names] for row in means]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_report(sweep: Sweep, means: Sequence[Row]) -> Path:
    """The path of the page: conditions, baselines and last passes, what the columns mean.

    RunError if it cannot be written.
    """
    conditions = ", ".join(f"`{name}` {value!r}" for name, value in sweep.conditions.items())
    measures = "".join(f"- `{name}`: {meaning}\n" for name, meaning in MEASURES.items())
    baselines = "".join(f"- {name}: {meaning}\n" for name, meaning in BASELINES.items())
    parts = [f"# {sweep.title}\n", f"In all rows: {conditions}.\n", last_passes(means)]
    if any(name.endswith("_low") for row in means for name in row):
        parts.append(f"{NOTE}\n")
    path = sweep.directory / NAME
    with filesystem.explained(sweep.directory):
        filesystem.replace({path: "\n".join([*parts, measures, baselines]).encode()})
    return path


def _cell(row: Row, name: str) -> str:
    value = row[name]
    if name not in MEASURES:
        return str(value).replace("|", r"\|").replace("\n", " ") or "-"
    if value != value:
        return "-"
    low, high = (row.get(f"{name}_{end}", value) for end in ("low", "high"))
    return f"{value:.2f}" if low == high else f"{value:.2f} [{low:.2f}, {high:.2f}]"
