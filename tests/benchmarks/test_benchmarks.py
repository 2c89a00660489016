"""The benchmarks run, quietly, and say what they measured. Tiny sizes: the numbers mean nothing."""

import json
import sys
from argparse import Namespace
from types import SimpleNamespace

import pytest
from painted import PaintedGenerator, Painters
from PIL import Image

from benchmarks import compositing, gpu, loop, plain, prediction, report, scaling
from flopslab.calibration.curve import Calibration, Curve
from flopslab.core.compositing import METHODS


@pytest.fixture
def rows(monkeypatch, tmp_path, capsys):
    """`rows(module, *options)`: what the benchmark wrote; its table has a line for each row."""

    def run(module, *options: str) -> list[dict]:
        path = tmp_path / "results.json"
        monkeypatch.setattr(sys, "argv", ["benchmark", *options, "--json", str(path)])
        module.main()
        results = json.loads(path.read_text())
        assert results["machine"]["cores"] >= 1
        captured = capsys.readouterr()
        assert len(captured.out.splitlines()) == len(results["rows"]) + 2 and not captured.err
        return results["rows"]

    return run


def test_every_step_of_a_frame_is_timed(rows):
    found = rows(compositing, "--sizes", "32", "--neighbours", "3", "--repeats", "1")
    steps = {row["step"] for row in found}
    assert {f"compose {method}, next" for method in METHODS} < steps
    assert {
        "anchor reinhard, each frame",
        "sharpen",
        "PNG",
        "PNG, by Pillow",
        "pixel digest",
    } < steps
    assert all(row["size"] == 32 and row["cpu_ms"] >= 0 for row in found)


def test_free_networks_leave_what_the_loop_adds(rows):
    sizes = {"frames": 3, "passes": 2, "size": 32, "sleep": 0, "rounds": 1, "diameter": 2}
    found = rows(loop, "--free", *(f"--{name}={value}" for name, value in sizes.items()))
    assert {row["way"] for row in found} == {
        f"{method}{ending}" for method in METHODS for ending in ("", ", anchored")
    }
    assert all(0 < row["best"] <= row["wall_s"] and row["outside_%"] <= 100 for row in found)


def test_a_ratio_is_of_the_best_seconds_and_the_median_within_rounds():
    slow, fast = [{"wall_s": 8.0}, {"wall_s": 6.0}, {"wall_s": 9.0}], [{"wall_s": 2.0}] * 3
    assert loop.ratio("slow / fast", slow, fast) == {"way": "slow / fast", "best": 3, "wall_s": 4}


def test_flopslab_is_compared_with_two_loops_of_diffusers_and_its_own_first_pass(rows, monkeypatch):
    calls = []

    class Loop:
        def run(self, words, radius, passes, batch_size, directory):
            calls.append((len(words), radius, passes, batch_size))

    monkeypatch.setattr(loop, "load_generator", lambda _: PaintedGenerator(delay=0.001))
    monkeypatch.setattr(loop, "PlainLoop", Loop)
    found = rows(loop, "--frames=6", "--passes=2", "--rounds=2", "--diameter=2", "--batch=2")
    ways, ratios = found[:4], found[4:]
    assert calls == [(6, 1, 2, size) for size in (1, 2, 2, 1)], "the second round runs backwards"
    assert all(0 <= row["best"] <= row["wall_s"] for row in ways)
    assert {row["way"] for row in ratios} == set(loop.RATIOS)
    shares = [row["outside_%"] for row in ways if "outside_%" in row]
    assert len(shares) == 2 and all(0 < share < 100 for share in shares)


@pytest.mark.torch
def test_the_loop_of_diffusers_writes_a_picture_for_each_word_and_pass(tmp_path, monkeypatch):
    from generators import directory

    monkeypatch.setattr(plain, "STEPS", 2)
    plain.PlainLoop(directory("sd")).run(["sea", "stone", "x"], 1, 2, 2, tmp_path)
    pictures = {path: Image.open(path).tobytes() for path in tmp_path.glob("pass*/*.png")}
    assert len(pictures) == len(set(pictures.values())) == 6


