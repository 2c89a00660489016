"""The explorer's view as one HTML file that needs nothing else, for people without a kernel.

Every text is rendered here, by the functions of the explorer; the page's script only places it.
"""

import contextlib
import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from flopslab.core.windows import FrameKey
from flopslab.digests import pixel_digest
from flopslab.errors import FlopslabError, RunError
from flopslab.storage import filesystem
from flopslab.viewer import html, images, map_image
from flopslab.viewer.html import NeighbourView
from flopslab.viewer.panels import BASE, DIFFERENCE, VARIANT
from flopslab.viewer.snapshot import RunSnapshot

SMALLEST = 32  # pixels that a picture keeps, however many there are
_STATIC = Path(__file__).parent / "static"

Runs = dict[str, RunSnapshot]  # the base and, if there is one, the variant


def export_html(
    directory: str | Path,
    path: str | Path,
    against: str | Path | None = None,
    side: int = 256,
    most_megabytes: float = 60,
) -> Path:
    """The HTML file at `path`: every frame of a run with its words, neighbours, prompt and seed.

    `against`: a second run, shown below the first with the difference; what the two share is
    stored once. `side`: pixels of a picture's longer side, fewer if all of them together would be
    more than `most_megabytes`. A run that is not finished is exported as far as it is there.
    RunError if there is no run, if its manifest is not true of what lies there, or if the file
    cannot be written.
    """
    runs = {BASE: RunSnapshot(directory)} | ({VARIANT: RunSnapshot(against)} if against else {})
    if not runs[BASE].keys:
        raise RunError(f"the run in {directory}", "no frames", "give the output_dir of a run")
    for run in runs.values():
        if run.problem:
            raise run.problem
    page, path = _page(runs, side, most_megabytes * 1e6), Path(path).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        filesystem.replace({path: page.encode()})
    except (OSError, ValueError) as error:
        hint = "give the path of a file that can be written, on a disk with room"
        raise RunError(f"the run as one file, {path}", str(error), hint) from None
    return path


def _page(runs: Runs, side: int, most_bytes: float) -> str:
    """The template with everything put in; no word is ever markup."""
    base = runs[BASE]
    name, passes, positions = base.directory.name, base.passes, base.positions
    data = _contents(runs) | _pictures(runs, side, most_bytes)
    parts = {
        "TITLE": escape(name),
        "ABOUT": f"{len(base.keys)} frames: {len(positions)} positions, {len(passes)} passes"
        + ("" if base.is_complete else ", not finished"),
        "RUN": f" ({escape(name)}, base)" if VARIANT in runs else "",
        "STYLE": _read("explorer.css") + _read("export.css"),
        "MAP": _read("sequence_map.js").replace("export default { render };", ""),
        "SCRIPT": _read("export.js"),
        "DATA": json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c"),
    }
    pieces = _read("export.html").split("%%")  # text, name, text, name, ..., text
    return "".join(parts[piece] if n % 2 else piece for n, piece in enumerate(pieces))


def _read(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _contents(runs: Runs) -> dict[str, Any]:
    """The map, and what is said about each position and each frame."""
    base = runs[BASE]
    keys = [key for key in base.keys if base.thumbnail(key)]
    sheet = images.encode(map_image.thumbnail_sheet(base), "WEBP")
    return {
        "passes": base.passes,
        "positions": base.positions,
        "rows": map_image.row_names(base),
        "columns": map_image.column_names(base),
        "map": images.data_uri(sheet, "WEBP"),
        "words": {key.position: _words(runs, key) for key in keys},
        "frames": {_name(key): _frame(runs, key) for key in keys},
    }


def _words(runs: Runs, key: FrameKey) -> str:
    recipe = runs[BASE].recipe(key)
    positions = html.positions_around(recipe.window)
    variant = runs[VARIANT].words(positions) if VARIANT in runs else None
    return html.words(recipe, runs[BASE].words(positions), variant)


def _frame(runs: Runs, key: FrameKey) -> dict[str, Any]:
    base = runs[BASE]
    recipe = base.recipe(key)
    neighbours = [NeighbourView(entry.source, entry.weight) for entry in recipe.inputs]
    name = f"{base.directory.name} (base)" if VARIANT in runs else ""
    return {
        "strip": html.strip(neighbours, key),
        "facts": html.table(html.facts(recipe, name)),
        "marks": map_image.ancestor_cells(base, key),
    }


def _pictures(runs: Runs, side: int, most_bytes: float) -> dict[str, Any]:
    """`pictures`: the digest of each frame's, by kind; `files`: each different one, as a data URI.

    A damaged picture has no part in it.
    """
    while True:
        pictures, files = _shrink_all(runs, side)
        if sum(map(len, files.values())) * 4 / 3 <= most_bytes or side <= SMALLEST:
            uris = {digest: images.data_uri(data) for digest, data in files.items()}
            return {"pictures": pictures, "files": uris}
        side = max(SMALLEST, side * 2 // 3)


def _shrink_all(runs: Runs, side: int) -> tuple[dict[str, dict[str, str]], dict[str, bytes]]:
    pictures: dict[str, dict[str, str]] = {kind: {} for kind in runs}
    files: dict[str, bytes] = {}
    for kind, key, image in _images(runs):
        digest = pixel_digest(image)
        pictures.setdefault(kind, {})[_name(key)] = digest
        if digest not in files:
            files[digest] = images.shrink(image, side)
    return pictures, files


def _images(runs: Runs) -> Iterator[tuple[str, FrameKey, Image.Image]]:
    """Every picture that is whole, and the differences of two that can be compared."""
    for kind, run in runs.items():
        yield from ((kind, key, run.image(key)) for key in run.keys if run.thumbnail(key))
    for key in runs[BASE].keys if VARIANT in runs else ():
        with contextlib.suppress(FlopslabError):
            image = images.difference(*(run.image(key) for run in runs.values()))
            yield DIFFERENCE, key, image


def _name(key: FrameKey) -> str:
    return f"{key.pass_number}/{key.position}"
