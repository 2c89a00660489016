"""The view as one file: everything in it, nothing outside it, no word that is markup."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from painted import write_words

from flopslab.errors import RunError
from flopslab.viewer.export import export_html
from flopslab.viewer.snapshot import Album

NASTY = ["<script>alert(1)</script>", "</script><b>", "<!--", "سماء", "%%DATA%%", "a & b"]


def data(page: str) -> dict:
    """What the page's script reads."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text)


class Tags(HTMLParser):
    """Names of the elements, and every address that one of them would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names, self.addresses = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset")]


@pytest.fixture
def page(paint, tmp_path) -> str:
    return export_html(paint().directory, tmp_path / "page.html").read_text()


def test_every_frame_is_in_it_with_what_it_was_made_from(page, study):
    album, found = Album(study.output_dir), data(page)
    assert set(found["frames"]["base"]) == {f"{n}/{p}" for n, p in album.keys}
    for (number, position), frame in (
        (key, found["frames"]["base"][f"{key[0]}/{key[1]}"]) for key in album.keys
    ):
        recipe = album.recipe((number, position))
        assert found["pictures"][frame["picture"]].startswith("data:image/jpeg;base64,")
        assert frame["facts"]["seed"] == str(recipe.pixels["seed"])
        assert [p for p, _ in frame["neighbours"]] == recipe.input_positions
        window = album.window((number, position))
        assert frame["window"] == [window[0], window[-1]]
    assert found["words"]["base"]["4"] == "ocean"


def test_nothing_outside_the_file_is_loaded(page):
    assert Tags(page).addresses == []
    assert "default-src 'none'" in page
    assert re.findall(r"https?://|@import|url\(", page) == []


@pytest.mark.parametrize("word", NASTY)
def test_no_word_is_markup(paint, tmp_path, word):
    sequence = write_words(tmp_path / "any.json", [word] * 3)
    directory = paint(sequence=sequence).directory.rename(tmp_path / "<b>run")
    page = export_html(directory, tmp_path / "page.html").read_text()
    plain = Tags(page).names
    assert plain.count("script") == 2
    assert "b" not in plain
    assert data(page)["words"]["base"]["2"] == word


def test_pictures_shrink_until_they_fit(paint, tmp_path, monkeypatch):
    monkeypatch.setattr("flopslab.viewer.export.SMALLEST", 2)
    directory = paint().directory
    sizes = [
        export_html(directory, tmp_path / f"{most}.html", most_megabytes=most).stat().st_size
        for most in (60, 0.018)
    ]
    assert sizes[1] < sizes[0]


def test_what_two_runs_share_is_stored_once(paint, tmp_path):
    directory = paint().directory
    found = data(export_html(directory, tmp_path / "page.html", against=directory).read_text())
    assert set(found["frames"]) == {"base", "changed"}
    assert found["frames"]["base"] == found["frames"]["changed"]
    assert len(found["pictures"]) == 24


def test_a_damaged_picture_is_left_out(paint, tmp_path):
    directory = paint().directory
    (directory / "pass1" / "frame_000003.png").write_bytes(b"damaged")
    found = data(export_html(directory, tmp_path / "page.html").read_text())
    assert len(found["frames"]["base"]) == 23


def test_without_a_run_there_is_nothing_to_export(tmp_path):
    with pytest.raises(RunError, match="no frames"):
        export_html(tmp_path / "nowhere", tmp_path / "page.html")
    assert not Path(tmp_path / "page.html").exists()
