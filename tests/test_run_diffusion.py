"""The whole loop on a real pipeline, tiny and with random weights."""

import generators
import pytest
from painted import WORDS, files, pixels, write_words

from flopslab import windows
from flopslab.passes import run
from flopslab.planning import place
from flopslab.progress import NoProgress


@pytest.fixture
def diffuse(study):
    """`diffuse(**parameters)`: the pixels of the study's run, and how many frames were made."""

    def run_it(**parameters):
        given = {"model": str(generators.directory("embedded")), "limit": 8} | parameters
        asked = study.model_copy(update=given)
        finished = run(asked, generators.shared(), NoProgress())
        return pixels(finished.directory), sum(done.made for done in finished.passes)

    return run_it


def test_a_run_that_was_damaged_and_extended_ends_like_one_in_a_single_go(diffuse, tmp_path):
    expected, _ = diffuse(output_dir=str(tmp_path / "single"))
    diffuse(limit=4)
    (tmp_path / "run" / place(1, 2)).unlink()
    extended, made = diffuse()
    assert extended == expected
    assert made == 1 + 4 + 6, "frame 2, the new ones, and in pass 2 those that see new ones"
    before = files(tmp_path / "run")
    assert diffuse() == (expected, 0)
    assert files(tmp_path / "run") == before


def test_a_changed_word_changes_no_bit_outside_its_cone(diffuse, tmp_path):
    changed = write_words(tmp_path / "other.json", ["comet", *WORDS[1:]])
    one, _ = diffuse(output_dir=str(tmp_path / "one"))
    two, _ = diffuse(output_dir=str(tmp_path / "two"), sequence=changed)
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
