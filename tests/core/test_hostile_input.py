"""Whatever a user hands over: a clear error in three parts, never a raw one, and soon."""

import os
import random
import time
from itertools import pairwise

import pytest

from flopslab.core.study import Study
from flopslab.errors import FlopslabError, ParameterError, SequenceError
from flopslab.words.sequence import parse_sequence, read_sequence


def refusal(**parameters) -> ParameterError:
    with pytest.raises(ParameterError) as caught:
        Study(**parameters)
    return caught.value


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("passes", 10**9, "at most 1000"),
        ("limit", 10**30, "at most 100000"),
        ("context_diameter", 10**30, "at most 100000"),
        ("frame_interval", 10**30, "at most 100000"),
        ("image_context_multiplier", 10**9, "at most 100000"),
        ("width", 2**20, "at most 8192"),
        ("height", 8200, "at most 8192"),
        ("batch_size", 10**9, "at most 1024"),
        ("steps", 1001, "at most 1000"),
        ("guidance_scale", 1e308, "at most 1000"),
        ("detail", 1e308, "at most 100"),
        ("distance_weights", [1e308, 1e308], "at most 1000000"),
        ("distance_weights", [1.0] * 1001, "at most 1000 of them"),
        ("denoising_strength", [0.5] * 1001, "at most 1000 of them"),
        ("prompt_prefix", "a" * 10_001, "at most 10000 characters"),
        ("output_dir", "a" * 10_001, "at most 10000 characters"),
        ("passes", 10**5000, "at most 1000"),
    ],
    ids=lambda value: repr(value)[:20] if not isinstance(value, int) else "number",
)
def test_a_value_that_would_never_end_is_refused_with_its_limit(name, value, limit):
    assert limit in refusal(**{name: value}).hint


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("sequence", 1984, "papermill's -r sequence 1984"),  # as papermill reads -p sequence 1984
        ("output_dir", 2026, "papermill's -r output_dir 2026"),
        ("output_dir", 1e5, "papermill's -r output_dir 100000.0"),
        ("prompt_prefix", None, "papermill's -r prompt_prefix None"),
        ("prompt_prefix", True, "papermill's -r prompt_prefix True"),
        ("distance_weights", "[1, 0.5]", "papermill's -y 'distance_weights: [1, 0.5]' or -f"),
        ("denoising_strength", "[0.5, 0.3]", "papermill's -y 'denoising_strength: [0.5, 0.3]'"),
    ],
)
def test_what_papermill_reads_as_another_kind_is_refused_with_the_option_that_helps(
    name, value, remedy
):
    assert remedy in refusal(**{name: value}).hint


def test_yaml_is_read_as_people_and_papermill_read_it(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("steps: 010\nseed: 1_000\nguidance_scale: 1e1\noutput_dir: 2026-11-25\n"
                    "prompt_prefix: no\nprompt_suffix: 12:30\nlimit: +3\ndetail: .5\n"
                    "scheduler: ''\nnegative_prompt: 0x1F\n")  # fmt: skip
    study = Study.read(path)
    assert (study.steps, study.seed, study.guidance_scale) == (10, 1000, 10.0)
    assert (study.output_dir, study.prompt_prefix, study.prompt_suffix) == (
        "2026-11-25", "no", "12:30",
    )  # fmt: skip
    assert (study.limit, study.detail, study.negative_prompt) == (3, 0.5, "0x1F")


BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcdefg"))
FILES = {
    "map tag": "passes: !!map [1, 2]",
    "set tag": "passes: !!set [a]",
    "timestamp tag": "passes: !!timestamp x",
    "string tag": "sequence: !!str 1984",
    "sexagesimal": "seed: 12:30",
    "bomb": BOMB,
    "itself": "passes: &a [*a]",
    "deep": "[" * 60_000,
    "long": "# " + "a" * 70_000,
    "digits": "passes: " + "9" * 5_000,
    "key": "? !!set {a}\n: 1",
    "merge": "<<: {passes: 2}",
    "NUL": "passes: \0",
    "nan": "detail: .nan",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_a_hostile_parameter_file_is_refused_soon(tmp_path, text):
    path, start = tmp_path / "study.yaml", time.process_time()
    path.write_text(text)
    with pytest.raises(ParameterError):
        Study.read(path)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("read", [Study.read, read_sequence])
@pytest.mark.parametrize("kind", ["fifo", "directory", "device", "missing", "huge"])
def test_what_is_no_file_of_a_fit_size_is_refused_without_reading_it(tmp_path, read, kind):
    path = tmp_path / "input.json"
    make = {
        "fifo": lambda: os.mkfifo(path),
        "directory": path.mkdir,
        "device": lambda: path.symlink_to("/dev/zero"),
        "missing": lambda: None,
        "huge": lambda: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 70 * 10**6),
    }
    make[kind]()
    with pytest.raises(FlopslabError):
        read(path)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"sea\n" * 100_001, "100,001 words; the limit is 100,000"),
        (b"sea\n" + b"a" * 10_001, "word 2 of 10,001 characters; the limit is 10,000"),
        (b'["sea"]'.replace(b"sea", b"a" * 10_001), "word 1 of 10,001 characters"),
    ],
)
def test_too_many_or_too_long_words_are_refused_with_the_limit(data, found):
    name = "words.json" if data.startswith(b"[") else "words.txt"
    with pytest.raises(SequenceError, match=found):
        parse_sequence(data, name)


