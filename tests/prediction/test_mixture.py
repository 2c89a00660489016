"""The linear model: shares that sum to one, in the cone, by the weights of the method."""

import numpy as np
import pytest

from flopslab.calibration.curve import Calibration, Curve
from flopslab.core.compositing import METHODS
from flopslab.core.neighbours import CONTROLS
from flopslab.core.study import Study
from flopslab.core.windows import Windowing
from flopslab.experiments import changes
from flopslab.experiments.changes import Remove
from flopslab.experiments.linear_model import predict_influence
from flopslab.prediction.mixture import Mixture
from flopslab.prediction.shares import neighbour_shares, prompt_shares
from flopslab.words.sequence import Word

WORDS = tuple(Word(f"w{number}", 1 + number % 7) for number in range(30))

every_method = pytest.mark.parametrize("method", METHODS)


def curve(places, means) -> Curve:
    return Curve(places, means, means, means)


HALF = curve((0.0, 1.0), (0.5, 0.5))
CALIBRATION = Calibration(
    "simulated",
    kept=curve((0.1, 0.5, 1.0), (0.7, 0.2, 0.05)),
    kept_without_words=HALF,
    likeness=curve((0.0, 1.0), (0.1, 0.6)),
)


def study(**names) -> Study:
    return Study.of(**{"context_diameter": 4, "passes": 3} | names)


@every_method
@pytest.mark.parametrize("control", ["none", "shuffled", "constant", "no_images"])
def test_the_shares_of_a_frame_are_one_whole(method, control):
    found = Mixture(study(method=method, control=control), WORDS).influence()
    assert found.shape == (3, 30, 30)
    assert found.min() >= 0
    assert found.sum(axis=2) == pytest.approx(np.ones((3, 30)))


@every_method
@pytest.mark.parametrize("control", ["none", *CONTROLS])
@pytest.mark.parametrize("asked", [{}, {"frame_interval": 3}, {"boundary": "clamp", "limit": 20}])
def test_exactly_the_frames_of_the_cone_have_a_share(method, control, asked):
    asked = study(method=method, control=control, **asked)
    predicted = predict_influence(asked, WORDS, [2, 13])
    for row, position in enumerate([2, 13]):
        cone = changes.affected_frames(asked, Remove(position), 30)
        for number in (1, 2, 3):
            inside = predicted.positions[predicted.differs[row, number - 1]]
            assert tuple(inside.tolist()) == cone[number]


def test_the_first_pass_is_words_by_their_emphasis():
    words = [Word("a", 1), Word("b", 7), Word("c", 1, silent=True)]
    said = prompt_shares(Windowing(study(context_diameter=2), 3), words)
    assert said[1] == pytest.approx([1.0 / 2.6, 1.6 / 2.6, 0])
    asked = study(context_diameter=2, prompt_style="simple")
    simple = prompt_shares(Windowing(asked, 3), words)
    assert simple[1] == pytest.approx([0.5, 0.5, 0])


def test_neighbours_share_by_their_distance_and_in_a_grid_alike():
    blend = study(method="blend", context_diameter=2, image_context_multiplier=2)
    assert neighbour_shares(Windowing(blend, 30))[9, 7:12] == pytest.approx(
        np.array([1, 2, 3, 2, 1]) / 9
    )
    grid = blend.replace(**{"method": "grid"})
    assert neighbour_shares(Windowing(grid, 30))[9, 7:12] == pytest.approx(np.full(5, 0.2))


def test_a_later_pass_is_a_sum_of_products_of_the_weights():
    asked = study(method="blend", denoising_strength=0.3)
    said = prompt_shares(Windowing(asked, 30), WORDS)
    seen = neighbour_shares(Windowing(asked, 30))
    third = 0.3 * said + 0.7 * 0.3 * seen @ said + 0.7**2 * seen @ seen @ said
    assert Mixture(asked, WORDS).influence()[2] == pytest.approx(third)


def test_a_method_that_looks_at_pictures_shares_by_image_weight():
    asked = study(method="ip_adapter", denoising_strength=0.4, image_weight=0.25, passes=2)
    said = prompt_shares(Windowing(asked, 30), WORDS)
    seen = neighbour_shares(Windowing(asked, 30))
    second = 0.4 * (0.75 * said + 0.25 * seen @ said) + 0.6 * said
    assert Mixture(asked, WORDS).influence()[1] == pytest.approx(second)


def test_a_strength_for_each_pass_is_used_in_its_pass():
    asked = study(denoising_strength=[1.0, 0.5])
    first, second, third = Mixture(asked, WORDS).influence()
    assert second == pytest.approx(first)
    assert not np.allclose(third, first)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_reach_is_the_front_of_the_model(number):
    asked = study(context_diameter=4, image_context_multiplier=2)
    predicted = predict_influence(asked, WORDS, [15])
    inside = predicted.distances[0][predicted.differs[0, number - 1]]
    assert inside.max() == Windowing(asked, 30).reach(number) == [2, 6, 10][number - 1]


@every_method
def test_the_kept_share_is_the_measured_one(method):
    strengths = study(method=method, denoising_strength=[0.1, 0.3])
    mixture = Mixture(strengths, WORDS, CALIBRATION)
    assert [mixture.kept(number) for number in (1, 2, 3, 4)] == pytest.approx([0, 0.7, 0.45, 0.45])
    silent = Mixture(strengths.replace(control="no_text"), WORDS, CALIBRATION)
    assert silent.kept(2) == 0.5


@every_method
def test_a_pass_that_starts_from_noise_keeps_nothing_whatever_was_measured(method):
    asked = study(method=method, denoising_strength=1.0, image_weight=0.0)
    mixture = Mixture(asked, WORDS, CALIBRATION)
    assert mixture.influence()[2] == pytest.approx(mixture.prompts)
    assert mixture.coherence() == pytest.approx([mixture.coherence()[0]] * 3)


@every_method
def test_a_frame_that_looks_at_itself_alone_stays_in_its_words(method):
    asked = study(method=method, image_context_multiplier=0)
    mixture = Mixture(asked, WORDS, CALIBRATION)
    assert mixture.neighbours == pytest.approx(np.eye(30))
    assert mixture.influence()[2] == pytest.approx(mixture.prompts)


def test_the_gain_of_latent_multiplies_what_the_neighbours_share():
    mixture = Mixture(study(method="latent"), WORDS, CALIBRATION)
    blend = Mixture(study(method="blend"), WORDS, CALIBRATION)
    fresh, earlier = mixture.weights(2)
    expected = fresh * mixture.prompts + mixture.gains[1][:, None] * (earlier @ mixture.prompts)
    assert mixture.influence()[1] == pytest.approx(expected)
    assert min(mixture.gains[1]) > 1
    assert blend.gains[1] == pytest.approx(np.ones(30))


@pytest.mark.parametrize("method", ["blend", "latent"])
def test_the_more_is_kept_the_more_alike_neighbours_are(method):
    strengths = [0.5, 0.4, 0.3, 0.2, 0.1]
    studies = [study(method=method, denoising_strength=strength) for strength in strengths]
    last = [Mixture(item, WORDS, CALIBRATION).coherence()[-1] for item in studies]
    assert last == sorted(last)
    assert last[-1] > last[0] + 0.1
