"""The papermill command that a hint names, and positions written for people."""

import shlex
from collections.abc import Sequence

from flopslab.core.study import Study


def papermill_command(study: Study) -> str:
    """The papermill command that runs the study."""
    parameters = study.model_dump(include={"output_dir", "passes"})
    parameters |= study.model_dump(exclude_defaults=True)
    if study.method == Study(model=study.model).method:
        del parameters["method"]  # what an empty one stands for
    options = [_option(name, value) for name, value in parameters.items()]
    return " ".join(["papermill notebooks/run.ipynb out.ipynb", *options])


def describe_positions(positions: Sequence[int], interval: int = 1, most: int = 8) -> str:
    """Positions for people: `3, 7-9, 12 and 4 more`; frames stand `interval` apart."""
    spans: list[list[int]] = []
    for position in positions:
        if spans and position == spans[-1][-1] + interval:
            spans[-1].append(position)
        else:
            spans.append([position])
    text = ", ".join(f"{s[0]}-{s[-1]}" if len(s) > 1 else str(s[0]) for s in spans[:most])
    rest = sum(len(span) for span in spans[most:])
    return f"{text} and {rest} more" if rest else text


def _option(name: str, value: object) -> str:
    if isinstance(value, list):
        return f"-y {shlex.quote(f'{name}: {value}')}"
    return f"{_flag(value)} {name} {shlex.quote(str(value))}"


def _flag(value: object) -> str:
    """papermill reads the value of -p as a literal where it can; that of -r stays a string."""
    if not isinstance(value, str):
        return "-p"
    try:
        float(value)
    except ValueError:
        return "-r" if value in ("True", "False", "None") else "-p"
    return "-r"
