"""The settings as AUTOMATIC1111 writes them: other programs read them from our pictures."""

import io

import pytest
from painted import PaintedGenerator
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sd_parsers import ParserManager

import flopslab
from flopslab.core.study import Study
from flopslab.errors import RunError
from flopslab.interop.a1111 import CHUNK, read_parameters, write_parameters
from flopslab.interop.samplers import find_sampler
from flopslab.reports.inspection import study_of_picture
from flopslab.runs.frame_files import decode_frame

SETTINGS = {
    "steps": 20,
    "guidance_scale": 7.5,
    "width": 512,
    "height": 768,
    "scheduler": "DPMSolverMultistepScheduler",
    "scheduler_options": {"use_karras_sigmas": True, "steps_offset": 1},
    "negative_prompt": "fog (grey)",
    "clip_skip": 2,
}
PROMPT = [["red", 1.0], ["old house", 1.4], ["(a:b)", 1.0]]
A1111 = """a cat, (sitting:1.2)
on a mat
Negative prompt: dog
Steps: 30, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6, Seed: 7, Size: 640x512, \
Model hash: 6ce0161689, Model: v1-5, Lora hashes: "a: 1, b: 2", Clip skip: 2, Version: v1.10.1"""


def text_of(prompt=PROMPT, strength=None, model="models/dream/", **settings):
    return write_parameters(prompt, SETTINGS | settings, 5, model, strength)


def frames(run):
    """The paths of all pictures of a run, pass by pass."""
    return sorted(run.directory.glob("pass*/*.png"))


def picture_with(text, path):
    info = PngInfo()
    info.add_text(CHUNK, text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    return path


def test_the_text_is_the_prompt_the_negative_prompt_and_a_line_of_settings():
    prompt, negative, line = text_of(strength=0.5).split("\n")
    assert prompt == r"red (old house:1.4) \(a:b\)"
    assert negative == r"Negative prompt: fog \(grey\)"
    assert line.startswith(
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 5, "
        "Size: 512x768, Model: dream, Denoising strength: 0.5, Clip skip: 2, Version: "
    )


def test_the_version_is_that_of_the_code_even_where_nothing_is_installed(monkeypatch):
    monkeypatch.setattr("importlib.metadata.Distribution.discover", lambda **_: iter(()))
    assert text_of().endswith(f", Version: flopslab {flopslab.__version__}")


def test_what_is_not_there_is_left_out():
    text = text_of(negative_prompt="", scheduler_options={}, clip_skip=1)
    assert len(text.split("\n")) == 2
    for name in ("Negative", "Schedule type", "Denoising", "Clip skip", "Model hash"):
        assert name not in text


def test_the_hash_of_a_checkpoint_that_a_server_tells_stands_before_its_name():
    assert ", Model hash: 6ce0161689, Model: dream" in text_of(sd_model_hash="6ce0161689")


@pytest.mark.parametrize("word", ["a\nSteps: 1, Sampler: x", r"back\slash", "[x]", "naïve 🔥"])
def test_a_word_stays_a_word(word, tmp_path):
    text = text_of([[word, 1.2]])
    assert len(text.split("\n")) == 3
    assert read_parameters(text)["steps"] == 20
    with Image.open(picture_with(text, tmp_path / "a.png")) as picture:
        assert picture.info[CHUNK] == text


def test_a_model_whose_name_has_a_comma_is_quoted():
    assert 'Model: "a, b"' in text_of(model="a, b")


def test_settings_that_are_written_are_read_again():
    values = read_parameters(text_of(strength=0.5))
    assert find_sampler(values["scheduler"]) == (
        "DPMSolverMultistepScheduler", {"use_karras_sigmas": True},
    )  # fmt: skip
    expected = {"steps": 20, "guidance_scale": 7.5, "seed": 5, "width": 512, "height": 768}
    assert (expected | {"denoising_strength": 0.5, "clip_skip": 2}).items() <= values.items()
    assert Study(**values)


@pytest.mark.parametrize("text", ["", "a cat", "Sampler: x", "Steps: many, Sampler: Euler"])
def test_a_text_without_settings_gives_none_that_are_wrong(text):
    assert "steps" not in read_parameters(text)


def test_a_public_reader_finds_the_settings_in_a_frame(paint):
    run = paint(PaintedGenerator(negative_prompt="fog"))
    path = frames(run)[-1]
    information = ParserManager().parse(path)
    assert information is not None
    [sampler] = information.samplers
    assert sampler.parameters["steps"] == "4"
    assert sampler.negative_prompts[0].value == "fog"


def test_the_chunk_is_no_part_of_what_makes_a_frame_valid(paint):
    run = paint()
    path = frames(run)[-1]
    data = path.read_bytes()
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.info[CHUNK].split("\n")[-1].startswith("Steps: 4, ")
    _, recipe = decode_frame(data)
    start = data.index(b"tEXtparameters") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    assert decode_frame(data[:start] + data[end:])[1] == recipe


def test_a_frame_gives_its_study_back(paint):
    run = paint(method="blend", denoising_strength=[0.6, 0.3], scheduler_options={"a": True})
    for path in frames(run):
        study = study_of_picture(path, output_dir=run.study.output_dir)
        assert study == run.study
    assert study_of_picture(frames(run)[0]).output_dir == Study().output_dir


def test_a_home_directory_may_be_written_short(paint, monkeypatch):
    path = frames(paint())[0]
    monkeypatch.setenv("HOME", str(path.parent))
    assert study_of_picture(f"~/{path.name}") == study_of_picture(path)


def test_a_picture_of_another_program_is_refused_with_what_could_be_taken_over(tmp_path):
    with pytest.raises(RunError) as error:
        study_of_picture(picture_with(A1111, tmp_path / "a.png"))
    assert "AUTOMATIC1111" in error.value.actual
    for value in ("steps=30", "'DPM++ 2M Karras'", "width=640", "clip_skip=2", "'dog'"):
        assert value in error.value.hint


def test_what_is_no_frame_is_refused(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    (tmp_path / "text.png").write_text("words")
    for name, found in [("plain", "no recipe"), ("text", "no picture"), ("absent", "No such file")]:
        with pytest.raises(RunError, match=found):
            study_of_picture(tmp_path / f"{name}.png")
