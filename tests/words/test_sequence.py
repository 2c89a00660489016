"""Sequence: every word arrives as it was written, or an error says which entry is wrong."""

import json
import os

from hypothesis import given
from hypothesis import strategies as st
from pytest import mark, raises, warns

from flopslab.errors import FlopslabWarning, SequenceError
from flopslab.words import sequence
from flopslab.words.sequence import Word, parse_sequence, read_sequence
from training.vocabulary import vocabulary

STRANGE = [
    "two words", "  spaced  ", '"quoted"', "(fire:1.4)", "[x]{y}", r"back\slash", "a\tb", "a\nb",
    "🔥", "👩‍👩‍👧", "שלום", "سلام", "é", "é", "＃", "../../etc", "a\u2028b", "a\x85b", "C#", "a=b",
]  # fmt: skip
words = st.text(min_size=1).filter(lambda text: text.strip() and "\0" not in text)


def entries(*objects):
    return json.dumps({"sequence": objects}).encode()


def test_an_entry_carries_its_size_instance_and_timing():
    entry = {"word": "silence", "instance": 2, "font_size": 7, "start_ms": 0, "end_ms": 620}
    assert parse_sequence(entries(entry), "a.json") == (Word("silence", 7, 2, 0, 620),)


def test_only_the_word_is_required_and_the_rest_has_defaults():
    assert parse_sequence(entries({"word": "silence"}), "a.json") == (
        Word("silence", size=1, instance=1, start_ms=None, end_ms=None),
    )


def test_a_silent_word_is_read_as_one():
    found = parse_sequence(entries({"word": "a", "silent": True}, {"word": "b"}), "a.json")
    assert found == (Word("a", silent=True), Word("b"))
    with raises(SequenceError, match="entry 1: silent is 1"):
        parse_sequence(entries({"word": "a", "silent": 1}), "a.json")


@mark.parametrize(
    "word", [Word("a b"), Word("é", 7, 2), Word("a", 3, 1, 0, 620), Word("a", silent=True)]
)
def test_a_words_entry_is_read_back_as_the_word(word):
    assert parse_sequence(entries(word.entry), "a.json") == (word,)


def test_a_key_that_is_not_known_is_named_in_a_warning():
    data = b'{"sequence": [{"word": "a", "colour": "red"}], "total_duration_ms": 485000}'
    with warns(FlopslabWarning, match="keys that are not read: 'colour'"):
        assert parse_sequence(data, "a.json") == (Word("a"),)


def test_a_key_that_resembles_a_known_one_is_an_error():
    with raises(SequenceError, match="entry 2: the key 'fontsize', not font_size"):
        parse_sequence(entries({"word": "a"}, {"word": "b", "fontsize": 7}), "a.json")
    with raises(SequenceError, match="'total_duration', not total_duration_ms"):
        parse_sequence(b'{"sequence": ["a"], "total_duration": 7}', "a.json")


def test_the_occurrences_of_a_word_are_counted_where_the_file_does_not():
    for data, name in ((b"a\nb\na", "a.txt"), (b'["a", {"word": "b"}, "a"]', "a.json")):
        assert [word.instance for word in parse_sequence(data, name)] == [1, 1, 2]


def test_a_whole_number_may_be_written_with_a_point():
    entry = {"word": "a", "font_size": 7.0, "start_ms": 0.0, "end_ms": 620.0}
    word = parse_sequence(entries(entry), "a.json")[0]
    assert (word.size, word.end_ms) == (7, 620) and isinstance(word.size, int)


def test_a_bare_list_of_strings_is_a_sequence():
    assert parse_sequence(b'["silence", "old fire"]', "a.json") == (
        Word("silence"),
        Word("old fire"),
    )


@mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_plain_text_is_a_word_or_phrase_a_line_and_blank_lines_are_skipped(newline):
    data = newline.join(["silence", "", "old fire", "  ", "sea"]).encode()
    assert [word.text for word in parse_sequence(data, "a.txt")] == ["silence", "old fire", "sea"]


