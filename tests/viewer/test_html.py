"""What the viewer says: every word escaped and in its place, weights, facts, errors."""

from dataclasses import replace

import pytest

from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.runs.provenance import Recipe
from flopslab.viewer import html
from flopslab.viewer.html import NeighbourView
from flopslab.viewer.snapshot import RunSnapshot
from flopslab.words.sequence import Word

MARKUP = ["<script>alert(1)</script>", '"><img src=x>', "a & b", "'quoted'"]


@pytest.fixture
def snapshot(paint) -> RunSnapshot:
    return RunSnapshot(paint().directory)


@pytest.fixture
def recipe(snapshot) -> Recipe:
    """Of position 5 in pass 2; its words are those at 4 to 6."""
    return snapshot.recipe(FrameKey(2, 5))


def words(*texts: str, start: int = 4) -> dict[int, Word]:
    return {position: Word(text) for position, text in enumerate(texts, start)}


def test_the_window_is_marked_and_the_centre_most_of_all(recipe):
    text = html.words(recipe, words("before", "left", "own", "right", start=3))
    assert '<bdi class="outside" title="position 3">before</bdi>' in text
    assert '<bdi class="inside" title="position 4">left</bdi>' in text
    assert '<bdi class="centre" title="position 5">own</bdi>' in text


def test_words_of_another_run_are_shown_where_they_differ(recipe):
    text = html.words(recipe, words("sea", "sun", "sky"), words("fire", "sun", "sky"))
    assert text.count('class="variant"') == 1
    assert 'sea</bdi> → <bdi class="variant">fire' in text


def test_a_word_that_another_run_silences_is_shown_as_silent(recipe):
    variant = words("sea", "sun") | {6: Word("sky", silent=True)}
    text = html.words(recipe, words("sea", "sun", "sky"), variant)
    assert 'sky</bdi> → <bdi class="variant silent">sky' in text


def test_words_that_are_not_known_yet_are_left_out_and_counted(recipe):
    text = html.words(recipe, words("sea", start=4))
    assert 'title="position 4">sea</bdi>' in text and "position 5" not in text
    assert f"silent words of the window: {len(recipe.window) - 1}" in text


@pytest.mark.parametrize("word", MARKUP)
def test_no_word_is_markup(recipe, word):
    texts = [
        html.words(recipe, words(word, word, word), words(word + "!", word, word)),
        html.words(replace(recipe, words=[word]), {}),
        html.question(1, Word(word)),
        html.heading(word, word),
        html.title(word),
        html.caption(word),
        html.note(word),
        html.problem(RunError(word, word, word)),
        html.table(html.facts(recipe, word)),
        html.whole_recipe(replace(recipe, prompt=word)),
    ]
    for text in texts:
        assert word not in text
        assert "<script" not in text
        assert "<img" not in text


@pytest.mark.parametrize("word", ["سماء", "שלום", "🌊👩‍🚀", "日本", "e\u0301"])
def test_every_script_is_kept_and_stands_by_itself(recipe, word):
    assert f">{word}</bdi>" in html.words(recipe, words(word, word, word))


def test_a_frame_may_have_looked_at_nothing():
    assert "words alone" in html.strip([], FrameKey(1, 5))
    assert "no other frame" in html.strip([], FrameKey(2, 5))


def test_a_strip_shows_each_neighbour_with_its_weight():
    views = [NeighbourView(4, 0.25, "data:,x"), NeighbourView(5, 0.75)]
    text = html.strip(views, FrameKey(2, 5))
    assert text.count("<figure") == 2
    assert "25.0%" in text
    assert "75.0%" in text
    assert text.index("height:6.7px") < text.index("height:20.0px")
    assert 'class="own" data-position="5" title="position 5"><i></i>' in text  # cannot be read


def test_facts_have_prompt_seed_and_refinement(snapshot, recipe):
    facts = html.facts(recipe)
    assert facts["prompt"] == f"{recipe.prompt} (3 tokens)"
    assert facts["seed"] == str(recipe.pixels["seed"])
    assert facts["neighbours"] == "5 by grid, denoising strength 0.5"
    assert "neighbours" not in html.facts(snapshot.recipe(FrameKey(1, 5)))
    assert str(recipe.pixels["seed"]) in html.table(facts)
    assert recipe.digest in html.whole_recipe(recipe)


def test_facts_name_the_run_where_there_are_two(recipe):
    assert "run" not in html.facts(recipe)
    assert html.facts(recipe, "demo (base)")["run"] == "demo (base)"


def test_an_error_has_its_three_parts():
    text = html.problem(RunError("the expected", "the actual", "the hint"))
    assert all(part in text for part in ("the expected", "the actual", "the hint"))
    assert "KeyError" in html.problem(KeyError("lost"))
