"""The probe measures what is there: exact on mixtures, at work on random diffusion models."""

import pytest
from linear import LinearGenerator

from flopslab.calibration.curve import Calibration, Curve
from flopslab.calibration.probe import Probe, PromptForm, windows
from flopslab.core.generator import Capabilities
from flopslab.errors import ModelError, ParameterError

STRENGTHS = (0.1, 0.3, 0.6)


@pytest.mark.parametrize("latents", [True, False], ids=["latents", "pixels"])
def test_the_share_that_survives_is_measured_exactly(latents):
    kept = Probe(LinearGenerator(latents=latents), PromptForm(3), pairs=3).kept(STRENGTHS)
    assert kept.places == (*STRENGTHS, 1.0)
    assert kept.means == pytest.approx([0.81, 0.49, 0.16, 0], abs=0.001 if latents else 0.02)


def test_frames_are_as_alike_as_they_have_words_in_common():
    likeness = Probe(LinearGenerator(), PromptForm(5), pairs=12).likeness()
    assert likeness.places[0] == 0 and likeness.means[0] == pytest.approx(0)
    assert likeness.places[-1] == 1 and list(likeness.means) == sorted(likeness.means)
    assert 0.8 < likeness.means[-1] < 1, "the noise differs"


@pytest.mark.parametrize("count", [1, 3, 5, 11, 16, 101])
@pytest.mark.parametrize("pairs", [3, 6, 12])
def test_a_pair_and_its_prompt_have_no_word_in_common(count, pairs):
    texts = [set(texts) for texts in windows(count, pairs)]
    third = pairs // 3
    for number in range(pairs):
        one, two, three = (texts[(number + shift * third) % pairs] for shift in range(3))
        assert not (one & two or one & three or two & three)
        assert len(one) == min(count, 16)


def test_a_generator_that_starts_from_no_picture_is_refused():
    generator = LinearGenerator()
    generator.capabilities = Capabilities(latents=False, init_image=False)
    with pytest.raises(ParameterError, match="starts from no picture"):
        Probe(generator, PromptForm(1), pairs=3)


def test_frames_that_do_not_depend_on_their_words_are_an_error():
    probe = Probe(LinearGenerator(), PromptForm(1), pairs=3)
    probe._starts = [probe._starts[0]] * len(probe._starts)
    with pytest.raises(ModelError, match="the same picture"):
        probe.kept((0.5,))


def test_a_curve_that_rises_or_is_flat_has_a_problem():
    def problem(means, width=0.01):
        low, high = (tuple(m + s * width for m in means) for s in (-1, 1))
        curve = Curve((0.1, 0.3, 0.6, 1.0), (*means, 0.0), (*low, 0.0), (*high, 0.0))
        return Calibration("key", curve, curve, curve).problem

    assert problem((0.8, 0.5, 0.1)) == ""
    assert "0.50 at 0.3 to 0.70 at 0.6" in problem((0.8, 0.5, 0.7))
    assert problem((0.8, 0.5, 0.52), width=0.05) == "", "within the intervals"
    assert "hardly depends" in problem((0.05, 0.05, 0.05))


@pytest.mark.torch
@pytest.mark.parametrize("family", ["sd", "sdxl", "sd3"])
def test_random_models_of_the_families_have_a_falling_curve_or_it_is_said_why_not(family):
    import generators

    kept = Probe(generators.load_once(family), PromptForm(1), pairs=3).kept((0.05, 0.3, 0.8))
    problem = Calibration("key", kept, kept, kept).problem
    is_falling = kept.means[0] > kept.means[1] > kept.means[2]
    assert is_falling or "denoising_strength" in problem, kept
    assert kept.means[0] == pytest.approx(1, abs=0.2), "most of a start survives a small strength"
