"""How alike pictures are: the covariances of the model against a field that is drawn."""

import numpy as np
import pytest

from flopslab.core.compositing import mean_latents
from flopslab.prediction.correlations import Field, centred, lag, variance_gain

FRAMES, PLACES = 12, 4000
NEIGHBOURS = np.array([[1 / (1 + abs(i - j)) for j in range(FRAMES)] for i in range(FRAMES)])
NEIGHBOURS /= NEIGHBOURS.sum(axis=1, keepdims=True)
LIKENESS = np.array([[0.6 * 0.8 ** abs(i - j) for j in range(FRAMES)] for i in range(FRAMES)])


class Painter:
    """Pictures [frames, places] of unit variance, whose words explain what `LIKENESS` says."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        root = np.linalg.cholesky(LIKENESS)
        self._words = root @ self._random.standard_normal((FRAMES, PLACES))

    def draw(self) -> np.ndarray:
        noise = self._random.standard_normal((FRAMES, PLACES))
        return self._words + np.sqrt(1 - np.diag(LIKENESS))[:, None] * noise


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("kept", [0.2, 0.6, 0.9])
def test_a_field_that_is_drawn_is_as_alike_as_predicted(kept, fixed):
    painter, field = Painter(), Field(LIKENESS, fixed)
    first = frames = painter.draw()
    for _ in range(3):
        frames = (1 - kept) * (first if fixed else painter.draw()) + kept * NEIGHBOURS @ frames
        field = field.mix(1 - kept, kept * NEIGHBOURS)
        assert lag(field.covariance, 1) == pytest.approx(lag(np.cov(frames), 1), abs=0.02)


def test_montages_of_a_field_that_is_drawn_are_as_alike_as_predicted():
    painter, half = Painter(), PLACES // 2
    tiles = [[max(row - 1, 0), min(row + 1, FRAMES - 1)] for row in range(FRAMES)]
    frames = painter.draw()
    starts = np.stack([np.hstack([frames[a, ::2], frames[b, ::2]]) for a, b in tiles])
    field = Field(LIKENESS).tile(0.3, 0.7, tiles)
    expected = 0.09 * Field(LIKENESS).draw + 0.49 * np.corrcoef(starts)
    assert lag(field.covariance, 1) == pytest.approx(lag(expected, 1), abs=0.03)
    assert starts.shape == (FRAMES, 2 * half)


def test_montages_of_different_layouts_have_nothing_in_common():
    tiles = [[0, 1, 2, 3]] * 6 + [[0, 1, 2, 3, 4]] * 6
    covariance = Field(LIKENESS).tile(0.0, 1.0, tiles).covariance
    assert (covariance[:6, 6:] == 0).all()
    assert (covariance[:6, :6] > 0.9).all()


def test_the_gain_is_that_of_the_latents():
    weights, random = NEIGHBOURS[5], np.random.default_rng(1)
    shared, own = random.standard_normal((2, FRAMES, 1, 60, 60))
    stack = np.sqrt(0.3) * shared[:1] + np.sqrt(0.7) * own
    covariance = np.full((FRAMES, FRAMES), 0.3) + 0.7 * np.eye(FRAMES)
    mean = (weights[:, None, None, None] * stack).sum(axis=0)
    gain = mean_latents(list(stack.astype(np.float32)), list(weights)).std() / mean.std()
    assert variance_gain(NEIGHBOURS, covariance)[5] == pytest.approx(gain, rel=0.02)


def test_the_gain_is_at_most_that_of_independent_frames_and_none_for_equal_ones():
    most = 1 / np.sqrt(np.square(NEIGHBOURS).sum(axis=1))
    assert variance_gain(NEIGHBOURS, np.eye(FRAMES)) == pytest.approx(most)
    assert variance_gain(NEIGHBOURS, np.ones((FRAMES, FRAMES))) == pytest.approx(np.ones(FRAMES))


def test_a_single_frame_has_no_neighbour_to_be_like():
    assert np.isnan(lag(np.ones((1, 1)), 1))


def test_what_all_frames_share_drops_out():
    painter = Painter()
    frames = painter.draw() + 3 * np.linspace(-1, 1, PLACES)
    measured = np.cov(frames - frames.mean(axis=0))
    predicted = centred(Field(LIKENESS).covariance)
    assert lag(predicted, 1) == pytest.approx(lag(measured, 1), abs=0.02)
    assert centred(LIKENESS + 5) == pytest.approx(centred(LIKENESS))
