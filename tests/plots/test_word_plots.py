"""The figure of a sequence: a dot for each occurrence, the distances between them, any word."""

from io import BytesIO

import pytest

from flopslab.plots.words import draw_returns


def test_each_occurrence_of_the_most_frequent_words_is_a_dot():
    left, right = draw_returns(["sea", "fire"] * 3 + ["lake"], rows=2).axes
    dots = left.collections[0].get_offsets().tolist()
    assert sorted(dots) == [[1, 0], [2, 1], [3, 0], [4, 1], [5, 0], [6, 1]]
    assert [label.get_text() for label in left.get_yticklabels()] == ["sea", "fire"]
    assert right.get_title() == "cv 0.00, spread 0.86"
    assert sum(bar.get_height() for bar in right.patches) == 4


@pytest.mark.parametrize("texts", [["a"], ["$x$", "$x$", "a^2$"] * 2, ["🔥\n", "שלום", "a" * 200]])
def test_any_words_can_be_drawn(texts):
    file = BytesIO()
    draw_returns(texts).savefig(file, format="png")
    assert file.getvalue()
