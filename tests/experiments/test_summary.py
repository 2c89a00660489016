"""Findings: numbers of an experiment, and sentences that follow them."""

import numpy as np
import pytest

from flopslab.experiments import summary
from flopslab.experiments.decomposition import Decomposition
from flopslab.experiments.influence import Influence
from flopslab.experiments.transport import Transport

pytestmark = pytest.mark.slow

RANDOM = np.random.default_rng(0)


def decaying(half: float, count: int = 8, noise: float = 0.0) -> Influence:
    """Changes in the middle of 21 frames: one pass within 1 position, one that decays up to 5."""
    away = np.abs(np.arange(21) - 10)
    rows = np.stack([away <= 1, (away <= 5) * 2.0 ** (-away / half)]).astype(float)
    values = rows * (1 + noise * np.random.default_rng(1).standard_normal((count, 2, 21)))
    return Influence(np.full(count, 11), np.arange(1, 22), values, values != 0)


def test_the_findings_of_a_decay_are_its_own():
    found = summary.summarise_passes(decaying(2), decaying(2), 1, RANDOM)
    first, second = found
    assert first.fronts == (1,) * 8 and second.fronts == (5,) * 8
    assert first.share == (0, 0, 0) and first.predicted_share == 0
    away = 2.0 ** (-np.arange(6) / 2)
    expected = 2 * away[2:].sum() / (1 + 2 * away[1:].sum())
    assert second.share == pytest.approx((expected,) * 3)
    assert second.half_life == second.predicted_half_life == pytest.approx(2)
    assert second.agreement == pytest.approx(1)
    assert "front 5 predicted, 5 measured; share" in str(second)
    assert str(first).startswith("pass 1: front 1 predicted, 1 measured; r = ")


def test_every_front_is_held_against_its_own_prediction():
    measured = decaying(2, count=2)
    measured.values[1, 1, :10] = measured.differs[1, 1, :10] = 0
    measured.values[1, 1, 13:] = measured.differs[1, 1, 13:] = 0  # at an end, a window is elsewhere
    _, second = summary.summarise_passes(measured, measured, 1, RANDOM)
    assert second.fronts == second.predicted_fronts == (5, 2)
    assert "front 2 to 5 predicted, 2 to 5 measured" in str(second)


def test_the_interval_of_a_share_is_over_changes():
    _, second = summary.summarise_passes(decaying(2, noise=0.2), decaying(2), 1, RANDOM)
    mean, low, high = second.share
    assert low < mean < high < low + 0.1


def test_near_is_where_pictures_bring_a_word_and_far_is_out_of_reach():
    near, far = summary.inside_outside_front(decaying(2), decaying(2), RANDOM)
    assert near == pytest.approx((2.0 ** (-np.arange(2, 6) / 2)).mean().repeat(3))
    assert far == (0, 0, 0)
    everywhere = decaying(2)
    everywhere.differs[:, 1] = True
    _, nowhere = summary.inside_outside_front(decaying(2), everywhere, RANDOM)
    assert np.isnan(nowhere).all()


def test_a_frame_whose_own_words_change_is_neither_near_nor_far_wherever_it_stands():
    wide, measured = decaying(2), decaying(2)
    wide.differs[:, 0, 13] = True  # a window that was moved inward reads it from afar
    measured.values[:, 1, 13] = 100
    near, far = summary.inside_outside_front(measured, wide, RANDOM)
    assert near[0] < 1 and far == (0, 0, 0)


def said(near, count=8, measured=2.0) -> str:
    found = summary.summarise_passes(decaying(measured), decaying(2), 1, RANDOM)
    return " ".join(summary.describe_propagation(found, {"none": (0.4, 0.3, 0.5)} | near, count))


def test_the_sentences_follow_the_numbers():
    text = said({"constant": (0, 0, 0), "shuffled": (0.2, 0.1, 0.25), "no_text": (0.4, 0.2, 0.6)})
    assert "in 16 of 16 cases" in text
    assert "halved every 2.0 positions; the weights predict 2.0" in text
    assert "Under constant, not one bit changed" in text
    assert (
        "Under shuffled, influence there was 0.50 times the real; the intervals are apart" in text
    )
    assert (
        "Under no text, influence there was 1.00 times the real; the intervals are not apart"
        in text
    )


