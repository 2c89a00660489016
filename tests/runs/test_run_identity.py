"""A run directory belongs to the parameters that its pictures were made with."""

import re
from unittest import mock

import pytest
from painted import WORDS, PaintedGenerator, files, write_words

from flopslab.errors import FlopslabWarning, RunError
from flopslab.passes import run
from flopslab.progress import NullProgress


@pytest.mark.parametrize(
    "change",
    [
        {"frame_interval": 2},
        {"context_diameter": 4},
        {"prompt_style": "simple"},
        {"boundary": "clamp"},
        {"seed": 1},
        {"method": "blend"},
        {"denoising_strength": 0.75},
        {"image_context_multiplier": 1},
        {"colour_anchor": 0.5},
        {"detail": 0.5},
        {"seed_policy": "fixed"},
        {"passes": 1, "denoising_strength": 0.75},
    ],
    ids=str,
)
def test_other_parameters_are_refused_and_change_nothing(paint, change):
    run = paint()
    before = files(run.directory)
    with pytest.raises(RunError) as caught:
        paint(**change)
    name, value = list(change.items())[-1]
    assert f"{name} = {value!r}" in caught.value.expected
    assert f"{name} = " in caught.value.actual and f"{value!r}" not in caught.value.actual
    assert re.search(r"\d+ of \d+ frames would be made again", caught.value.hint)
    assert files(run.directory) == before


def test_a_run_of_another_algorithm_is_refused_and_changes_nothing(paint, monkeypatch):
    """The same recipe would give other pixels: a run does not mix them."""
    with monkeypatch.context() as patch:
        patch.setattr("flopslab.runs.provenance.ALGORITHM", 1)
        run = paint(limit=6)
    before = files(run.directory)
    with pytest.raises(RunError, match=r"algorithm = 3.*\n.*algorithm = 1"):
        paint()
    assert files(run.directory) == before


def test_another_sequence_or_model_is_refused_and_changes_nothing(paint, tmp_path):
    run = paint()
    before = files(run.directory)
    with pytest.raises(RunError, match="sequence = "):
        paint(sequence=write_words(tmp_path / "other.json", [*WORDS[:-1], "comet"]))
    with pytest.raises(RunError, match="model_digest = "):
        paint(PaintedGenerator(model_digest="0" * 64))
    with pytest.raises(RunError, match=r"guidance_stop = 0.5.*\n.*guidance_stop = 1.0"):
        paint(PaintedGenerator(guidance_stop=0.5))
    with pytest.raises(RunError, match=r"steps = 5.*\n.*steps = 4"):
        paint(PaintedGenerator(steps=5))
    assert files(run.directory) == before


@pytest.mark.parametrize(
    ("change", "cost"),
    [
        ({"seed": 1}, "24 of 24"),
        ({"denoising_strength": 0.75}, "12 of 24"),  # the first pass would stay
        ({"limit": 4, "method": "blend"}, "4 of 8"),
        ({"sequence": "one word"}, "10 of 24"),  # its cone
    ],
    ids=str,
)
def test_a_refusal_says_what_the_parameters_would_cost(paint, tmp_path, change, cost):
    paint()
    if "sequence" in change:
        words = write_words(
            tmp_path / "other.json", ["comet" if w == "river" else w for w in WORDS]
        )
        change = {"sequence": words}
    with pytest.raises(RunError) as caught:
        paint(**change)
    assert f"{cost} frames would be made again" in caught.value.hint
    after = paint(**change, output_dir=str(tmp_path / "new"), reuse_from=tmp_path / "run")

    assert cost.startswith(f"{sum(done.made for done in after.passes)} of")


@pytest.mark.parametrize(
    "change",
    [{"distance_weights": [1.0, 0.5]}, {"image_weight": 0.75}, {"colour_match": "histogram"}],
    ids=str,
)
def test_a_parameter_that_has_a_meaning_belongs_to_the_run(paint, change):
    given = {"method": "ip_adapter", "colour_anchor": 0.5}
    paint(**given)
    with pytest.raises(RunError, match=next(iter(change))):
        paint(**given | change)


def test_a_parameter_that_has_none_does_not(paint):
    paint()
    changed = {"distance_weights": "flat", "image_weight": 0.75, "colour_match": "histogram"}
    with pytest.warns(FlopslabWarning, match="changes nothing"):
        assert [done.made for done in paint(**changed).passes] == [0, 0]


@pytest.mark.parametrize("method", ["blend", "latent", "ip_adapter"])
def test_pass_one_alone_can_be_refined_by_each_method(paint, method):
    paint(passes=1)
    assert paint(method=method).passes[1].made == 12


def test_pass_one_alone_can_be_refined_in_any_way(paint):
    paint(passes=1)
    run = paint(passes=2, method="blend", denoising_strength=0.75)
    assert [(done.made, done.kept) for done in run.passes] == [(0, 12), (12, 0)]


def test_the_batch_size_of_a_run_stays_what_it_was_first(paint, study):
    paint(PaintedGenerator(batch_size=4), limit=4)
    load = "flopslab.execution.generators.load_generator"
    with mock.patch(load, side_effect=lambda _, size: PaintedGenerator(size)) as loaded:
        run(study, progress=NullProgress())
    assert loaded.call_args.args == (study, 4)
    with pytest.raises(RunError, match=r"batch_size = 2.*\n.*batch_size = 4"):
        paint(PaintedGenerator(batch_size=2))


def test_another_method_on_the_same_directory_is_answered_with_how_to_keep_the_first_pass(paint):
    run = paint(method="grid")
    with pytest.raises(RunError, match="reuse_from = ") as caught:
        paint(method="blend")
    assert repr(str(run.directory)) in caught.value.hint
    with pytest.raises(RunError) as caught:
        paint(seed=3)
    assert "reuse_from" not in caught.value.hint


def test_a_first_pass_without_latents_is_no_reason_to_reuse_it_for_a_method_that_needs_them(paint):
    paint(method="grid")
    with pytest.raises(RunError, match=r"method = 'latent'\n.*method = 'grid'") as caught:
        paint(method="")  # what a study means that says nothing, and what the directory has
    assert "24 of 24 frames would be made again" in caught.value.hint
    assert "reuse_from" not in caught.value.hint


def test_the_same_first_pass_is_copied_for_another_method(paint, tmp_path):
    first = paint(method="grid")
    other = paint(method="blend", output_dir=str(tmp_path / "b"), reuse_from=first.directory)
    assert [(done.made, done.copied) for done in other.passes] == [(0, 12), (12, 0)]
    assert str(other.passes[0]) == "pass 1: 12 copied"