def test_a_text_file_may_begin_with_a_bracket():
    assert parse_sequence(b"[intro]\n{a}\n", "a.txt") == (Word("[intro]"), Word("{a}"))


def test_without_a_telling_name_a_bracket_or_brace_means_json():
    assert parse_sequence(b' ["a"]', "words") == (Word("a"),)
    assert parse_sequence(b'{"sequence": ["a"]}', "words") == (Word("a"),)
    assert parse_sequence(b"a", "words") == (Word("a"),)


@mark.parametrize("text", STRANGE)
def test_a_strange_word_is_kept_exactly(text):
    for data in (entries({"word": text}), json.dumps([text], ensure_ascii=False).encode()):
        assert parse_sequence(data, "a.json")[0].text == text
    if "\n" not in text:
        assert parse_sequence(text.encode(), "a.txt")[0].text == text


@given(st.lists(words, min_size=1))
def test_every_list_of_words_comes_back_as_it_was(texts):
    read = parse_sequence(json.dumps(texts).encode(), "a.json")
    assert [word.text for word in read] == texts


@mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@mark.parametrize(("name", "text"), [("a.json", '["né", "火"]'), ("a.txt", "né\n火")])
def test_a_byte_order_mark_tells_the_encoding_and_is_no_part_of_a_word(encoding, name, text):
    assert parse_sequence(text.encode(encoding), name) == (Word("né"), Word("火"))


def test_one_word_and_ten_thousand_words_work():
    assert len(parse_sequence(b'["a"]', "a.json")) == 1
    assert len(parse_sequence(json.dumps(["a"] * 10_000).encode(), "a.json")) == 10_000


FAULTS = {
    "cut off": (b'{"sequence": [{"word": "a"}, {"wo', "not JSON at line 1, column 31"),
    "not JSON": (b"silence", "not JSON at line 1"),
    "no bytes": (b"", "not JSON at line 1"),
    "no sequence": (b"{}", "no list of words"),
    "a number": (b"7", "no list of words"),
    "sequence of the wrong type": (b'{"sequence": "a"}', "no list of words"),
    "empty list": (b"[]", "an empty list"),
    "entry of the wrong type": (b'["a", 7]', "entry 2: the word is 7"),
    "no word": (b'["a", {"font_size": 2}]', "entry 2: no word"),
    "word of the wrong type": (entries({"word": ["a"]}), r"entry 1: the word is \['a'\]"),
    "empty word": (entries({"word": "a"}, {"word": ""}), "entry 2: an empty word"),
    "blank word": (b'["a", " "]', "entry 2: an empty word"),
    "NUL in a word": (b'["a\\u0000"]', "entry 1: the word"),
    "NUL in the file": (b'["a",\n"\0"]', "a NUL character in line 2"),
    "lone surrogate": (b'["a", "\\ud800"]', "entry 2: the word"),
    "duplicate key": (b'[{"word": "a", "word": "b"}]', "entry 1: 'word' twice"),
    "duplicate outer key": (b'{"sequence": ["a"], "sequence": ["b"]}', "'sequence' twice"),
    "NaN": (b'[{"word": "a", "font_size": NaN}]', "entry 1: 'font_size' is nan"),
    "infinity": (b'[{"word": "a", "end_ms": 1e999}]', "entry 1: 'end_ms' is inf"),
    "NaN as a word": (b"[NaN]", "entry 1: the word is nan"),
    "outer NaN": (b'{"sequence": ["a"], "total_duration_ms": NaN}', "'total_duration_ms' is nan"),
    "deep nesting": (b"[" * 100_000, "JSON that cannot be read"),
    "endless number": (b"[" + b"9" * 5_000 + b"]", "JSON that cannot be read"),
    "size 0": (entries({"word": "a", "font_size": 0}), "entry 1: font_size is 0"),
    "size 8": (entries({"word": "a", "font_size": 8}), "entry 1: font_size is 8"),
    "size 1.5": (entries({"word": "a", "font_size": 1.5}), "entry 1: font_size is 1.5"),
    "size as text": (entries({"word": "a", "font_size": "7"}), "entry 1: font_size is '7'"),
    "size true": (entries({"word": "a", "font_size": True}), "entry 1: font_size is True"),
    "size null": (entries({"word": "a", "font_size": None}), "entry 1: font_size is None"),
    "instance 0": (entries({"word": "a", "instance": 0}), "entry 1: instance is 0"),
    "latin-1": ('["né"]'.encode("latin-1"), "bytes in line 1 that are not utf-8"),
    "utf-16 without a mark": ('["a"]'.encode("utf-16-le"), "a NUL character in line 1"),
}