def test_a_wave_that_is_not_as_predicted_is_said_to_be_so():
    short = decaying(3)
    short.values[:, 1, [5, 15]] = short.differs[:, 1, [5, 15]] = 0
    found = summary.summarise_passes(short, decaying(2), 1, RANDOM)
    text = " ".join(summary.describe_propagation(found, {"none": (0.4, 0.3, 0.5)}))
    assert "in 8 of 16 cases" in text
    assert "halved every 3.0 positions; the weights predict 2.0" in text


def test_nothing_is_compared_with_a_wave_that_is_not_there():
    assert "the real had none" in said({"none": (0, 0, 0), "seed": (0.2, 0.1, 0.3)})
    nowhere = (np.nan,) * 3
    assert "Under seed, no frame is so placed" in said({"seed": nowhere})
    text = said({"none": nowhere, "seed": nowhere})
    assert text.endswith("No frame is so placed that pictures alone could bring it a word.")
    assert "nan" not in text


def test_few_changes_tell_nothing_apart():
    text = said({"shuffled": (0.2, 0.1, 0.25)}, count=2)
    assert "2 of the changes are too few to tell them apart" in text and "intervals" not in text


# Whether it is the word that arrives


def shares(count: int = 8) -> Influence:
    """Changes in the middle of 21 frames: said within 1 position, brought by pictures up to 5."""
    away = np.abs(np.arange(21) - 10)
    rows = np.stack([(away <= 1) / 3, (away <= 5) * 0.3 * 2.0**-away])
    values = np.tile(rows, (count, 1, 1))
    return Influence(np.full(count, 11), np.arange(1, 22), values, values > 0)


def arrived(slope: float) -> Influence:
    """Gains by words of 2 for a share, by pictures of `slope`."""
    share = shares()
    values = share.values * np.where(share.values[:, :1] > 0, 2, slope)
    return Influence(share.centres, share.positions, values, share.differs)


def test_what_is_said_is_the_gain_for_a_share_of_the_prompt():
    assert summary.prompt_slope(arrived(0.5), shares()) == pytest.approx(2)


def test_the_account_of_transport_names_every_control_and_the_lead_over_shuffled_neighbours():
    real, shuffled = Transport(0.5, 0.3, 0.7, 0.01, 100), Transport(0.1, -0.1, 0.2, 0.3, 100)
    items = {"real": real, "shuffled": shuffled}
    lines = summary.describe_transport(2, items, (0.4, 0.1, 0.6))
    assert "shows by +2.00" in lines[0]
    assert lines[1] == f"- real: {real}." and lines[2] == f"- shuffled: {shuffled}."
    assert lines[3] == "- real less shuffled: +0.40 (+0.10 to +0.60), more."
    lines = summary.describe_transport(2, items, (0.4, -0.1, 0.6))
    assert lines[3].endswith("not to be told apart.")
    assert len(summary.describe_transport(2, items, (0.4, -np.inf, np.inf))) == 3


def test_the_account_of_a_decomposition_has_a_line_for_each_pass_that_has_a_start():
    kept = np.full((6, 3, 4), np.nan)
    kept[:, 1, 2], kept[:, 2, 2:] = 0.5, 0.4
    lines = summary.describe_decomposition(Decomposition(kept, kept / 2), RANDOM)
    assert lines == [
        "Pass 2 keeps 0.50 (0.50 to 0.50) of its start's change, 25% (25% to 25%) of its own is "
        "carried.",
        "Pass 3 keeps 0.40 (0.40 to 0.40) of its start's change, 20% (20% to 20%) of its own is "
        "carried.",
    ]
    nothing = np.full((6, 3, 4), np.nan)
    assert summary.describe_decomposition(Decomposition(nothing, nothing), RANDOM) == []
