"""Prompts: words become text with weights, and are never parsed."""

from hypothesis import given
from hypothesis import strategies as st
from pytest import mark, raises

from flopslab.core.prompts import BASIC_COLOURS, STYLES, Prompt, compose, emphasis
from flopslab.errors import ParameterError
from flopslab.words.sequence import Word

WORDS = (Word("silence", 7), Word("fire", 1), Word("old memory", 3))
texts = st.lists(st.text(min_size=1), min_size=1, max_size=11)


def blue(words):
    return "blue"


def test_simple_is_the_words_joined_by_spaces():
    prompt = compose(WORDS, "simple")
    assert prompt.text == prompt.written == "silence fire old memory"


def test_weighted_gives_each_word_the_emphasis_of_its_size():
    prompt = compose(WORDS, "weighted")
    assert prompt.fragments == (("silence", 1.6), ("fire", 1.0), ("old memory", 1.2))


def test_weighted_sends_no_weights_to_the_encoder_but_writes_them_down():
    prompt = compose(WORDS, "weighted")
    assert prompt.text == "silence fire old memory"
    assert prompt.written == "(silence:1.6) fire (old memory:1.2)"


def test_each_size_adds_a_tenth_of_emphasis():
    assert [emphasis(size) for size in range(1, 8)] == [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]


def test_words_of_size_1_make_the_same_prompt_simple_or_weighted():
    words = (Word("silence"), Word("fire"))
    assert compose(words, "simple") == compose(words, "weighted")


def test_themed_names_the_colour_nearest_to_the_words():
    asked = []
    prompt = compose(WORDS, "themed", nearest_colour=lambda words: asked.append(words) or "pink")
    assert asked == [("silence", "fire", "old memory")]
    assert prompt.text == "pink toned, silence fire old memory, ethereal, dreamlike"
    assert prompt.written == prompt.text


def test_themed_without_a_way_to_find_the_colour_is_refused():
    with raises(ParameterError, match="nearest_colour"):
        compose(WORDS, "themed")


@mark.parametrize("style", ["simple", "weighted", "themed"])
def test_a_silent_word_is_in_no_prompt(style):
    heard, silent = Word("sea", 3), Word("storm", 7, silent=True)
    asked = []
    prompt = compose([silent, heard, silent], style, "oil,", ".", asked.append)
    assert prompt == compose([heard], style, "oil,", ".", lambda words: None)
    assert asked in ([], [("sea",)])


def test_where_all_words_are_silent_the_rest_of_the_prompt_stays():
    silent = [Word("storm", silent=True)]
    assert compose(silent, "weighted", "oil,", ".").text == "oil, ."
    assert compose(silent, "themed", nearest_colour=blue).text == "blue toned, ethereal, dreamlike"


def test_only_themed_asks_for_a_colour():
    for style in ("simple", "weighted"):
        assert compose(WORDS, style, nearest_colour=lambda words: 1 / 0).fragments


@mark.parametrize("style", STYLES)
def test_prefix_and_suffix_stand_around_the_words(style):
    inner = compose(WORDS, style, nearest_colour=blue)
    prompt = compose(WORDS, style, "a painting of", ", in oil", nearest_colour=blue)
    assert prompt.fragments == (("a painting of", 1.0), *inner.fragments, (", in oil", 1.0))


@given(texts, st.sampled_from(["simple", "weighted"]))
def test_every_word_stays_as_it_was_given(words, style):
    prompt = compose([Word(text, 2) for text in words], style)
    assert [text for text, _ in prompt.fragments] == words


@given(texts)
def test_themed_keeps_every_word_as_it_was_given(words):
    prompt = compose([Word(text) for text in words], "themed", nearest_colour=blue)
    assert prompt.text == f"blue toned, {' '.join(words)}, ethereal, dreamlike"


@mark.parametrize("word", ["(fire:1.9)", "[fire]", "fire++", "{a|b}", r"\(", "a AND b", '"', "🔥"])
@mark.parametrize("style", STYLES)
def test_a_word_that_looks_like_syntax_is_a_word(word, style):
    prompt = compose([Word(word)], style, nearest_colour=blue)
    assert word in prompt.text
    assert {weight for _, weight in prompt.fragments} == {1.0}


def test_an_unknown_style_is_refused():
    with raises(ParameterError, match="use one of simple, weighted, themed"):
        compose(WORDS, "wighted")


def test_there_are_eleven_basic_colours():
    assert len(set(BASIC_COLOURS)) == 11


def test_a_prompt_is_a_value():
    assert Prompt((("a", 1.0),)) == Prompt((("a", 1.0),))
    assert len({Prompt((("a", 1.0),)), Prompt((("a", 1.0),)), Prompt((("a", 1.1),))}) == 2
