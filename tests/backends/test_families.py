"""What each family can do, run; what it cannot do, refused before the first frame."""

import runpy
from contextlib import contextmanager
from pathlib import Path

import generators
import pytest
from generators import explains, picture, request_of

from flopslab.backends.diffusers.abilities import abilities, check_abilities
from flopslab.core.compositing import METHODS
from flopslab.core.generator import FrameRequest, watching_steps
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study
from flopslab.errors import ParameterError

DOCS = Path(__file__).parents[2] / "docs"
FAMILIES = ["sd", "sd2", "sdxl", "turbo", "lcm", "sd3", "flux", "schnell", "pixart", "sana"]
STEPS = 4
REQUESTS = {  # parameters that ask for an ability
    "negative_prompt": {"negative_prompt": "fog"},
    "clip_skip": {"clip_skip": 2},
    "guidance_stop": {"guidance_stop": 0.5},
    "guidance_rescale": {"guidance_rescale": 0.7},
}

every_family = pytest.mark.parametrize("family", FAMILIES)


def load(family, **parameters):
    small = {"width": 32, "height": 32, "steps": STEPS, "guidance_scale": 2.0}
    return generators.load(family, passes=1, **small | parameters)


@contextmanager
def steps_of(generator):
    """What the generator says of its steps in the `with` block."""
    steps = []
    with watching_steps(generator, lambda *step: steps.append(step)):
        yield steps


def pipes_of(generator):
    return generator._text_to_image, generator._image_to_image


@every_family
def test_a_family_does_what_the_table_says(family):
    generator = load(family)
    able = abilities(pipes_of(generator))
    with steps_of(generator) as steps:
        [image] = generator.generate([request_of()])
    assert image.size == (32, 32)
    assert steps == [(number, STEPS) for number in range(1, STEPS + 1)]
    if able["grid"]:
        assert generator.generate([request_of(init=picture(1))], 0.5)[0].size == (32, 32)
    weighted = Prompt((("sea", 1.4), ("sky", 1.0)))
    if able["word weights"]:
        generator.generate([FrameRequest(weighted, 0)])
    else:
        with pytest.raises(ParameterError, match="word weights"):
            generator.tokens(weighted)  # counted before the first frame


@every_family
def test_what_a_family_can_do_acts_and_the_rest_is_refused(family):
    generator = load(family)
    able = abilities(pipes_of(generator))
    plain = generator.generate([request_of()])[0]
    allowed = {n: v for n, parameters in REQUESTS.items() if able[n] for n, v in parameters.items()}
    if allowed:
        settings = generator.settings | allowed
        other = type(generator)(*pipes_of(generator), settings)
        assert other.generate([request_of()])[0].tobytes() != plain.tobytes()
    for name in REQUESTS.keys() - allowed.keys():
        with pytest.raises(ParameterError) as error:
            check_abilities(Study(passes=1, **REQUESTS[name]), pipes_of(generator))
        assert explains(error, name, type(generator._text_to_image).__name__, f"leave out {name}")


@every_family
def test_a_method_that_a_family_has_not_is_refused_with_those_that_it_has(family):
    pipes = pipes_of(load(family))
    able = abilities(pipes)
    for method in METHODS:
        study = Study(method=method)
        if able[method]:
            check_abilities(study, pipes)
            continue
        with pytest.raises(ParameterError) as error:
            check_abilities(study, pipes)
        assert explains(error, method, "grid" if able["grid"] else "passes to 1")


@pytest.mark.parametrize("family", ["flux", "pixart"])
def test_a_size_that_latents_cannot_be_packed_into_is_refused(family):
    with pytest.raises(ParameterError) as error:
        load(family, width=40)
    assert explains(error, "40 x 32", "multiples of 16", "32 x 32")


def test_no_watermark_is_added_whatever_is_installed(monkeypatch):
    import diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl as module

    monkeypatch.setattr(module, "is_invisible_watermark_available", lambda: True)
    assert all(pipe.watermark is None for pipe in pipes_of(load("sdxl")))


@pytest.mark.parametrize("page", ["families.md", "settings.md"])
def test_the_tables_of_the_documents_are_those_of_the_code(page):
    renew = runpy.run_path(str(DOCS / "make_model_tables.py"))["page"]
    assert (DOCS / page).read_text(encoding="utf-8") == renew(DOCS / page)
