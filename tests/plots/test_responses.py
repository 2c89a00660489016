"""Dose and passes: a line for each kind of run, baselines as marks, predictions dashed."""

import itertools
import math

import numpy as np
import pytest
from figures import texts

from flopslab.experiments.comparison.measures import MEASURES
from flopslab.experiments.comparison.report import last_passes
from flopslab.plots.responses import PANELS, dose_of, responses

WEIGHTS, PASSES = (0.1, 0.5, 0.9), (1, 2, 3)


def mean(method: str, weight: float, number: int, baseline: str = "", **values: float) -> dict:
    measures = dict.fromkeys(MEASURES, math.nan)
    for name in PANELS:
        measures |= {name: weight * number, f"{name}_low": 0.0, f"{name}_high": 1.0}
    names = {"baseline": baseline, "method": method, "image_weight": weight, "pass": number}
    return {**names, "units": 12, **measures, **values}


def means(**values: float) -> list[dict]:
    combinations = itertools.product(["grid", "blend"], WEIGHTS, PASSES)
    rows = [mean(*combination, **values) for combination in combinations]
    return [*rows, mean("", 0.2, 2, "cross-fade") | {"image_weight": ""}]


def lines(panel) -> dict[str, list]:
    named = {str(line.get_label()): line for line in panel.get_lines()}
    return {name: np.asarray(line.get_ydata()).tolist() for name, line in named.items()}


def test_above_is_the_dose_in_the_last_pass_and_below_the_middle_dose_pass_by_pass():
    figure = responses(means())
    above, below = figure.axes[0], figure.axes[3]
    assert lines(above)["grid"] == pytest.approx([0.1 * 3, 0.5 * 3, 0.9 * 3])
    assert lines(below)["blend"] == pytest.approx([0.5, 1.0, 1.5])
    assert {"image_weight, last pass", "pass", "grid", "cross-fade"} <= set(texts(figure))


def test_where_passes_are_the_dose_each_run_shows_its_own_last_pass():
    rows = [mean("", 0.5, number) | {"passes": last} for last in PASSES for number in PASSES[:last]]
    rows = [{n: v for n, v in row.items() if n != "image_weight"} for row in rows]
    line = responses(rows).axes[0].get_lines()[0]
    assert list(line.get_xdata()) == [*PASSES]
    assert len(last_passes(rows).splitlines()) == 2 + 3  # below two of a head


def test_a_baseline_is_a_mark_at_its_pass_and_a_band_is_an_interval():
    panel = responses(means()).axes[3]
    (mark,) = (line for line in panel.get_lines() if line.get_label() == "cross-fade")
    assert (mark.get_xdata(), mark.get_linestyle()) == ([2], "None")
    assert len(panel.collections) == 2


def test_what_was_predicted_is_dashed_in_the_colour_of_its_line():
    plain, predicted = (responses(means(informed=v)).axes[3].get_lines() for v in (math.nan, 0.7))
    assert len(predicted) == len(plain) + 2
    dashed = [line for line in predicted if np.allclose(line.get_ydata(), 0.7)]
    colours = {line.get_color() for line in predicted if line.get_label() in ("grid", "blend")}
    assert {line.get_color() for line in dashed} == colours


def test_without_a_dose_there_are_only_passes():
    rows = [{n: v for n, v in row.items() if n != "image_weight"} for row in means()]
    rows = [row for row in rows if row["coherence"] == 0.5 * row["pass"]]
    rows.append(mean("", 0.2, 2, "cross-fade"))
    assert dose_of(rows[:-1]) == "" and len(responses(rows).axes) == len(PANELS)
