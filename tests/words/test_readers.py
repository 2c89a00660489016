"""Readers: exact words and times of a file in each format, and an error for what is none."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flopslab.errors import FlopslabWarning, SequenceError
from flopslab.words.files import decode
from flopslab.words.formats import FORMATS, find_format
from flopslab.words.sequence import Word, parse_sequence, parse_timed_sequence, read_timed_sequence

DATA = Path(__file__).parent / "data"
FILES = sorted(DATA.iterdir())

CONTENT = {
    "whisper.json": [
        ("Hello", 0, 420), ("dark", 420, 900), ("sea.", 960, 1500),
        ("Good", 2000, 2320), ("night.", 2320, 2800),  # a segment without words: by length
    ],
    "whisperx.json": [
        ("It", 31, 200), ("was", 200, 500), ("2014", 500, 1100), ("and", 1100, 1300),
        ("$5", 1300, 3200),
    ],
    "faster-whisper.json": [("hi", 0, 400), ("there", 500, 1000)],
    "whisper-timestamped.json": [("Hello", 100, 500), ("sea", 500, 1200)],
    "stable-ts.json": [("Hello", 0, 400), ("sea", 400, 1000)],
    "openai-api.json": [("Hello", 0, 500), ("sea", 500, 1200)],
    "transformers.json": [("Hello", 0, 500), ("sea", 500, 900)],
    "elevenlabs.json": [("Hello", 119, 500), ("sea", 560, 1200)],
    "polly.marks": [("Hello", 6, 273), ("world", 273, 673)],
    "lines.srt": [
        ("Hello dark sea", 0, 1200), ("fire", 1500, 2000), ("late", 360_000_000, 360_001_000),
    ],
    "highlighted.srt": [("Hello", 0, 420), ("sea", 600, 1200), ("Night", 2000, 2500)],
    "lines.vtt": [("rock & roll <3", 40, 1400), ("sea", 3_602_000, 3_602_500)],
    "words.vtt": [
        ("we", 0, 500), ("are", 500, 1000), ("here", 1000, 2000),
        ("rock", 2010, 2500), ("&", 2500, 3000), ("roll", 3000, 4000),
    ],
    "lines.lrc": [
        ("Hello sea", 2000, 3500), ("fire", 5750, 12_000), ("Hello sea", 12_000, 5_999_500),
        ("late", 5_999_500, 5_999_900),
    ],
    "enhanced.lrc": [
        ("Hello", 1000, 1500), ("dark", 1500, 2000), ("sea", 2000, 2600),
        ("good", 4000, 4889), ("night", 4889, 6000),
    ],
    "long.TextGrid": [("Hello", 100, 520), ('a "dark" sea', 520, 900), ("fire", 1200, 1800)],
    "short.TextGrid": [("Hello", 100, 520), ('a "dark" sea', 520, 900), ("fire", 1200, 1800)],
    "utf16.TextGrid": [("Hello", 100, 520), ('a "dark" sea', 520, 900), ("feu é", 1200, 1800)],
    "labels.txt": [("Hello", 0, 500), ("dark sea", 500, 1200), ("point", 2000, 2400)],
    "table.csv": [("Hello", 0, 500), ("sea, dark", 500, 1200)],
    "semicolons.csv": [("feu", 0, 500), ('a "b" c', 500, 1200)],
    "whisper.tsv": [("Hello", 0, 500), ("dark sea", 500, 1200)],
    "untimed.csv": [("Hello", None, None), ("sea", None, None), ("Hello", None, None)],
    "poem.txt": [
        ('  The sea -- "dark" as wine,', None, None), ("don't wake, O 'sleeper'!", None, None),
        ("fire...", None, None),
    ],
    "assemblyai.json": [("Good", 250, 650), ("night", 730, 1022)],
    "page.md": [
        (line, None, None)
        for line in ["Good night", "[Verse 1]", "The sea, dark", "fire", "a", "b", "sky", "&"]
    ],
}  # fmt: skip
TOTALS = {
    "assemblyai.json": 3000,
    "openai-api.json": 2500, "lines.lrc": 6_060_000,
    "long.TextGrid": 2500, "short.TextGrid": 2500, "utf16.TextGrid": 2500,
}  # fmt: skip


def triples(words: tuple[Word, ...]) -> list[tuple[str, int | None, int | None]]:
    return [(word.text, word.start_ms, word.end_ms) for word in words]


def parse(text: str, name: str, **options) -> list[tuple[str, int | None, int | None]]:
    return triples(parse_sequence(text.encode(), name, **options))


@pytest.mark.filterwarnings("ignore:.*placed 2 words without times")
@pytest.mark.parametrize("name", CONTENT)
def test_a_file_is_read_as_the_words_and_times_in_it(name):
    sequence = read_timed_sequence(DATA / name)
    assert triples(sequence.words) == CONTENT[name]
    assert sequence.total_duration_ms == TOTALS.get(name)


def test_every_file_and_every_format_is_held():
    assert {path.name for path in FILES} == CONTENT.keys()
    formats = {find_format(decode(path.read_bytes()), path.name).name for path in FILES}
    assert formats == {form.name for form in FORMATS}


def test_words_without_times_are_counted_in_one_warning():
    with pytest.warns(FlopslabWarning, match=r"whisperx\.json: placed 2 words without") as caught:
        read_timed_sequence(DATA / "whisperx.json")
    assert len(caught) == 1


def test_sizes_and_occurrences_are_those_of_the_file():
    assert [w.size for w in read_timed_sequence(DATA / "table.csv").words] == [2, 7]
    assert [w.instance for w in read_timed_sequence(DATA / "untimed.csv").words] == [1, 1, 2]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("poem.txt", ["The", "sea", "dark", "as", "wine", "don't", "wake", "O", "sleeper", "fire"]),
        ("page.md", ["Good", "night", "Verse", "1", "The", "sea", "dark", "fire", "a", "b", "sky"]),
        ("whisper.json", ["Hello", "dark", "sea", "Good", "night"]),
        ("lines.srt", ["Hello", "dark", "sea", "fire", "late"]),
    ],
)
def test_a_line_can_be_split_into_words_without_punctuation(name, words):
    sequence = read_timed_sequence(DATA / name, unit="word")
    assert [word.text for word in sequence.words] == words


def test_the_words_of_a_line_share_its_time_by_their_length():
    srt = "1\n00:00:01,000 --> 00:00:02,000\nHello, fires\n"
    assert parse(srt, "a.srt", unit="word") == [("Hello", 1000, 1500), ("fires", 1500, 2000)]


def test_a_tier_is_chosen_by_its_name():
    phones = read_timed_sequence(DATA / "long.TextGrid", tier="phones")
    assert triples(phones.words) == [("HH", 100, 300), ("OW", 300, 520)]
    beats = read_timed_sequence(DATA / "short.TextGrid", tier="beats")
    assert triples(beats.words) == [("one", 500, 1000), ("two", 1000, 1400)]
    with pytest.raises(SequenceError, match="no tier called word; the tiers: words, phones, beats"):
        read_timed_sequence(DATA / "long.TextGrid", tier="word")


def test_the_tier_of_one_speaker_of_several_must_be_chosen():
    text = (DATA / "short.TextGrid").read_text().replace('"words"', '"Ann - words"')
    assert parse(text, "a.TextGrid") == CONTENT["short.TextGrid"]
    with pytest.raises(SequenceError, match="2 tiers called words; the tiers: Ann - words, Bob"):
        parse(text.replace('"phones"', '"Bob - words"'), "a.TextGrid")


def test_numbers_and_brackets_of_a_textgrid_are_read_as_praat_reads_them():
    text = (DATA / "long.TextGrid").read_text()
    text = text.replace("xmin = 0.1 ", "xmin = 4.5e-05 ").replace('"fire"', '"item [3]: 7"')
    assert parse(text, "a.TextGrid")[0] == ("Hello", 0, 520)
    assert parse(text, "a.TextGrid")[-1][0] == "item [3]: 7"


def test_a_textgrid_that_was_cut_off_is_an_error():
    text = (DATA / "short.TextGrid").read_text()
    with pytest.raises(SequenceError, match="tier 'words', 5 of 6: the end of the file"):
        parse(text[: text.index('"fire"')], "a.TextGrid")


def test_an_offset_is_added_to_every_time():
    srt = "1\n00:00:01,000 --> 00:00:02,000\nfire\n"
    assert parse(srt, "a.srt", offset_ms=-400) == [("fire", 600, 1600)]
    own = '[{"word": "a", "start_ms": 5, "end_ms": 9}]'
    assert parse(own, "a.json", offset_ms=7) == [("a", 12, 16)]
    with pytest.raises(SequenceError, match="run backwards by 2,000 ms at word 1"):
        parse(srt, "a.srt", offset_ms=-3000)


MISNAMED = {
    "SRT": "lines.srt", "WebVTT": "lines.vtt", "TextGrid": "long.TextGrid", "LRC": "lines.lrc",
    "labels": "labels.txt", "Whisper": "whisper.json", "Polly": "polly.marks", "CSV": "table.csv",
    "TSV": "whisper.tsv",
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".txt", ".md", ""])
@pytest.mark.parametrize("name", MISNAMED.values(), ids=MISNAMED)
def test_times_are_read_as_such_in_a_file_called_text(name, suffix):
    assert triples(parse_sequence((DATA / name).read_bytes(), f"a{suffix}")) == CONTENT[name]


@pytest.mark.parametrize("text", ["[a:]" * 26, "sea\n" + "\n" * 10_000 + "fire"])
def test_text_that_is_long_and_odd_is_told_from_other_formats_at_once(text):
    begin = time.process_time()
    assert find_format(text, "a.txt").name == "plain text"
    assert time.process_time() - begin < 1


def test_spacing_may_hold_anything():
    words = '{"words": [{"type": "spacing", "words": 5}, {"text": "a", "start": 0, "end": 1}]}'
    assert parse(words, "a.json") == [("a", 0, 1000)]


def test_text_may_look_a_little_like_a_format():
    for text in (
        "[Verse 1]\nHello sea",
        "{a}\n[b]",
        "words, and\nend",
        "a --> b",
        "1\t2",
    ):
        assert [word for word, _, _ in parse(text, "a.txt")] == text.split("\n")


UNREADABLE = {
    "unknown suffix": ("fire", "a.docx", r"not read \(\.docx\)"),
    "bytes of an unknown suffix": (b"PK\x03\x04\xff\x00", "a.docx", r"not read \(\.docx\)"),
    "an image": (b"\x89PNG\r\n\x1a\n\x00", "a.png", r"not read \(\.png\)"),
    "no SRT": ("fire", "a.srt", "no subtitle|SRT that cannot be read"),
    "SRT with text before it": ("x\n1\n00:00:01,000 --> 00:00:02,000\na", "a.srt", "SRT that"),
    "no WebVTT": ("fire", "a.vtt", "WebVTT that cannot be read"),
    "WebVTT with a damaged time": ("WEBVTT\n\n00:0x.000 --> 00:01.000\na", "a.vtt", "WebVTT that"),
    "no LRC": ("fire", "a.lrc", "no line with a time"),
    "LRC with an offset in words": ("[offset:late]\n[00:01.00]a", "a.lrc", r"\[offset:late\]"),
    "LRC with an endless time": ("[" + "9" * 5000 + ":00.00]a", "a.lrc", "no line with a time"),
    "WebVTT with endless times": (
        "WEBVTT\n\n00:00.000 --> 00:02.000\n" + f"a <{'9' * 400}:00:00.000> b " * 2, "a.vtt",
        "word 1",
    ),
    "CSV with a point for a size": ("word,size\na,.", "a.csv", "row 1: size is '.'"),
    "an endless time": (
        '{"audio_duration": 1, "words": [{"text": "a", "start": ' + "9" * 400 + "}]}", "a.json",
        "a number of 400 digits",
    ),
    "no TextGrid": ("fire", "a.TextGrid", "no TextGrid"),
    "TextGrid without tiers": (
        'File type = "ooTextFile"\n"TextGrid"\n0\n1\n<exists>\n0', "a.TextGrid", "tiers: none",
    ),
    "CSV without a column of words": ("wrod,start\na,0", "a.csv", r"'wrod' \(word\?\), 'start'"),
    "CSV with a time in words": ("word,start\na,soon", "a.csv", "row 1: start is 'soon'"),
    "CSV with a size of 8": ("word,size\na,8", "a.csv", "row 1: size is '8'"),
    "CSV with a cell too many": ("word,start\na,b,0", "a.csv", "row 1: 3 cells under 2 names"),
    "CSV without rows": ("word,start\n", "a.csv", "no words"),
    "labels with another line": ("0.0\t1.0\ta\nfire", "a.csv", "no column called word"),
    "JSON without words": ('{"segments": []}', "a.json", "no words"),
    "JSON of another kind": ('{"sequnce": []}', "a.json", r"'sequnce' \(sequence\?\)"),
    "a pool": ('{"pool": []}', "a.json", "a pool, not a sequence"),
    "a time as text": ('[{"word": "a", "start": "0.5"}]', "a.json", "entry 1: start is '0.5'"),
    "a time that is NaN": ('[{"word": "a", "start": NaN}]', "a.json", "entry 1: start is nan"),
    "a time without end": ('[{"word": "a", "start": 1e99}]', "a.json", r"start is 1e\+99"),
    "a wrong key for a time": ('[{"word": "a", "strat": 1, "end": 2}]', "a.json", "not start"),
    "a word of seconds in its own format": (
        '{"sequence": [{"word": "a", "start": 0.5}]}', "a.json", "'start', not start_ms",
    ),
    "a size under another name": (
        '{"sequence": [{"word": "a", "fontsize": 7}]}', "a.json", "not font_size",
    ),
    "times and texts mixed": ('[{"word": "a", "start": 1}, 7]', "a.json", "7 in a list of words"),
    "segments that are none": ('{"segments": {"a": 1}}', "a.json", "segments is"),
    "words that are none": ('{"segments": [{"words": [7]}]}', "a.json", "words is"),
    "a surrogate in a transcript": ('[{"word": "\\ud800", "end": 1}]', "a.json", "the word"),
    "a mark without a time": (
        '{"type": "word", "value": "a", "time": null}\n{"type": "x"}', "a.marks", "mark 1: no time",
    ),
    "a damaged line of marks": ('{"time": 1}\n{"ti', "a.marks", "not JSON at line 2"),
    "a transcript cut off": ('{\n "segments": [{"sta', "a.txt", "not JSON at line 2"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "name", "actual"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_an_error_that_says_why(data, name, actual):
    data = data if isinstance(data, bytes) else data.encode()
    with pytest.raises(SequenceError, match=actual) as caught:
        parse_sequence(data, name)
    assert len(str(caught.value).splitlines()) == 3


def test_an_unknown_format_is_refused_with_the_list_of_those_that_are_read():
    with pytest.raises(SequenceError) as caught:
        parse_sequence(b"fire", "a.docx")
    assert [form.name for form in FORMATS if form.name not in str(caught.value)] == []


def test_what_is_not_read_is_named():
    with pytest.warns(FlopslabWarning, match=r"columns that are not read: 'stat' \(start\?\)"):
        assert parse("word,stat\na,1", "a.csv") == [("a", None, None)]
    with pytest.warns(FlopslabWarning, match="keys that are not read: 'mood'"):
        parse('[{"word": "a", "start": 0, "end": 1, "mood": "glad"}]', "a.json")
    with pytest.warns(FlopslabWarning, match="keys that are not read: 'model'"):
        parse('{"segments": [{"text": "a", "start": 0, "end": 1}], "model": "x"}', "a.json")


def test_times_that_look_like_milliseconds_are_doubted():
    with pytest.warns(FlopslabWarning, match="are the times in milliseconds"):
        parse('{"words": [{"text": "a", "start": 250, "end": 650}]}', "a.json")


def test_totals_and_gaps_of_a_sequence_are_kept():
    own = b'{"sequence": ["a"], "total_duration_ms": 9000, "inter_word_silence_ms": 500}'
    sequence = parse_timed_sequence(own, "a.json")
    assert (sequence.total_duration_ms, sequence.inter_word_silence_ms) == (9000, 500)


def test_words_that_end_after_the_whole_are_said_and_lengthen_it():
    own = b'[{"word": "a", "start_ms": 0, "end_ms": 700}]'
    own = b'{"sequence": ' + own + b', "total_duration_ms": 600}'
    with pytest.warns(FlopslabWarning, match=r"ends at 700 ms, later than the whole \(600 ms\)"):
        assert parse_timed_sequence(own, "a.json").total_duration_ms == 700


@pytest.mark.filterwarnings("ignore::flopslab.errors.FlopslabWarning")
@given(data=st.data(), path=st.sampled_from(FILES))
def test_a_truncated_or_mangled_file_is_read_or_is_a_sequence_error(data, path):
    content = path.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    junk = data.draw(
        st.one_of(
            st.binary(max_size=8), st.text('0123456789:.,<>[]{}"-\n', max_size=8).map(str.encode)
        )
    )
    rest = data.draw(st.integers(cut, len(content)))
    name = data.draw(st.sampled_from([path.name, "a.txt", "a"]))
    try:
        words = parse_sequence(content[:cut] + junk + content[rest:], name)
    except SequenceError:
        return
    assert words and all(word.text.strip() for word in words)


def test_the_page_on_formats_lists_every_suffix():
    page = (Path(__file__).parents[2] / "docs" / "words.md").read_text().lower()
    suffixes = [suffix for form in FORMATS for suffix in form.suffixes if suffix]
    assert [suffix for suffix in suffixes if f"`{suffix}`" not in page] == []