@mark.parametrize(("data", "found"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_its_file_and_entry(data, found):
    with raises(SequenceError, match=found) as caught:
        parse_sequence(data, "folder/words.json")
    assert "folder/words.json" in str(caught.value) and caught.value.hint


def timed(*times):
    return entries(*({"word": "a", "start_ms": start, "end_ms": end} for start, end in times))


def test_words_may_touch_or_overlap_in_time():
    assert len(parse_sequence(timed((0, 100), (100, 200), (150, 300)), "a.json")) == 3


@mark.parametrize(
    ("data", "found"),
    [
        (timed((-1, 100)), "entry 1: start_ms is -1"),
        (timed((0, 100.5)), "entry 1: end_ms is 100.5"),
        (timed((100, 50)), "entry 1: ends before it starts"),
        (timed((100, 200), (50, 300)), "entry 2: earlier than entry 1"),
        (timed((100, 200), (100, 150)), "entry 2: earlier than entry 1"),
        (timed((0, 100), (None, None)), "entry 2: without"),
        (timed((None, None), (0, 100)), "entry 1: without"),
        (timed((0, 100), (100, None)), "entry 2: without"),
        (timed((0, None)), "entry 1: without"),
        (timed((None, 100)), "entry 1: without"),
    ],
)
def test_times_are_whole_milliseconds_for_all_words_or_none_and_never_run_backwards(data, found):
    with raises(SequenceError, match=found):
        parse_sequence(data, "a.json")


def test_plain_text_without_words_is_refused():
    with raises(SequenceError, match="no words"):
        parse_sequence(b"\n \n", "a.txt")


def test_a_file_is_read_by_its_path(tmp_path):
    path = tmp_path / "wörds 100%.txt"
    path.write_text("silence\n", encoding="utf-8")
    assert read_sequence(path) == read_sequence(str(path)) == (Word("silence"),)


@mark.parametrize("name", ["missing.json", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_named_with_what_may_be_given(tmp_path, name):
    with raises(SequenceError, match="demo, full"):
        read_sequence(str(tmp_path / name))


def test_a_home_directory_may_be_written_short(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "words.txt").write_text("silence\n")
    assert read_sequence("~/words.txt") == (Word("silence"),)


def test_what_never_ends_is_refused_before_it_is_read(tmp_path):
    os.mkfifo(tmp_path / "fifo.txt")
    for path in (tmp_path / "fifo.txt", "/dev/zero"):
        with raises(SequenceError, match="not a regular file"):
            read_sequence(path)


def test_a_huge_file_is_refused_without_reading_it(tmp_path):
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    with raises(SequenceError, match="more than 32 MiB"):
        read_sequence(tmp_path / "huge.txt")


@mark.parametrize("folder", ["params", "flopslab/params"])
def test_a_shipped_sequence_is_found_beside_the_package_or_inside_it(tmp_path, monkeypatch, folder):
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "demo.json").write_text('["shipped"]')
    monkeypatch.setattr(sequence, "__file__", str(tmp_path / "flopslab" / "words" / "sequence.py"))
    assert read_sequence("demo") == (Word("shipped"),)


@mark.parametrize("name", sequence.SHIPPED)
def test_the_shipped_sequences_are_whole(name):
    words = read_sequence(name)
    assert len(words) > 1 and all(word.end_ms for word in words)
    assert {word.text for word in words} <= set(vocabulary())  # the embedded model knows them
