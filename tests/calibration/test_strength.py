"""`image_weight` becomes a strength, once, from a calibration; a run keeps it."""

import json
import shutil

import pytest
from linear import LinearGenerator
from painted import PaintedGenerator, pixels

from flopslab.calibration import calibrate as calibrating
from flopslab.calibration import records, strength
from flopslab.calibration.calibrate import calibrate, conditions_of
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.errors import FlopslabWarning, RunError
from flopslab.progress import NullProgress
from flopslab.reports.explanation import explain_frame
from flopslab.reports.inspection import study_of_picture
from flopslab.runs.reader import common_parameters, finished_run


class Notes(NullProgress):
    def __init__(self):
        self.lines = []

    def note(self, text):
        self.lines.append(text)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and measurements that are small."""
    monkeypatch.setattr(records, "directory", lambda: tmp_path / "calibration")
    small = calibrating.Measurement(3, (0.05, 0.2, 0.5, 0.8), (0.5,))
    monkeypatch.setattr(calibrating, "Measurement", lambda: small)
    return tmp_path / "calibration"


@pytest.fixture
def weigh(paint):
    """A run whose strength follows from `image_weight`."""
    return lambda generator=None, **parameters: paint(
        generator or LinearGenerator(),
        **{"denoising_strength": None, "method": "blend"} | parameters,
    )


def strength_of(run):
    return common_parameters(run.directory)["denoising_strength"]


def test_the_strength_is_the_one_at_which_so_much_survives(weigh):
    """Here (1 - d) ** 2 survives, measured at few strengths and read in straight lines."""
    assert strength_of(weigh(image_weight=0.5)) == pytest.approx(1 - 0.5**0.5, abs=0.03)


def test_a_calibration_is_measured_once_and_kept(study, cache):
    generator = LinearGenerator()
    first = calibrate(study, generator, NullProgress())
    calls = generator.calls
    assert calibrate(study, generator, NullProgress()) == first
    assert generator.calls == calls
    assert [c.key for c in records.cached()] == [first.key]
    assert calibrate(study, LinearGenerator(steps=9), NullProgress()).key != first.key
    records.delete(first.key[:8])
    with pytest.raises(RunError, match="0 of them"):
        records.delete(first.key)


@pytest.mark.parametrize("damage", ["", "{}", "[1]", '{"calibrations": [{"kept": []}]}'])
def test_a_damaged_file_is_measured_anew_with_a_warning(study, cache, damage):
    first = calibrate(study, LinearGenerator(), NullProgress())
    (path,) = cache.iterdir()
    path.write_text(damage)
    with pytest.warns(FlopslabWarning, match="measured anew"):
        assert calibrate(study, LinearGenerator(), NullProgress()) == first


def test_a_file_of_other_conditions_is_damaged(study, cache):
    calibrate(study, LinearGenerator(), NullProgress())
    (path,) = cache.iterdir()
    content = json.loads(path.read_text())
    content["calibrations"][0]["conditions"]["steps"] = 99
    path.write_text(json.dumps(content))
    with pytest.warns(FlopslabWarning, match="measured anew"):
        assert records.find(conditions_of(study, LinearGenerator().settings)) is None


def test_a_run_keeps_its_strength_when_the_calibration_is_gone(weigh, cache, monkeypatch):
    run = weigh(limit=6)
    before = strength_of(run)
    shutil.rmtree(cache)
    monkeypatch.setattr(strength, "calibrate", None)  # nothing is measured
    assert strength_of(weigh()) == before


def test_a_run_that_reuses_frames_keeps_their_strength(weigh, cache, tmp_path, monkeypatch):
    run = weigh()
    shutil.rmtree(cache)
    monkeypatch.setattr(strength, "calibrate", None)
    again = weigh(output_dir=str(tmp_path / "again"), reuse_from=str(run.directory))
    assert sum(summary.made for summary in again.passes) == 0


@pytest.mark.parametrize("method", ["grid", "blend", "latent", "ip_adapter"])
def test_an_image_weight_of_0_is_words_alone(weigh, method, tmp_path):
    frames = pixels(weigh(PaintedGenerator(), method=method, image_weight=0.0).directory)
    alone = weigh(
        PaintedGenerator(),
        method=method,
        control="no_images",
        output_dir=str(tmp_path / "alone"),
        denoising_strength=0.5,
    )
    assert frames == pixels(alone.directory)


def test_an_image_weight_of_1_keeps_as_much_as_was_measured(weigh):
    with pytest.warns(FlopslabWarning, match=r"even at denoising_strength 0.05.* 0.90 of a start"):
        assert strength_of(weigh(image_weight=1.0)) == 0.05


def test_an_ip_adapter_starts_from_noise_unless_a_strength_is_set(weigh):
    generator = LinearGenerator()
    assert strength_of(weigh(generator, method="ip_adapter")) == 1.0
    assert generator.calls == 24, "nothing is measured"


def test_the_numbers_stand_in_the_manifest_and_the_picture(weigh):
    run = weigh(image_weight=0.3)
    manifest = finished_run(run.directory).manifest
    used = strength_of(run)
    assert manifest["multi_pass"]["denoising_strength"] == used
    assert manifest["multi_pass"]["image_weight"] == 0.3
    assert manifest["parameters"]["denoising_strength"] is None
    picture = run.directory / "pass2" / "frame_000001.png"
    assert study_of_picture(picture).denoising_strength == used
    assert study_of_picture(picture, image_weight=0.4).denoising_strength is None


def test_another_image_weight_is_another_run(weigh):
    weigh(image_weight=0.5)
    with pytest.raises(RunError, match=r"denoising_strength = 0.\d+") as error:
        weigh(image_weight=0.3)
    assert "that of image_weight = 0.3" in error.value.hint


def test_why_follows_a_changed_image_weight_without_a_model(weigh):
    run = weigh(image_weight=0.5)
    assert explain_frame(run.directory, FrameKey(2, 3)).verdict.fate == "kept"
    explanation = explain_frame(run.directory, FrameKey(2, 3), {"image_weight": 0.3})
    assert "refinement.denoising_strength" in str(explanation)


def test_a_run_says_what_it_measures_and_which_strength_it_uses(study):
    notes = Notes()
    study = study.replace(denoising_strength=None, method="blend")
    strength.resolve_strength(study, LinearGenerator(), notes)
    assert "measuring once" in notes.lines[0]
    assert notes.lines[-1].startswith("image_weight 0.5: denoising_strength 0.")
    assert any("left" in line for line in notes.lines)


def test_the_embedded_model_ships_with_its_calibration():
    words = Study().context_diameter + 1
    calibrations = records.shipped()
    forms = [tuple(c.conditions["prompt"]) for c in calibrations]
    assert forms == [(words, "", ""), (words, "", ""), (3, "", ""), (5, "", "")]
    assert all(c.problem == "" for c in calibrations)
    for calibration in calibrations[:2]:
        assert calibration.kept.means[0] > 0.8 > 0.1 > calibration.kept.means[-2]
        assert 0.1 < calibration.strength_for(0.5) < 0.5


def test_the_fewer_words_the_less_of_a_start_survives():
    eleven, _, three, five = (c.kept.at(0.2) for c in records.shipped())
    assert three < five - 0.1 < eleven - 0.2


@pytest.mark.torch
def test_the_shipped_calibration_is_that_of_the_shipped_model():
    from flopslab.backends.diffusers import loading
    from flopslab.backends.diffusers.recommendations import read_recommendations

    directory = loading.find("tiny")
    steps = read_recommendations(directory)["steps"]
    conditions = [c.conditions for c in records.shipped()]
    assert {steps, 6, 12} <= {c["steps"] for c in conditions}
    assert {c["model_digest"] for c in conditions} == {loading.digest(directory)}