def test_a_section_of_results_takes_the_place_of_its_older_self(monkeypatch, tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text("# Results\n\nHow to read them.\n\n## a\n\nold\n\n## b\n\nstays\n")
    monkeypatch.setattr(report, "RESULTS", path)
    for _ in range(2):
        report.write_section("a", [{"way": "x", "best": 1}], Namespace(frames=3, json=""))
    head, a, b = path.read_text().split("\n## ")
    assert (head, b) == ("# Results\n\nHow to read them.\n", "b\n\nstays\n")
    assert "Options: frames 3\n" in a and a.endswith("| way | best |\n| --- | --- |\n| x | 1 |\n")
    assert "old" not in a and "cores" in a


def test_each_cell_has_two_forecasts_and_a_measurement(monkeypatch, tmp_path, capsys):
    kept = Curve((0.1, 1.0), *[(0.9, 0.0)] * 3)
    calibration = Calibration("", kept, kept, Curve((0.0, 1.0), *[(0.0, 0.5)] * 3))
    sizes = {"frames": 3, "passes": 2, "steps": 2, "diameter": 2, "weights": 0.4}
    options = [f"--{name}={value}" for name, value in sizes.items()]
    options += [f"--directory={tmp_path}", f"--json={tmp_path / 'rows.json'}"]
    options += ["--sequences=demo", "--methods=blend"]
    monkeypatch.setattr(sys, "argv", ["benchmark", *options])
    monkeypatch.setattr(prediction, "load_generator", lambda *_: PaintedGenerator())
    monkeypatch.setattr(prediction, "calibrate", lambda _: calibration)
    prediction.main()
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [(row["method"], row["pass"]) for row in rows] == [("blend", 1), ("blend", 2)]
    assert rows[0]["error_informed"] == pytest.approx(0, abs=0.05)
    assert "1 cells, blind" in capsys.readouterr().out


def test_the_forecasts_go_on_where_they_stopped_and_stand_cell_by_cell_in_a_file(
    monkeypatch, tmp_path
):
    kept = Curve((0.1, 1.0), *[(0.9, 0.0)] * 3)
    calibration = Calibration("key", kept, kept, Curve((0.0, 1.0), *[(0.0, 0.5)] * 3))
    painters = Painters()
    options = ["--frames=3", "--passes=2", "--steps=2", "--diameter=2", "--weights=0.4"]
    options += [f"--directory={tmp_path}", "--sequences", "demo", "tide"]
    monkeypatch.setattr(prediction, "load_generator", lambda study, _: painters(study))
    monkeypatch.setattr(prediction, "calibrate", lambda _: calibration)
    frames = []
    for methods in (["blend"], ["blend", "grid"], ["blend", "grid"]):
        monkeypatch.setattr(sys, "argv", ["benchmark", *options, "--methods", *methods])
        prediction.main()
        frames.append(painters.frames)
    assert frames == [12, 18, 18], "a first and a second pass of two sequences, a second pass, none"
    lines = (tmp_path / "key" / "table.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 2 * 2
    cells = (tmp_path / "key" / "cells.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in cells] == ["method", "blend", "grid"]


def test_a_simulated_wavefront_ends_no_later_than_passes_with_a_barrier(rows):
    sizes = {"frames": 200, "sleep": 1, "workers": 4, "writer": 0}
    barrier, wavefront = rows(
        scaling, "--simulate", *(f"--{name}={value}" for name, value in sizes.items())
    )
    assert (barrier["order"], wavefront["order"]) == ("barrier", "wavefront")
    assert wavefront["wall_s"] <= barrier["wall_s"]
    assert wavefront["first_final_%"] < 2 / 3 * 100 < barrier["first_final_%"]
    assert 0.9 * 75 / 4 < wavefront["wall_s"] < 1.2 * 75 / 4  # 75 batches of about a second


def test_without_a_card_the_benchmark_of_one_refuses(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmark"])
    monkeypatch.setitem(
        sys.modules,
        "torch",
        SimpleNamespace(__version__="9", cuda=SimpleNamespace(is_available=lambda: False)),
    )
    with pytest.raises(SystemExit, match=r"torch 9 finds none"):
        gpu.main()
