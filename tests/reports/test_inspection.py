"""Prompts as they act: what a frame was really made from."""

import json

import pytest
from painted import PaintedGenerator

from flopslab.core.neighbours import weights_by_distance
from flopslab.core.refinement import Input
from flopslab.errors import RunError
from flopslab.reports.inspection import inspect_frame

HEAVY = [{"word": "silence", "font_size": 7}, {"word": "(fire:1.4)"}, {"word": "sea"}]


class Recording(PaintedGenerator):
    def generate_with_latents(self, requests, strength=1.0):
        self.asked = {**getattr(self, "asked", {}), **{r.seed: r for r in requests}}
        return super().generate_with_latents(requests, strength)


@pytest.fixture
def heavy(tmp_path):
    path = tmp_path / "heavy.json"
    path.write_text(json.dumps({"sequence": HEAVY}))
    return str(path)


def test_words_act_with_their_weights_and_all_their_tokens(paint, heavy):
    run = paint(sequence=heavy, passes=1, prompt_suffix="oil")
    seen = inspect_frame(run.study, 2)
    assert seen.words == (("silence", 1.6), ("(fire:1.4)", 1.0), ("sea", 1.0), ("oil", 1.0))
    assert seen.tokens == 4, "the generator's count of this prompt"
    assert seen.inputs == () and seen.refinement == {} and seen.context.init is None


@pytest.mark.parametrize("method", ["grid", "blend", "latent", "ip_adapter"])
def test_a_context_is_the_one_that_the_generator_was_given(paint, method):
    generator = Recording()
    given = {"method": method, "passes": 3, "colour_anchor": 0.5, "detail": 0.3}
    study = paint(generator, **given, denoising_strength=[0.75, 0.5]).study
    seen = inspect_frame(study, 5)
    shares = weights_by_distance("flat" if method == "grid" else "triangle", range(-2, 3))
    assert seen.inputs == tuple(map(Input, range(3, 8), range(3, 8), shares))
    assert seen.refinement["denoising_strength"] == 0.5
    asked = generator.asked[seen.seed].context
    for name in ("init", "latents"):
        one, other = getattr(seen.context, name), getattr(asked, name)
        assert (one is None) == (other is None)
        assert one is None or one.tobytes() == other.tobytes()
    looked_at = [[image.tobytes() for image, _ in c.references] for c in (seen.context, asked)]
    assert looked_at[0] == looked_at[1]


def test_an_earlier_pass_can_be_inspected_too(paint):
    study = paint().study
    assert inspect_frame(study, 5, 1).inputs == ()
    assert inspect_frame(study, 5, 2).inputs == inspect_frame(study, 5).inputs != ()


def test_it_reads_as_a_table(paint, heavy):
    study = paint(sequence=heavy, image_context_multiplier=1).study
    text = str(inspect_frame(study, 2))
    for line in ("position 2 in pass 2", "1.60  silence", "1.00  (fire:1.4)", "3 tokens",
                 "0.333  position 3", "method grid"):  # fmt: skip
        assert line in text
    assert "none" in str(inspect_frame(study, 2, 1))


def test_a_frame_that_is_not_there_is_an_error(paint):
    study = paint(limit=3).study
    with pytest.raises(RunError, match="frame_000009"):
        inspect_frame(study, 9)
