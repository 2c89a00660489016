"""Controls: what each takes away, that no control passes for the real run, and what they show."""

from typing import ClassVar

import numpy as np
import pytest
from painted import PaintedGenerator, files, pixels
from PIL import Image

from flopslab.core import neighbours
from flopslab.core.compositing import METHODS
from flopslab.core.neighbours import CONTROLS
from flopslab.core.plan import Plan
from flopslab.core.windows import FrameKey
from flopslab.errors import ParameterError, RunError
from flopslab.experiments import influence, interventions
from flopslab.experiments.interventions import Replace
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.reports.inspection import inspect_frame
from flopslab.runs.reader import open_run
from flopslab.words.sequence import read_sequence

pytestmark = pytest.mark.slow

every_control = pytest.mark.parametrize("control", CONTROLS)


def planned(study, control, number=2):
    words = read_sequence(study.sequence)
    return Plan(study.replace(control=control), words, PaintedGenerator()).frames(number)


def test_frames_from_elsewhere_are_drawn_for_each_frame_and_the_same_for_one_seed():
    frames = range(1, 60, 3)
    drawn = neighbours.random_frames(7, 6, frames, seed=7)
    assert len(set(drawn)) == 6 and set(drawn) <= set(frames)
    assert drawn == neighbours.random_frames(7, 6, frames, 7) == (46, 28, 16, 4, 31, 25)
    assert set(neighbours.random_frames(7, len(frames), frames, 7)) == set(frames)
    others = {neighbours.random_frames(*one) for one in [(10, 6, frames, 7), (7, 6, frames, 8)]}
    assert len(others | {drawn}) == 3


def test_a_draw_costs_as_many_steps_as_it_has_frames():
    assert len(neighbours.random_frames(7, 21, range(1, 10**9), seed=0)) == 21


def test_frames_from_elsewhere_are_no_nearer_than_by_chance():
    frames = range(1, 701)
    away = [abs(p - q) for p in frames[300:400] for q in neighbours.random_frames(p, 9, frames, 0)]
    assert np.mean(away) == pytest.approx(700 / 4, rel=0.1)


def test_shuffled_neighbours_come_from_elsewhere_and_the_own_frame_stays(study):
    for frame in planned(study, "shuffled"):
        own, count = frame.key.position, len(frame.inputs)
        drawn = neighbours.random_frames(own, count, range(1, 13), study.seed)
        for entry, stranger in zip(frame.inputs, drawn, strict=True):
            assert entry.source == (own if entry.position == own else stranger)


def test_a_constant_neighbour_is_the_first_frame(study):
    for frame in planned(study, "constant"):
        own = frame.key.position
        assert all(e.source == (own if e.position == own else 1) for e in frame.inputs)


def test_without_images_nothing_is_looked_at_and_without_text_nothing_is_said(study):
    assert all(not frame.inputs and frame.prompt.fragments for frame in planned(study, "no_images"))
    assert all(frame.inputs and not frame.prompt.fragments for frame in planned(study, "no_text"))


def test_without_images_no_colour_comes_from_one_either(paint, tmp_path):
    plain = paint(control="no_images")
    asked = {"colour_anchor": 1.0, "output_dir": str(tmp_path / "anchored")}
    assert pixels(paint(control="no_images", **asked).directory) == pixels(plain.directory)


@every_control
def test_the_first_pass_knows_no_control(study, control):
    assert planned(study, control, 1) == planned(study, "none", 1)


@pytest.mark.parametrize("method", METHODS)
@every_control
def test_a_frame_starts_from_what_its_recipe_says(paint, control, method):
    asked = {"control": control, "method": method, "passes": 2}
    directory = paint(**asked).directory
    found = open_run(directory)
    for position in found.positions:
        recipe = found.recipe(FrameKey(2, position))
        shown = [found.recipe(FrameKey(1, p)).digest for p in recipe.sources]
        assert [entry["digest"] for entry in recipe.pixels["inputs"]] == shown


