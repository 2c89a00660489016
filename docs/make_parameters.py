"""Writes docs/parameters.md, the table of every parameter: `python docs/make_parameters.py`."""

from pathlib import Path

from flopslab.core.model_parameters import ModelParameters
from flopslab.core.study import Study, refinement_names

PAGE = Path(__file__).parent / "parameters.md"

HEAD = """# Parameters

The names are the same in the notebook's parameters cell, in `params/*.yaml`, in `flopslab.Study`
and in the manifest. Those marked with * act on refinement passes alone. This page is written from
the study itself by `python docs/make_parameters.py`.
"""
TABLE = """
## {title}

| name | default | meaning |
|---|---|---|
"""


def page() -> str:
    """The whole page, in Markdown."""
    of_model = list(ModelParameters.model_fields)
    of_series = [name for name in Study.model_fields if name not in of_model]
    return HEAD + _table("Words, passes, methods", of_series) + _table("The model", of_model)


def _table(title: str, names: list[str]) -> str:
    return TABLE.format(title=title) + "".join(map(_row, names))


def _row(name: str) -> str:
    schema = Study.model_json_schema()["properties"][name]
    default = schema["default"]
    star = "*" if name in refinement_names() else ""
    meaning = " ".join(schema["description"].split())
    value = "" if default in ("", None) else f"`{default}`"
    return f"| `{name}`{star} | {value} | {meaning} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
