"""What the viewer says: every word escaped and in its place, weights, facts, errors."""

import pytest

from flopslab.errors import RunError
from flopslab.viewer import html as views
from flopslab.viewer.html import Seen
from flopslab.viewer.snapshot import Album

NASTY = ["<script>alert(1)</script>", '"><img src=x>', "a & b", "'quoted'"]


def test_the_window_is_marked_and_the_centre_most_of_all():
    said = views.words({3: "before", 4: "left", 5: "own", 6: "right"}, range(4, 7), 5)
    assert '<bdi class="outside" title="position 3">before</bdi>' in said
    assert '<bdi class="inside" title="position 4">left</bdi>' in said
    assert '<bdi class="centre" title="position 5">own</bdi>' in said


def test_words_of_another_run_are_shown_where_they_differ():
    said = views.words({4: "sea", 5: "sun"}, range(4, 6), 4, {4: "fire", 5: "sun"})
    assert said.count('class="changed"') == 1
    assert "sea</bdi> → <bdi" in said


@pytest.mark.parametrize("word", NASTY)
def test_no_word_is_markup(word):
    shown = [
        views.words({1: word}, range(1, 2), 1, {1: word + "!"}),
        views.change(1, word),
        views.heading(word, word),
        views.title(word),
        views.caption(word),
        views.note(word),
        views.problem(RunError(word, word, word)),
    ]
    for html in shown:
        assert word not in html
        assert "<script" not in html
        assert "<img" not in html


@pytest.mark.parametrize("word", ["سماء", "שלום", "🌊👩‍🚀", "日本", "e\u0301"])
def test_every_script_is_kept_and_stands_by_itself(word):
    assert f">{word}</bdi>" in views.words({1: word}, range(1, 2), 1)


def test_the_first_pass_looked_at_nothing(paint):
    album = Album(paint().directory)
    assert views.neighbours(album.recipe((1, 5))) == []
    assert "words alone" in views.strip([], 5)


@pytest.mark.parametrize(("method", "ratio"), [("grid", 1), ("blend", 3)])
def test_neighbours_count_by_the_weights_of_the_method(paint, method, ratio):
    album = Album(paint(method=method).directory)
    looked_at = dict(views.neighbours(album.recipe((2, 6))))
    assert list(looked_at) == [4, 5, 6, 7, 8]
    assert sum(looked_at.values()) == pytest.approx(1)
    assert looked_at[6] / looked_at[4] == pytest.approx(ratio)


def test_a_strip_shows_each_neighbour_with_its_weight():
    html = views.strip([Seen(4, 0.25, b"jpeg"), Seen(5, 0.75, None)], 5)
    assert html.count("<figure") == 2
    assert "25.0%" in html
    assert "75.0%" in html
    assert html.index("height:6.7px") < html.index("height:20.0px")
    assert 'class="own" title="position 5"><i></i>' in html  # cannot be read


def test_facts_have_prompt_seed_and_refinement(paint):
    album = Album(paint().directory)
    recipe = album.recipe((2, 5))
    said = views.particulars(recipe)
    assert said["prompt"] == f"{recipe.prompt} (3 tokens)"
    assert said["seed"] == str(recipe.pixels["seed"])
    assert said["neighbours"] == "5 by grid, denoising strength 0.5"
    assert "neighbours" not in views.particulars(album.recipe((1, 5)))
    assert str(recipe.pixels["seed"]) in views.facts(recipe)
    assert recipe.digest in views.whole_recipe(recipe)


def test_an_error_says_what_was_asked_found_and_what_to_do():
    html = views.problem(RunError("the asked", "the found", "the remedy"))
    assert all(part in html for part in ("the asked", "the found", "the remedy"))
    assert "KeyError" in views.problem(KeyError("lost"))
