"""`flopslab words`: transcripts, poems and pools to a sequence that a run can read."""

import json

import pytest

from flopslab.cli import main
from flopslab.words.sequence import read_timed_sequence

SRT = "1\n00:00:00,000 --> 00:00:00,500\nHello\n\n2\n00:00:00,500 --> 00:00:01,200\nsea\n"


@pytest.fixture
def words(capsys, tmp_path, monkeypatch):
    """`words(name, content, *options)`: (exit code, the JSON or text that it printed)."""
    monkeypatch.chdir(tmp_path)

    def call(name, content, *options):
        (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(SystemExit) as end:
            main(["words", name, "-o", "out.json", *options])
        text = "".join(capsys.readouterr())
        return end.value.code or 0, json.loads(text) if "--json" in options else text

    return call


def test_subtitles_become_a_sequence_with_times(words):
    code, facts = words("a.srt", SRT, "--json")
    assert (code, facts["words"], facts["last_end_ms"]) == (0, 2, 1200)
    read = read_timed_sequence("out.json").words
    assert [(w.text, w.start_ms, w.end_ms) for w in read] == [("Hello", 0, 500), ("sea", 500, 1200)]


def test_a_poem_is_split_into_words(words):
    code, text = words("a.txt", "The sea,\nthe sea!\n", "--unit", "word")
    assert (code, text) == (0, "out.json: 4 words, 3 of them different, no times\n")


@pytest.mark.torch
def test_a_pool_becomes_a_flopsopoly(words):
    code, facts = words("a.json", '{"sea": 3, "fire": 2, "lake": 1}', "--json")
    assert (code, facts["words"], facts["repeats"]) == (0, 6, 0)
    sequence = read_timed_sequence("out.json")
    assert sequence.words[0].text == "sea" and sequence.inter_word_silence_ms == 500
    assert sequence.total_duration_ms == sequence.words[-1].end_ms


def test_a_file_of_embeddings_and_a_first_word_order_the_pool(words, tmp_path):
    (tmp_path / "v.json").write_text('{"sea": [1, 0], "fire": [0, 1], "lake": [0.9, 0.1]}')
    options = ["--embeddings", "v.json", "--first-word", "lake", "--gap-ms", "200-800"]
    code, _ = words("a.csv", "word,size\nsea,1\nfire,1\nlake,1\n", *options)
    read = read_timed_sequence("out.json").words
    assert (code, [word.text for word in read]) == (0, ["lake", "fire", "sea"])
    assert read[2].start_ms - read[1].end_ms == 800


@pytest.mark.torch
def test_words_in_an_order_of_their_own_are_ordered_on_demand(words):
    words("a.txt", "sea\nsea\nfire\nlake\n", "--order", "flopsopoly")
    assert [word.text for word in read_timed_sequence("out.json").words].count("sea") == 2
    code, text = words("b.csv", "word,size\nsea,1\nsea,1\n", "--order", "keep")
    assert code == 0 and "twice in a row: 1 times" in text


@pytest.mark.filterwarnings("default")
@pytest.mark.torch
def test_words_that_the_probe_does_not_know_are_named(words):
    code, text = words("a.json", '{"sea": 1, "quokka": 1}')
    assert code == 0 and "warning: the embedded CLIP does not know 1 of 2 words" in text
    assert "quokka" in text and "cli" not in text  # no place in the code


def test_an_error_leaves_no_file(words, tmp_path):
    assert words("a.docx", "sea")[0] == 1
    assert words("a.json", '{"sea": 9}', "--json")[0] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.docx", "a.json"]


def test_a_place_that_cannot_be_written_is_an_error(tmp_path, capsys):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SystemExit) as end:
        main(["words", "demo", "-o", str(tmp_path / "file" / "out.json")])
    assert end.value.code == 1 and "a place for the sequence" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
