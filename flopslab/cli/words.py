"""`flopslab words`: a file with words to a sequence in JSON."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flopslab.cli.output import AsJson, print_result
from flopslab.words.sequence import read_sequence


def words(
    source: Annotated[str, typer.Argument(metavar="FILE", help="The file with the words.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The JSON file to write.")],
    as_json: AsJson = False,
) -> None:
    """Read a file with words and write them as a sequence."""
    sequence = read_sequence(source)
    entries = {"sequence": [word.entry for word in sequence]}
    output.write_text(json.dumps(entries, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    result = {"output": str(output), "words": len(sequence)}
    print_result(result, f"{output}: {len(sequence)} words", as_json)
