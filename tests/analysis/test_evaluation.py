"""Rows of metrics: the passes of a run, and CSV."""

import csv
import io
import math

import numpy as np
import pytest

from flopslab.analysis import metrics
from flopslab.analysis.embedder import load_embedder
from flopslab.analysis.evaluation import (
    MEASURES,
    evaluate,
    to_csv,
)
from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.runs.reader import open_run

pytestmark = pytest.mark.slow


class Levels:
    """An embedder of brightness alone; every text is bright."""

    def images(self, images):
        angles = np.array([np.asarray(image).mean() / 255 for image in images]) * np.pi / 2
        return np.stack([np.sin(angles), np.cos(angles)], -1)

    def texts(self, texts):
        self.queries = list(texts)
        return np.tile([1.0, 0.0], (len(texts), 1))


def row(seed: int, pass_number: int = 1, **values: float) -> dict:
    return {"method": "grid", "seed": seed, "pass": pass_number} | values


def test_there_is_a_row_for_each_pass_with_every_metric(paint):
    rows = evaluate(paint(passes=3).directory, Levels())
    assert [row["pass"] for row in rows] == [1, 2, 3]
    assert {row["frames"] for row in rows} == {12}
    assert [list(row)[2:] for row in rows] == [list(MEASURES)] * 3
    assert all(math.isfinite(value) for row in rows for value in row.values())


def test_the_first_pass_has_not_drifted_and_later_ones_are_compared_with_it(paint):
    directory = paint(passes=2, method="blend").directory
    first, second = evaluate(directory)
    assert (first["colour_drift"], first["contrast"], first["sharpness"]) == (0, 1, 1)
    run = open_run(directory)
    pairs = [[run.frame(FrameKey(n, position))[0] for n in (1, 2)] for position in run.positions]
    drift = np.mean([metrics.colour_drift(after, before) for before, after in pairs])
    sharp = np.mean([[metrics.sharpness(image) for image in pair] for pair in pairs], axis=0)
    assert second["colour_drift"] == pytest.approx(drift)
    assert 0 < second["mean_colour_drift"] < drift
    assert second["sharpness"] == pytest.approx(sharp[1] / sharp[0])
    assert second["sharpness"] < 1  # a mean of noise is smoother


def test_frames_of_an_earlier_larger_run_are_not_in_the_rows(paint):
    paint(passes=1)
    rows = evaluate(paint(passes=2, limit=5).directory)
    assert [(row["pass"], row["frames"]) for row in rows] == [(1, 5), (2, 5)]
    assert [row["pass"] for row in evaluate(paint(passes=1, limit=5).directory)] == [1]


def test_coherence_is_of_frames_in_order(paint):
    directory = paint().directory
    run = open_run(directory)
    images = [run.frame(FrameKey(2, position))[0] for position in run.positions]
    [values] = evaluate(directory, Levels(), [2])
    assert values["frame_ssim"] == pytest.approx(metrics.frame_ssim(images))
    assert values["temporal_flickering"] == pytest.approx(metrics.temporal_flickering(images))
    embeddings = Levels().images(images)
    assert values["frame_consistency"] == pytest.approx(metrics.frame_consistency(embeddings))
    assert values["diversity"] == pytest.approx(metrics.diversity(embeddings))


def test_frames_are_compared_with_the_words_of_their_window(paint):
    embedder = Levels()
    evaluate(paint().directory, embedder, [1])
    assert embedder.queries[:2] == ["silence fire memory"] * 2
    assert embedder.queries[5] == "stone river light"


def test_without_an_embedder_the_metrics_of_embeddings_are_nan(paint):
    values = evaluate(paint().directory)[1]
    assert {name for name in MEASURES if math.isnan(values[name])} == {
        "frame_consistency", "clip_score", "diversity",
    }  # fmt: skip


@pytest.mark.torch
def test_a_real_clip_measures_a_run(paint, tmp_path):
    import models

    models.save_clip(tmp_path / "clip")
    [values] = evaluate(paint().directory, load_embedder(str(tmp_path / "clip")), [2])
    assert -1 <= values["frame_consistency"] <= 1
    assert 0 <= values["clip_score"] <= 2.5


def test_a_directory_without_a_run_is_an_error(tmp_path):
    with pytest.raises(RunError):
        evaluate(tmp_path)


def test_a_frame_that_is_missing_is_an_error_and_not_left_out(paint):
    directory = paint().directory
    open_run(directory).path(FrameKey(2, 5)).unlink()
    with pytest.raises(RunError, match="pass2 at 5"):
        evaluate(directory)


def test_the_cost_is_the_median_time_of_a_frame_as_its_recipe_has_it(paint):
    directory = paint().directory
    run = open_run(directory)
    times = [run.frame(FrameKey(2, position))[1].generation_time_s for position in run.positions]
    assert evaluate(directory, passes=[2])[0]["seconds"] == pytest.approx(np.median(times))


def test_csv_keeps_every_number_in_full():
    rows = [row(0, contrast=1 / 3), row(1, sharpness=2.0)]
    lines = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert float(lines[0]["contrast"]) == 1 / 3
    assert lines[1]["contrast"] == "" and lines[1]["sharpness"] == "2.0"
