"""The explorer's view as one HTML file that needs nothing else, for people without a kernel."""

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from flopslab.errors import RunError
from flopslab.runs import filesystem as disk
from flopslab.viewer import html as views
from flopslab.viewer import overview
from flopslab.viewer.snapshot import Album, Key, jpeg

_STATIC = Path(__file__).parent / "static"
SMALLEST = 32  # pixels that a picture keeps, however many there are


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
    more than `most_megabytes`. RunError if there is no run.
    """
    albums = {"base": Album(directory)} | ({"changed": Album(against)} if against else {})
    if not albums["base"].keys:
        raise RunError(f"the run in {directory}", "no frames", "give the output_dir of a run")
    pictures = _pictures(list(albums.values()), side, most_megabytes * 1e6)
    data = _contents(albums) | {"pictures": pictures}
    path = Path(path)
    with disk.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_page(albums["base"], data), encoding="utf-8")
    return path


def _page(album: Album, data: dict[str, Any]) -> str:
    """The template with everything put in; no word is ever markup."""
    parts = {
        "TITLE": escape(album.directory.name),
        "STYLE": _read("explorer.css") + _read("export.css"),
        "MAP": _read("sequence_map.js").replace("export default { render };", ""),
        "SCRIPT": _read("export.js"),
        "DATA": json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c"),
    }
    page = _read("export.html")
    pieces = page.split("%%")  # text, name, text, name, ..., text
    return "".join(parts[piece] if n % 2 else piece for n, piece in enumerate(pieces))


def _read(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _pictures(albums: list[Album], side: int, most: float) -> dict[str, str]:
    """Each different picture once, by the digest of its pixels, as a data URI."""
    while True:
        files = {digest: _shrunk(image, side) for digest, image in _different(albums)}
        if sum(map(len, files.values())) * 4 / 3 <= most or side <= SMALLEST:
            return {digest: views.data_uri(data) for digest, data in files.items()}
        side = max(SMALLEST, side * 2 // 3)


def _different(albums: list[Album]) -> Iterator[tuple[str, Image.Image]]:
    seen = set()
    for album, key in _readable(albums):
        digest = album.recipe(key).digest
        if digest not in seen:
            seen.add(digest)
            yield digest, album.image(*key)


def _readable(albums: list[Album]) -> Iterator[tuple[Album, Key]]:
    """Every picture that is whole: a damaged one is not in the file."""
    return ((album, key) for album in albums for key in album.keys if album.thumbnail(key))


def _shrunk(image: Image.Image, side: int) -> bytes:
    image = image.copy()
    image.thumbnail((side, side))
    return jpeg(image)


def _contents(albums: dict[str, Album]) -> dict[str, Any]:
    """What is said about the pictures, JSON-ready."""
    base = albums["base"]
    everywhere = range(1, base.positions[-1] + 1 + views.MARGIN)
    overall = overview.webp(overview.of_pictures(base))
    return {
        "name": base.directory.name,
        "passes": base.passes,
        "positions": base.positions,
        "words": {name: album.words(everywhere) for name, album in albums.items()},
        "map": views.data_uri(overall, "image/webp"),
        "frames": {
            name: {f"{n}/{p}": _frame(album, (n, p)) for _, (n, p) in _readable([album])}
            for name, album in albums.items()
        },
        "margin": views.MARGIN,
    }


def _frame(album: Album, key: Key) -> dict[str, Any]:
    recipe, window = album.recipe(key), album.window(key)
    return {
        "picture": recipe.digest,
        "window": [window[0], window[-1]],
        "neighbours": views.neighbours(recipe),
        "seen": album.ancestors(key),
        "facts": views.particulars(recipe),
    }
