"""`flopslab calibrate`: measured once, listed, deleted."""

import json

import pytest
from linear import LinearGenerator

from flopslab.calibration import calibrate as calibrating
from flopslab.calibration import records
from flopslab.cli import main


@pytest.fixture
def call(monkeypatch, tmp_path, capsys):
    """`call(*arguments)`: the answer to `flopslab calibrate --json`, of a small generator."""
    small = calibrating.Measurement(3, (0.1, 0.5), (0.5,))
    monkeypatch.setattr(calibrating, "Measurement", lambda: small)
    monkeypatch.setattr(calibrating, "load_generator", lambda study: LinearGenerator())
    monkeypatch.setattr(records, "directory", lambda: tmp_path)

    def answer(*arguments: str) -> dict:
        with pytest.raises(SystemExit):
            main(["calibrate", *arguments, "--json"])
        return json.loads(capsys.readouterr().out)

    return answer


def test_a_calibration_is_measured_listed_and_deleted(call):
    made = call("-p", "context_diameter", "2")
    assert made["kept"]["places"] == [0.1, 0.5, 1.0]
    assert made["kept"]["means"] == pytest.approx([0.81, 0.25, 0], abs=0.001)
    assert call("-p", "context_diameter", "2") == made
    listed = call("--list")["calibrations"]
    assert made["key"] in [entry["key"] for entry in listed]
    assert call("--delete", made["key"][:9])["deleted"].endswith(f"{made['key']}.json")
    assert "0 of them" in call("--delete", made["key"])["error"]


def test_a_reader_gets_a_table_and_strengths(call, capsys):
    with pytest.raises(SystemExit):
        main(["calibrate", "-p", "context_diameter", "2"])
    text = capsys.readouterr().out
    assert "    0.10  0.81 (0.81 to 0.81)" in text
    assert "denoising_strength of image_weight 0.25: 0.5" in text
