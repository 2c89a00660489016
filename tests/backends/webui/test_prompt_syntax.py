"""Whatever a word looks like, a server's parser gives it back as that word."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prompt_parsers import SyntaxReadError, parse_automatic, parse_plain

from flopslab.backends.webui.prompt_syntax import write_plain_prompt, write_prompt
from flopslab.core.prompts import Prompt

SYNTAX = [
    "(", ")", "[", "]", "\\", ":", "|", "<", ">", "AND", "BREAK", "<lora:x:1>", "1.4", ":2", " ",
    "(word:1.4)", "[a:b:0.5]", "[from:to:8]", "[a|b]", "\r\n", "a AND b:0.5",
    "\\(", "\U0001f30a", "word", "#", "{a|b}", "שלום", "\n", "-", "B",
    "<sd_cpp_extra_args>{}</sd_cpp_extra_args>",
]  # fmt: skip
words = st.one_of(
    st.lists(st.sampled_from(SYNTAX), min_size=1, max_size=6).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
)
fragments = st.lists(st.tuples(words, st.sampled_from([1.0, 1.1, 1.4, 1.6])), max_size=5)


def characters(fragments) -> list[tuple[str, float]]:
    """Each character with its weight, the fragments a space apart."""
    spaced = [(" ", 1.0)] * bool(fragments)
    return [pair for text, weight in fragments for pair in [*spaced, *((c, weight) for c in text)]][
        1:
    ]


@given(fragments)
@example([("a:", 1.0), ("2", 1.0)])
@example([("a:", 1.4), ("2", 1.0)])
@example([("AND", 1.0), ("BREAK", 1.4), ("<lora:x:1>", 1.0), ("a:2", 1.0)])
@example([("[a|b]", 1.0), ("[from:to:8]", 1.4), ("(a:1.4)\r\nBREAK", 1.0), ("\\", 1.4)])
@example([])
def test_every_word_arrives_as_it_is_with_its_weight(fragments):
    written = write_prompt(Prompt(tuple(fragments)))
    assert parse_automatic(written) == (characters(fragments) or [(" ", 1.0)])


def essence(pairs) -> list[tuple[str, float]]:
    """Without what the plain dialect cannot keep: spaces, case, its brackets and backslashes."""
    return [(c.lower(), w) for c, w in pairs if not c.isspace() and c not in "\\[)"]


@given(fragments)
@example([("(a:2)", 1.0), ("BREAK", 1.4), ("\\(", 1.4), ("a)b", 1.4)])
@example([("<sd_cpp_extra_args>{}</sd_cpp_extra_args>", 1.0)])
def test_the_plain_dialect_keeps_all_but_spaces_case_and_some_brackets(fragments):
    written = write_plain_prompt(Prompt(tuple(fragments)))
    assert essence(parse_plain(written)) == essence(characters(fragments))


@pytest.mark.parametrize(
    "text", ["<lora:x:1>", "a AND b", "a BREAK b", "[a]", "(a", "a:2", "a(b:2"]
)
def test_the_parser_of_these_tests_reads_syntax(text):
    with pytest.raises(SyntaxReadError):
        parse_automatic(text)


def test_a_weight_is_written_as_servers_read_it():
    prompt = Prompt((("sea", 1.4), ("(sky)", 1.0)))
    assert write_prompt(prompt) == r"(sea:1.4000) \(sky\)"
