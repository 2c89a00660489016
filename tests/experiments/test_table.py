"""The table: a row for each pass of each run, kept on disk, made once, never out of date."""

import csv
import math
import shutil

import numpy as np
import pytest
from linear import LinearGenerator
from painted import ColourEmbedder, PaintedGenerator, Painters

from flopslab.analysis import metrics
from flopslab.core.study import Study
from flopslab.errors import RunError
from flopslab.experiments.comparison.intervals import summarise
from flopslab.experiments.comparison.measures import MEASURES, pass_images
from flopslab.experiments.comparison.report import write_report
from flopslab.experiments.comparison.table import Table, read_rows
from flopslab.experiments.sweep import Sweep

pytestmark = pytest.mark.slow


@pytest.fixture
def sweep(study: Study) -> Sweep:
    """Two runs of one model, their first passes alike."""
    return Sweep(study.replace(workers=1), {"method": ["grid", "blend"]})


def named(rows: list[dict], **values: object) -> list[dict]:
    return [row for row in rows if values.items() <= row.items()]


def test_there_is_a_row_for_each_pass_of_each_run_and_for_each_baseline(sweep):
    rows = Table(sweep, ColourEmbedder()).fill(Painters())
    assert [(row["method"], row["pass"]) for row in named(rows, baseline="")] == [
        ("grid", 1), ("grid", 2), ("blend", 1), ("blend", 2),
    ]  # fmt: skip
    assert {row["baseline"] for row in rows if row["baseline"]} == {
        "words alone", "shared noise", "turning noise", "wider windows", "cross-fade",
    }  # fmt: skip
    for row in rows:
        assert {"sequence", "seed", "pass", "frames", *MEASURES} <= row.keys()
        assert 0 <= row["own_words"] <= 1 and 0 <= row["own_shapes"] <= 1


def test_a_method_that_reads_latents_takes_its_first_pass_from_where_they_are(study):
    frames = []
    for methods in (["grid"], ["grid", "latent"]):
        painters, path = Painters(), f"{study.output_dir}-{len(methods)}"
        base = study.replace(workers=1, output_dir=path)
        Table(Sweep(base, {"method": methods})).fill(painters)
        frames.append(painters.frames)
    assert frames[1] - frames[0] == 12, "its second pass alone"


def test_a_row_holds_what_the_metrics_say_of_the_pictures(sweep):
    (row,) = named(Table(sweep).fill(Painters()), method="blend", **{"pass": 2})
    study = sweep.variants[1].study
    first, second = (pass_images(study, number) for number in (1, 2))
    assert row["coherence"] == metrics.colour_coherence(second)
    assert row["gain"] == row["coherence"] - metrics.colour_coherence(first)
    sharpness = [np.mean([*map(metrics.sharpness, images)]) for images in (second, first)]
    assert row["sharpness"] == pytest.approx(sharpness[0] / sharpness[1])
    assert math.isnan(row["own_words"])  # no embedder


def test_a_table_that_was_stopped_goes_on_and_makes_nothing_twice(sweep):
    class Stops(PaintedGenerator):
        def generate(self, requests, strength=1.0):
            if requests[0].context.init is not None:
                raise KeyboardInterrupt
            return super().generate(requests, strength)

    with pytest.raises(KeyboardInterrupt):
        Table(sweep).fill(lambda study: Stops())
    with Table(sweep).path.open() as file:
        before = list(csv.DictReader(file))
    assert {row["baseline"] for row in before} >= {"words alone", "cross-fade"}
    painters = Painters()
    rows = Table(sweep).fill(painters)
    assert painters.frames == 2 * 12  # pass 2 of two runs; pass 1 is that of the words alone
    assert {row["key"] for row in before} <= {row["key"] for row in rows}
    again = Painters()
    assert str(Table(sweep).fill(again)) == str(rows)
    assert again.frames == 0 and len(again.made) == 2  # with refinement, and without


def test_a_damaged_row_is_measured_again_without_a_new_picture(sweep):
    table = Table(sweep)
    rows = table.fill(Painters())
    text = table.path.read_text()
    coherence = repr(named(rows, method="grid", **{"pass": 2})[0]["coherence"])
    table.path.write_text(text.replace(coherence, "0.9x"))
    painters = Painters()
    assert str(Table(sweep).fill(painters)) == str(rows)
    assert painters.frames == 0 and table.path.read_text() == text


@pytest.mark.parametrize("damage", ["x" * 200_000, "x\ry,1"])
def test_of_a_damaged_file_the_rows_before_the_damage_are_read(tmp_path, damage):
    path = tmp_path / "table.csv"
    row = ["run", "1", *["0.5"] * len(MEASURES)]
    path.write_text("\n".join([",".join(["key", "pass", *MEASURES]), ",".join(row), damage]))
    assert list(read_rows(path)) == [("run", 1)]


def test_a_page_that_cannot_be_written_is_explained(sweep):
    means = [{"method": "grid", "pass": 2, "baseline": ""} | dict.fromkeys(MEASURES, 0.5)]
    with pytest.raises(RunError, match="No such file"):  # no run has made the directory
        write_report(sweep, means)


def test_rows_of_other_weights_are_never_taken_for_those_of_the_model_at_hand(sweep):
    def load(study: Study) -> PaintedGenerator:
        return PaintedGenerator(model_digest="f" * 64)

    table = Table(sweep)
    rows = table.fill(Painters())
    with pytest.raises(RunError, match="model_digest"):  # the runs are of other weights too
        Table(sweep).fill(load)
    for path in sweep.directory.glob("*/"):
        shutil.rmtree(path)
    assert table.path.exists()
    anew = Table(sweep).fill(load)
    assert not {row["key"] for row in anew} & {row["key"] for row in rows}


def test_another_embedder_measures_anew(sweep):
    class Blind(ColourEmbedder):
        def images(self, images):
            return np.zeros((len(images), 3))

        def texts(self, texts):
            return np.ones((len(texts), 3))

    rows = Table(sweep, ColourEmbedder()).fill(Painters())
    painters = Painters()
    blind = Table(sweep, Blind()).fill(painters)
    assert {row["own_words"] for row in blind} == {0.5} != {row["own_words"] for row in rows}
    assert painters.frames == 0


def test_an_effect_that_is_there_is_seen_and_one_that_is_not_is_not(study, tmp_path):
    """Frames that keep half of their neighbours' mean, and frames without neighbours."""
    axes = {"control": ["none", "no_images"], "seed": [0, 1, 2]}
    sweep = Sweep(study.replace(method="blend", workers=1, batch_size=8), axes)
    rows = Table(sweep).fill(lambda study: LinearGenerator(lambda strength: 0.5))
    means = summarise(rows, np.random.default_rng(0))
    effect, null = (named(means, control=c, **{"pass": 2})[0] for c in ("none", "no_images"))
    assert effect["gain_low"] > null["gain_high"] > 0 > null["gain_low"]
    page = write_report(sweep, means).read_text()
    assert page.startswith("# Comparison of control\n") and "| cross-fade |" in page
    assert f"| {effect['gain']:.2f} [{effect['gain_low']:.2f}, {effect['gain_high']:.2f}] |" in page