# What is put together at random: parts that are each a trap somewhere.
VALUES = [
    None, True, False, 0, -1, 1, 3, 8, 2**31, 2**63, 10**400, -0.0, 0.5, 1e308, -1e308,
    float("nan"), float("inf"), "", " ", "a", "demo", "\0", "\ud800", "../..", "None", "1e5",
    "[1]", "grid", "latent", "<b>", "\u202e", b"\xff", [], [0.5], [1e308] * 2, [[]], {},
    {"a": 1}, {1}, (1,), object(), 10**5000,
]  # fmt: skip
PARTS = [
    "[", "]", "{", "}", ":", ",", "\n", "- ", "? ", "& a", "*a", "!!set", "!!binary", "!", "|",
    ">", "%", "'", '"', "\\", "\t", "\0", "\ufeff", "#", "---", "...", "<<", "passes", "seed",
    "1e999", "NaN", "12:30", "010", '"word"', '"sequence"', '"start_ms"', '"font_size"', "null",
    "-1", "1.5", "[00:01.00]", "00:00:01,000 --> 00:00:02,000", "WEBVTT\n\n", "word\tsize\n",
    "word,start\n", "a,b\n", "\x1b[2J", "🌊", 'File type = "ooTextFile"\n', '"segments"',
    '"words"', '"text"', "1" * 5000, "[" * 3000, "{}", "true",
]  # fmt: skip
SUFFIXES = (".json", ".txt", ".srt", ".vtt", ".lrc", ".csv", ".tsv", ".TextGrid", ".md", "", ".xyz")


def check(work) -> bool:
    """Whether the work was refused; anything but an error in three parts is raised."""
    try:
        work()
    except FlopslabError as error:
        assert all(part.strip() for part in (error.expected, error.actual, error.hint))
        return True
    return False


def fuzz(cases: int, seed: int, folder) -> dict[str, int]:
    """How many of random cases were refused, by what was handed over."""
    draw, names, refused = random.Random(seed), [*Study.model_fields, "kernl", "x"], {}
    path = folder / "study.yaml"
    for _ in range(cases):
        chosen = {name: draw.choice(VALUES) for name in draw.sample(names, draw.randint(1, 4))}
        text = "".join(draw.choices(PARTS, k=draw.randint(1, 14)))
        data = text.encode(draw.choice(["utf-8"] * 4 + ["utf-16", "utf-32"]), "surrogatepass")
        path.write_bytes(data)
        suffix = draw.choice(SUFFIXES)
        works = {
            "study": lambda chosen=chosen: Study(**chosen),
            "parameters": lambda: Study.read(path),
            "sequence": lambda data=data, suffix=suffix: parse_sequence(data, f"words{suffix}"),
        }
        for kind, work in works.items():
            refused[kind] = refused.get(kind, 0) + check(work)
    return refused


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::flopslab.errors.FlopslabWarning")
def test_random_input_is_read_or_refused_in_three_parts(tmp_path):
    cases = 150
    refused = fuzz(cases, 0, tmp_path)
    assert all(count > 0 for count in refused.values())
    assert refused["sequence"] < cases  # some of it is words
