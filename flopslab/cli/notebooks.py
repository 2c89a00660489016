"""`flopslab notebooks`: the notebooks of an installed package, copied to where they can be run."""

import os
from pathlib import Path
from typing import Annotated

import typer

import flopslab
from flopslab.cli.output import AsJson, print_result
from flopslab.errors import RunError
from flopslab.storage import filesystem


def notebooks(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to put them.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace notebooks that are there already.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the notebooks out of the package. What is there already stays, and is named."""
    sources = sorted(_folder().glob("*.ipynb"))
    folder = folder.expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = set(os.listdir(folder)) & {source.name for source in sources}
        copies = [source for source in sources if overwrite or source.name not in present]
        filesystem.replace({folder / source.name: source.read_bytes() for source in copies})
    except OSError as error:
        hint = "give a folder that can be written"
        raise RunError(f"notebooks in {folder}", str(error), hint) from None
    verb = "replaced" if overwrite else "there already, not changed"
    lines = [f"{folder / source.name}: copied" for source in copies if source.name not in present]
    lines += [f"{folder / name}: {verb}" for name in sorted(present)]
    result = {"copied": [s.name for s in copies], "present": sorted(present)}
    print_result({"folder": str(folder), **result}, "\n".join(lines), as_json)


def _folder() -> Path:
    """Inside an installed package, or beside that of a clone."""
    package = Path(flopslab.__file__).parent
    inside, beside = package / "notebooks", package.parent / "notebooks"
    return inside if inside.is_dir() else beside
