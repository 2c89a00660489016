"""The view as one file: everything in it, nothing outside it, no word that is markup."""

import errno
import json
import re
from html.parser import HTMLParser

import pytest
from painted import PaintedGenerator, write_words

from flopslab.errors import RunError
from flopslab.storage import filesystem
from flopslab.viewer.export import export_html
from flopslab.viewer.snapshot import RunSnapshot

MARKUP = ["<script>alert(1)</script>", "</script><b>", "<!--", "سماء", "%%DATA%%", "a & b"]


def data(page: str) -> dict:
    """What the page's script reads."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text)


class Page(HTMLParser):
    """Names of the elements, the text, and every address that one of them would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names, self.addresses, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def page(paint, tmp_path) -> str:
    return export_html(paint().directory, tmp_path / "page.html").read_text()


def test_every_frame_is_in_it_with_what_it_was_made_from(page, study):
    snapshot, content = RunSnapshot(study.output_dir), data(page)
    names = {key: f"{key.pass_number}/{key.position}" for key in snapshot.keys}
    assert set(content["frames"]) == set(content["pictures"]["base"]) == set(names.values())
    for key, name in names.items():
        recipe, frame = snapshot.recipe(key), content["frames"][name]
        assert content["pictures"]["base"][name] == recipe.digest
        assert content["files"][recipe.digest].startswith("data:image/jpeg;base64,")
        assert str(recipe.pixels["seed"]) in frame["facts"]
        positions = re.findall(r'data-position="(\d+)"', frame["strip"])
        assert [int(position) for position in positions] == recipe.sources
    assert 'class="centre" title="position 4">ocean<' in content["words"]["4"]


def test_nothing_outside_the_file_is_loaded(page):
    assert Page(page).addresses == []
    assert "default-src 'none'" in page
    assert re.findall(r"https?://|@import|url\(", page) == []


@pytest.mark.parametrize("word", MARKUP)
def test_no_word_is_markup(paint, tmp_path, word):
    sequence = write_words(tmp_path / "any.json", [word] * 3)
    directory = paint(sequence=sequence).directory.rename(tmp_path / "<b>run")
    text = export_html(directory, tmp_path / "page.html", against=directory).read_text()
    page, content = Page(text), data(text)
    assert page.names.count("script") == 2
    assert "b" not in page.names
    words = Page(content["words"]["2"])
    assert set(words.names) == {"div", "bdi"}
    assert words.text.split() == (word + " ").split() * 3
    facts = Page(content["frames"]["2/2"]["facts"])
    assert set(facts.names) == {"table", "tr", "th", "td"}
    assert word in facts.text


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
    content = data(export_html(directory, tmp_path / "page.html", against=directory).read_text())
    pictures = content["pictures"]
    assert list(pictures) == ["base", "variant", "difference"]
    assert pictures["base"] == pictures["variant"]
    assert len(set(pictures["difference"].values())) == 1  # none
    assert len(content["files"]) == 24 + 1


def test_beside_a_second_run_the_page_says_whose_facts_they_are(paint, tmp_path):
    one = paint().directory
    two = paint(seed=1, output_dir=str(tmp_path / "two")).directory
    page = export_html(one, tmp_path / "page.html", against=two).read_text()
    assert "How it was made (run, base)" in page
    assert '<td dir="auto">run (base)</td>' in data(page)["frames"]["1/1"]["facts"]
    alone = export_html(one, tmp_path / "alone.html").read_text()
    assert "(base)" not in alone


class Large(PaintedGenerator):
    """Its pictures are twice as wide and high."""

    def __init__(self) -> None:
        super().__init__(width=24, height=16)
        self.size = (24, 16)

    def generate(self, requests, strength=1.0):
        return [image.resize(self.size) for image in super().generate(requests, strength)]


def test_pictures_of_two_sizes_have_no_difference_to_show(paint, tmp_path):
    one = paint(passes=1).directory
    two = paint(Large(), passes=1, output_dir=str(tmp_path / "two")).directory
    content = data(export_html(one, tmp_path / "page.html", against=two).read_text())
    assert list(content["pictures"]) == ["base", "variant"]


def test_a_run_that_is_not_what_it_claims_is_refused(paint, tmp_path):
    directory = paint().directory
    (directory / "pass1" / "frame_000003.png").write_bytes(b"damaged")
    with pytest.raises(RunError, match="pass1 at 3: cut off"):
        export_html(directory, tmp_path / "page.html")


def test_a_damaged_picture_of_an_unfinished_run_is_left_out(paint, tmp_path):
    directory = paint().directory
    (directory / "visual-manifest.json").unlink()
    (directory / "pass1" / "frame_000003.png").write_bytes(b"damaged")
    content = data(export_html(directory, tmp_path / "page.html").read_text())
    assert len(content["frames"]) == len(content["pictures"]["base"]) == 23


def test_without_a_run_there_is_nothing_to_export(tmp_path):
    with pytest.raises(RunError, match="no frames"):
        export_html(tmp_path / "nowhere", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_file_that_cannot_be_written_is_named_and_the_old_one_stays(paint, tmp_path, monkeypatch):
    directory, path = paint(passes=1).directory, tmp_path / "page.html"
    path.write_text("old")

    def fill_the_disk(file, data):
        file.write(data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(filesystem, "write", fill_the_disk)
    with pytest.raises(RunError, match="No space left") as error:
        export_html(directory, path)
    assert str(path) in error.value.expected and "frames" not in error.value.hint
    assert path.read_text() == "old" and not filesystem.temporary_path(path).exists()
    with pytest.raises(RunError, match="empty name"):
        export_html(directory, ".")
