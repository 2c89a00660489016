"""The whole loop on real pipelines, tiny and with random weights."""

import generators
import numpy as np
import pytest
from generators import same
from painted import WORDS, files, pixels, write_words

from flopslab.core import windows
from flopslab.core.compositing import METHODS, Context
from flopslab.core.generator import FrameRequest
from flopslab.core.plan import place
from flopslab.core.prompts import Prompt
from flopslab.core.windows import FrameKey
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.runs.reader import open_run


@pytest.fixture
def diffuse(study):
    """`diffuse(**parameters)`: the pixels of the study's run, and how many frames were made."""

    def run_it(family="embedded", **parameters):
        given = {"model": str(generators.directory(family)), "limit": 8} | parameters
        asked = study.replace(**given)
        finished = run(asked, generators.copied(family, **_loads(asked)), NullProgress())
        return pixels(finished.directory), sum(done.made for done in finished.passes)

    return run_it


def _loads(study) -> dict:
    """What a generator must be loaded for."""
    return {"method": study.method} if METHODS[study.method].weighs_images else {}


every_method = pytest.mark.parametrize("method", METHODS)


@every_method
def test_a_run_that_was_damaged_and_extended_ends_like_one_in_a_single_go(
    diffuse, tmp_path, method
):
    expected, _ = diffuse(method=method, output_dir=str(tmp_path / "single"))
    diffuse(method=method, limit=4)
    (tmp_path / "run" / place(1, 2)).unlink()
    extended, made = diffuse(method=method)
    assert extended == expected
    assert made == 1 + 4 + 6, "frame 2, the new ones, and in pass 2 those that see new ones"
    before = files(tmp_path / "run")
    assert diffuse(method=method) == (expected, 0)
    assert files(tmp_path / "run") == before


@every_method
def test_a_changed_word_changes_no_bit_outside_its_cone(diffuse, tmp_path, method):
    changed = write_words(tmp_path / "other.json", ["comet", *WORDS[1:]])
    corrected = {"colour_anchor": 0.5, "detail": 0.5}
    one, _ = diffuse(method=method, **corrected, output_dir=str(tmp_path / "one"))
    two, _ = diffuse(method=method, **corrected, output_dir=str(tmp_path / "two"), sequence=changed)
    frames = windows.positions(12, limit=8)
    inside = {
        str(place(number, position))
        for number in (1, 2)
        for position in frames
        if 1 in windows.cone(position, number, 12, frames, 2, 2)
    }
    differing = {name for name in one if one[name] != two[name]}
    assert {str(place(1, 1)), str(place(1, 2)), str(place(2, 1))} <= differing <= inside
    assert len(inside) == 2 + 4, "of 16: random weights need not pass on a small difference"


@every_method
@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_every_method_runs_on_pipelines_shaped_like_sd_and_sdxl(diffuse, family, method):
    found, made = diffuse(family=family, method=method, limit=3, passes=3)
    assert made == 9 and len(set(found.values())) == 9


@every_method
def test_eight_frames_at_once_are_those_of_one_by_one(study, tmp_path, method):
    """In the references used: arithmetic on eight rows may differ from one in the last bit."""
    given = {"method": method, "limit": 8, "model": str(generators.directory("embedded"))}
    found = []
    for size in (8, 1):
        asked = study.model_copy(update=given | {"output_dir": str(tmp_path / str(size))})
        generator = generators.load(method=method, batch_size=size)
        found.append(pixels(run(asked, generator, NullProgress()).directory))
    together, alone = found
    for name in together:
        levels = (np.frombuffer(frames[name], np.uint8).astype(int) for frames in found)
        assert np.abs(np.subtract(*levels)).max() <= 2, name
    assert len(together) == len(alone) == 16


def test_at_image_weight_0_the_frames_are_those_without_neighbours(diffuse, tmp_path):
    looking = {"method": "ip_adapter", "image_weight": 0.0, "passes": 3}
    alone = {"method": "grid", "image_context_multiplier": 0, "passes": 3}
    without, _ = diffuse(**looking, output_dir=str(tmp_path / "a"))
    assert without == diffuse(**alone, output_dir=str(tmp_path / "b"))[0]


def test_neighbours_enter_by_the_adapter_with_and_without_the_frames_own(diffuse, tmp_path):
    found = [
        diffuse(method="ip_adapter", denoising_strength=d, output_dir=str(tmp_path / f"{d}"))[0]
        for d in (0.5, 1.0)
    ]
    first, second = str(place(1, 4)), str(place(2, 4))
    assert found[0][first] == found[1][first] and found[0][second] != found[1][second]


@pytest.mark.parametrize("family", ["sd", "embedded"])
def test_latents_go_from_pass_to_pass_without_a_picture_between(diffuse, tmp_path, family):
    """One step of little noise: what is left is what the round trip through pixels would lose."""
    given = {"image_context_multiplier": 0, "denoising_strength": 0.4, "limit": 1, "passes": 2}
    diffuse(family=family, method="latent", **given)
    generator = generators.copied(family)
    run_directory = open_run(tmp_path / "run")
    stored = run_directory.latents(FrameKey(1, 1))
    picture = run_directory.image(FrameKey(1, 1))
    np.testing.assert_array_equal(np.asarray(generator.decode(stored)), np.asarray(picture))
    recipe = run_directory.frame(FrameKey(2, 1))[1]
    request = FrameRequest(
        Prompt(tuple(map(tuple, recipe.pixels["prompt"]))),
        recipe.pixels["seed"],
        Context(latents=stored),
    )
    assert same(generator.generate([request], 0.4)[0], run_directory.image(FrameKey(2, 1)))