@every_control
def test_a_control_is_never_taken_for_the_real_run(paint, tmp_path, control):
    real = paint()
    before = files(real.directory)
    with pytest.raises(RunError, match=f"control = '{control}'"):
        paint(control=control)
    assert files(real.directory) == before
    wrong = paint(control=control, output_dir=str(tmp_path / "c"), reuse_from=real.directory)
    assert [(each.made, each.copied) for each in wrong.passes] == [(0, 12), (12, 0)]
    with pytest.raises(RunError, match="control = 'none'"):
        paint(output_dir=str(tmp_path / "c"))


@every_control
def test_what_a_control_leaves_of_a_wave_is_its_cone(study, control):
    asked = study.replace(**{"control": control, "passes": 3})
    found = interventions.intervene(asked, Replace(6, "comet"), PaintedGenerator(), NullProgress())
    measured = influence.influence([found])
    for number, differs in enumerate(measured.differs[0], 1):
        assert set(measured.positions[differs]) <= set(found.cone[number])
    assert found.computed == {number: len(cone) for number, cone in found.cone.items()}


# What they must show


def front(study, control):
    own = {"control": control, "passes": 3, "output_dir": f"{study.output_dir}-{control}"}
    asked = study.replace(**own)
    found = interventions.intervene(asked, Replace(6, "comet"), PaintedGenerator(), NullProgress())
    return influence.front(influence.influence([found]))[0].tolist()


def test_a_word_travels_by_pictures_in_order_and_by_nothing_else(study):
    assert front(study, "none") == [1, 3, 5]
    assert front(study, "no_text") == [1, 3, 5]
    assert front(study, "no_images") == front(study, "constant") == [1, 1, 1]


def test_shuffled_neighbours_have_no_front(study):
    measured = front(study, "shuffled")
    assert measured[0] == 1 and measured[1] > 3


def test_another_seed_alone_changes_everything_with_no_front(study, tmp_path):
    changed = {"seed": 1, "output_dir": str(tmp_path / "seed")}
    runs = [
        run(each, PaintedGenerator(), NullProgress()).directory
        for each in (study, study.replace(**changed))
    ]
    found = influence.placeless_influence([(runs[0], runs[1])], centres=[6])
    assert found.differs.all()
    near, far = (
        influence.mean_within(found, where) for where in (found.distances <= 2, found.distances > 2)
    )
    assert near == pytest.approx(far, rel=0.1)


def test_a_control_has_pictures_of_its_own(paint, tmp_path):
    names = ("none", *CONTROLS)
    last = [pixels(paint(control=n, output_dir=str(tmp_path / n)).directory) for n in names]
    key = "pass2/frame_000006.png"
    assert len({each[key] for each in last}) == len(names)
    assert len({each["pass1/frame_000006.png"] for each in last}) == 1


def test_a_picture_from_outside_must_have_a_place(study):
    picture = {13: Image.effect_noise((12, 8), 9)}
    with pytest.raises(ParameterError, match="no frame at \\[13\\]"):
        run(study, PaintedGenerator(), NullProgress(), external_frames=picture)


@pytest.mark.parametrize("method", METHODS)
@every_control
def test_the_context_that_an_inspection_composes_is_the_one_that_was_given(paint, control, method):
    class Recording(PaintedGenerator):
        asked: ClassVar[dict] = {}

        def generate_with_latents(self, requests, strength=1.0):
            self.asked.update((request.seed, request.context) for request in requests)
            return super().generate_with_latents(requests, strength)

    study = paint(Recording(), control=control, method=method).study
    for position in (1, 6, 12):
        seen = inspect_frame(study, position)
        asked = Recording.asked[seen.seed]
        for one, other in [(seen.context.init, asked.init), (seen.context.latents, asked.latents)]:
            assert (one is None) == (other is None)
            assert one is None or one.tobytes() == other.tobytes()
        images = [[image.tobytes() for image, _ in c.references] for c in (seen.context, asked)]
        assert images[0] == images[1]
