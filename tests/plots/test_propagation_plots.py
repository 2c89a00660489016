"""One change in pictures: before, after, difference, and its influence below them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from figures import canvas, texts
from painted import PaintedGenerator
from PIL import Image

from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.experiments.interventions import (
    Change,
    Insert,
    Intervention,
    Remove,
    Replace,
    ReplaceFrame,
    intervene,
)
from flopslab.plots import propagation as plots
from flopslab.progress import NullProgress
from flopslab.runs.reader import open_run

pytestmark = pytest.mark.slow


def intervention_of(study: Study, change: Change) -> Intervention:
    return intervene(study, change, PaintedGenerator(), NullProgress())


@pytest.fixture
def intervention(study: Study) -> Intervention:
    """Words reach 1 position in pass 1 and 3 in pass 2: positions 4 to 10."""
    return intervention_of(study, Replace(7, "comet"))


def test_three_rows_show_the_last_pass_before_and_after(intervention):
    sheet = plots.before_after(intervention)
    assert {"before", "after", "difference", "7 → comet", "4 ocean"} <= set(texts(sheet))
    frame = open_run(intervention.directory).image(FrameKey(2, 4))
    part = canvas(sheet)[frame.height + 1 : 2 * frame.height + 1, : frame.width]
    assert (part == np.asarray(frame)).all()


def test_the_positions_are_those_of_the_cone_with_the_changed_one_among_them(intervention):
    assert plots.cone_positions(intervention, 12) == [4, 5, 6, 7, 8, 9, 10]
    assert plots.cone_positions(intervention, 12, margin=1) == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert plots.cone_positions(intervention, 12, margin=50) == [*range(1, 13)]
    assert plots.cone_positions(intervention, 4) == [4, 7, 10]


@pytest.mark.parametrize("most", range(2, 9))
def test_there_are_never_more_columns_than_asked_for(intervention, most):
    positions = plots.cone_positions(intervention, most)
    assert len(positions) <= most and 7 in positions


def test_the_story_has_a_line_for_each_pass_as_far_as_it_reaches(intervention):
    story = plots.propagation_story(intervention)
    pictures, curves = story.axes
    assert pictures.get_xlim() == curves.get_xlim()
    lines = [np.asarray(line.get_xdata()).tolist() for line in curves.lines]
    assert lines == [[3, 4, 5], [1, 2, 3, 4, 5, 6, 7]]  # columns of positions 3 to 11
    labels = texts(story)
    assert labels.count("not one bit differs") == 2
    assert "One word is changed: “light” becomes “comet”." in labels
    assert {"pass 1", "pass 2", "before", "after", "light →\ncomet", "0", "-4", "+4"} <= {*labels}


@pytest.mark.parametrize("position", [1, 12])
def test_a_story_at_an_end_of_the_sequence_draws(study, position):
    labels = texts(plots.propagation_story(intervention_of(study, Replace(position, "comet"))))
    assert labels.count("not one bit differs") == 1


def test_a_change_that_differs_in_no_bit_has_no_story(intervention):
    same = replace(intervention, directory=intervention.base)
    assert texts(plots.before_after(same))
    with pytest.raises(RunError, match="not one bit"):
        plots.propagation_story(same)


def test_every_change_is_told_in_a_sentence(study, tmp_path):
    Image.new("RGB", (12, 8), "red").save(tmp_path / "red.png")
    sentences = {
        Remove(7): "One word falls silent: “light”.",
        Insert(7, "comet"): "One word is changed: “light” is joined by “comet”.",
        ReplaceFrame(7, Path(tmp_path / "red.png")): "One picture is replaced: that of “light”.",
    }
    for change, sentence in sentences.items():
        intervention = intervention_of(study, change)
        assert plots.describe_change(intervention) == sentence
        assert texts(plots.before_after(intervention))
        assert sentence in texts(plots.propagation_story(intervention))


def test_a_change_that_reaches_no_frame_has_no_pictures(study):
    apart = study.replace(frame_interval=6, context_diameter=0, image_context_multiplier=0)
    with pytest.raises(RunError, match=r"pictures that .* can reach"):
        plots.before_after(intervention_of(apart, Replace(3, "comet")))
