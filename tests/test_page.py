"""The page that `make run` leaves: one file that loads nothing, with a text for each picture."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from nbconvert import HTMLExporter
from nbformat import v4

TEMPLATES = Path(__file__).parent.parent / "notebooks"
PNG = base64.b64encode(b"not looked at").decode()


class Tags(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.all if tag == name]


def picture(**metadata: object) -> dict:
    data = {"image/png": PNG, "text/plain": "<Figure>"}
    return v4.new_output("display_data", data, metadata={"image/png": metadata})


@pytest.fixture(scope="module")
def page() -> str:
    cells = [
        v4.new_markdown_cell("# A run\n\nIt has $n^2$ frames."),
        v4.new_markdown_cell('## Every pass\n\nA row per\n`pass`, a "column" per word.\n\nMore.'),
        v4.new_code_cell("contact_sheet(run)", outputs=[picture()]),
        v4.new_markdown_cell("## Time"),
        v4.new_code_cell("timing(run)", outputs=[picture(), picture(alt="bars", width=300)]),
    ]
    notebook = v4.new_notebook(cells=cells)
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    exporter = HTMLExporter(template_name="page", extra_template_basedirs=[str(TEMPLATES)])
    return exporter.from_notebook_node(notebook)[0]


def test_the_page_loads_nothing_from_elsewhere(page):
    sources = [attributes.get("src") or "" for _, attributes in Tags(page).all]
    assert [source for source in sources if source and not source.startswith("data:")] == []
    assert Tags(page).named("link") == []
    assert re.findall(r"(?:\bimport\b|@import|url\()\s*\(?[\"']?https?:", page) == []
    scripts = re.findall(r"<script\b[^>]*>(.*?)</script>", page, re.S)
    assert [script for script in scripts if "http" in script] == []


def test_each_picture_has_a_text_its_own_or_that_of_its_section(page):
    assert [image["alt"] for image in Tags(page).named("img")] == [
        'Every pass. A row per pass, a "column" per word.', "Time", "bars",
    ]  # fmt: skip


def test_a_picture_keeps_its_size(page):
    assert [image.get("width") for image in Tags(page).named("img")] == [None, None, "300"]
