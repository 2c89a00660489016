"""Forecasts: what they say, what they need, and the settings for a goal."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import flopslab
from flopslab.calibration import records
from flopslab.calibration.calibrate import ALGORITHM
from flopslab.calibration.curve import Calibration, Curve
from flopslab.cli import main
from flopslab.core.study import Study
from flopslab.digests import json_digest
from flopslab.errors import ParameterError
from flopslab.prediction import reading
from flopslab.prediction.forecast import caveats, describe_time, measured_pace, plan
from flopslab.prediction.goal import settings_for
from flopslab.prediction.reading import stored_calibration


def curve(places, means) -> Curve:
    return Curve(places, means, means, means)


CALIBRATION = Calibration(
    "simulated",
    kept=curve((0.1, 0.2, 0.5, 1.0), (0.7, 0.5, 0.2, 0.0)),
    kept_without_words=curve((0.1, 1.0), (0.9, 0.5)),
    likeness=curve((0.0, 0.9, 1.0), (0.0, 0.3, 0.6)),
)
KEPT = replace(CALIBRATION, key=json_digest({}))  # the key is that of its conditions
STUDY = Study(method="latent", passes=3, denoising_strength=0.2, limit=24)


def test_the_sentence_says_strength_passes_reach_coherence_and_time():
    forecast = plan(STUDY, CALIBRATION, pace=2.0)
    last = forecast.last
    assert str(forecast) == (
        "d = 0.20, 3 passes are within 25 % of the limit, "
        f"reach {last.reach:.1f} positions, expected coherence {last.coherence:.2f}, 67 seconds"
    )
    assert forecast.seconds == pytest.approx(24 * 2.0 * (1 + 0.2 + 0.2))
    assert (forecast.passes_within_5, forecast.passes_within_2) == (6, 7)


def test_no_time_is_named_where_no_pace_is_known(tmp_path):
    forecast = plan(STUDY.replace(output_dir=str(tmp_path / "none")), CALIBRATION)
    assert forecast.seconds is None
    assert str(forecast).endswith(f"coherence {forecast.last.coherence:.2f}")


def test_the_pace_is_that_of_the_run_that_is_there(paint):
    directory = paint().directory
    assert measured_pace(directory) > 0
    assert plan(STUDY.replace(output_dir=str(directory)), CALIBRATION).seconds > 0
    shutil.rmtree(directory / "pass1")
    assert measured_pace(directory) is None


def test_a_first_pass_that_is_there_takes_the_place_of_its_expectation():
    distance = np.abs(np.subtract.outer(np.arange(24), np.arange(24)))
    measured, forecast = 0.9**distance, plan(STUDY, CALIBRATION)
    informed = plan(STUDY, CALIBRATION, first_pass=measured)
    assert informed.passes[0].coherence > forecast.passes[0].coherence + 0.1
    assert informed.last.coherence > forecast.last.coherence


def test_one_pass_is_described_without_a_strength():
    forecast = plan(STUDY.replace(passes=1), CALIBRATION)
    assert str(forecast).startswith("reach 3.")


def test_of_a_long_sequence_the_first_frames_stand_for_all():
    study = STUDY.replace(sequence="full", limit=0, frame_interval=2)
    forecast = plan(study, CALIBRATION, pace=1.0)
    assert forecast.seconds == pytest.approx(1.4 * len(range(1, 701, 2)), rel=0.1)


@pytest.mark.parametrize("frames", [1, 2])
def test_too_few_frames_have_no_coherence_and_still_a_forecast(frames):
    forecast = plan(STUDY.replace(limit=frames), CALIBRATION)
    assert np.isnan(forecast.last.coherence)
    assert json.dumps(forecast.as_json, allow_nan=False)


def test_what_the_model_leaves_out_is_said():
    assert caveats(STUDY) == ()
    assert "montages" in caveats(STUDY.replace(method="grid"))[0]
    assert "not calibrated" in caveats(STUDY.replace(method="ip_adapter"))[0]
    assert len(caveats(STUDY.replace(detail=1.0, prompt_prefix="oil painting"))) == 2


@pytest.mark.parametrize(
    ("seconds", "text"), [(40, "40 seconds"), (1380, "23 minutes"), (18720, "5.2 hours")]
)
def test_times_are_for_people(seconds, text):
    assert describe_time(seconds) == text


def test_a_goal_gives_the_gentlest_settings_that_reach_it():
    forecast = settings_for(STUDY, 0.6, CALIBRATION)
    study = forecast.study
    assert forecast.last.coherence >= 0.6
    assert study.denoising_strength == pytest.approx(CALIBRATION.strength_for(study.image_weight))
    gentler = study.replace(
        denoising_strength=CALIBRATION.strength_for(study.image_weight - 0.05), passes=3
    )
    assert plan(gentler, CALIBRATION).last.coherence < 0.6


def test_a_goal_out_of_reach_names_the_best_there_is():
    with pytest.raises(ParameterError, match=r"at most 0\.\d+, with method \w+, image_weight"):
        settings_for(STUDY, 0.999, CALIBRATION)


def test_a_goal_of_two_frames_has_no_neighbours_to_be_like():
    with pytest.raises(ParameterError, match="fewer than three frames"):
        settings_for(STUDY.replace(limit=2), 0.5, CALIBRATION)


@pytest.fixture
def command(capsys, tmp_path):
    """`command(*options)`: (exit code, what `flopslab plan` printed)."""
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(records.as_json(KEPT)))

    def call(*options, calibration=path):
        parameters = ["-p", "method", "latent", "-p", "denoising_strength", "0.2"]
        parameters += ["-p", "output_dir", str(tmp_path / "run"), "--calibration", str(calibration)]
        with pytest.raises(SystemExit) as end:
            main(["plan", *parameters, *options])
        return end.value.code or 0, "".join(capsys.readouterr())

    return call


def test_the_command_prints_the_sentence_and_each_pass(command):
    code, text = command("-p", "passes", "2")
    lines = text.splitlines()
    assert code == 0
    assert lines[0].startswith("d = 0.20, 2 passes are within 50 % of the limit")
    assert lines[2].startswith("pass 2: 50% from pictures, reach ")


def test_the_command_turns_a_goal_round(command):
    code, text = command("--coherence", "0.6", "--json")
    result = json.loads(text)
    assert code == 0
    assert result["passes"][-1]["coherence"] >= 0.6
    assert set(result["settings"]) == {"method", "image_weight", "denoising_strength", "passes"}


def test_the_command_starts_from_a_first_pass(command, paint):
    directory = paint().directory
    code, text = command("--first-pass", str(directory), "-p", "limit", "12")
    assert (code, text != command("-p", "limit", "12")[1]) == (0, True)
    shutil.rmtree(directory / "pass1")
    code, text = command("--first-pass", str(directory))
    assert code == 1 and "no frames of it" in text


def test_a_file_that_is_no_calibration_is_refused(command, tmp_path):
    path = tmp_path / "other.json"
    for content in ('{"key": 1}', "[]", "no JSON"):
        path.write_text(content)
        code, text = command(calibration=path)
        assert code == 1 and "holds a calibration" in text
    assert "No such file" in command(calibration=tmp_path / "none.json")[1]


def stored(**changes) -> Calibration:
    """A calibration of the embedded model at 6 steps, with prompts of 11 words."""
    conditions = {"prompt": [11, "", ""], "calibration": ALGORITHM, "steps": 6}
    conditions |= {"dtype": "float32"}
    conditions |= {"width": 128, "height": 128, "guidance_scale": 3.0, "guidance_stop": 1.0}
    conditions |= {"guidance_rescale": 0.0, "clip_skip": 1, "negative_prompt": ""} | changes
    return replace(CALIBRATION, key=json_digest(conditions), conditions=conditions)


def test_a_calibration_of_the_package_is_found_without_the_model(monkeypatch):
    own, finer = stored(), stored(steps=12)
    monkeypatch.setattr(records, "shipped", lambda: [own, finer])
    monkeypatch.setattr(records, "cached", lambda: [])
    study = Study()
    assert stored_calibration(study) is own
    assert stored_calibration(study.replace(dtype="float32")) is own
    assert stored_calibration(study.replace(steps=12)) is finer
    changes = {"steps": 7, "context_diameter": 4, "prompt_prefix": "oil", "guidance_scale": 0.0}
    changes |= {"negative_prompt": "blur", "scheduler": "ddim", "lora": "style.safetensors"}
    changes |= {"dtype": "bfloat16"}
    for name, value in changes.items():
        assert stored_calibration(study.replace(**{name: value})) is None
    assert plan(study).calibration == own.key


@pytest.mark.torch
def test_a_calibration_of_the_cache_is_that_of_the_model_on_the_disk(monkeypatch):
    study = Study(context_diameter=6)  # of which none is shipped
    narrow = {"prompt": [7, "", ""], "model_digest": reading._model_digest(study)}
    own, other = stored(**narrow), stored(**narrow | {"model_digest": "another"})
    monkeypatch.setattr(records, "cached", lambda: [other, own])
    assert stored_calibration(study) is own
    monkeypatch.setattr(records, "cached", lambda: [own, stored(**narrow, steps=12)])
    assert stored_calibration(study) is None  # the model's own steps are not known
    assert stored_calibration(study.replace(steps=6)) is own


def test_the_public_names_are_there():
    assert flopslab.plan is plan and flopslab.settings_for is settings_for
