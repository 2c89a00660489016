from painted import PaintedGenerator

from flopslab.params import Study
from flopslab.planning import frame_seed, plan
from flopslab.sequence import Word


def test_the_worked_example_of_words_and_images():
    words = [Word(f"word{position}") for position in range(1, 101)]
    study = Study.of(context_diameter=4)
    for number, images in ((1, range(0)), (2, range(21, 30)), (3, range(21, 30))):
        frame = plan(study, words, number, PaintedGenerator())[24]
        assert frame.position == 25
        assert frame.window == range(23, 28)
        assert frame.prompt.text == "word23 word24 word25 word26 word27"
        assert frame.inputs == images


def test_a_seed_of_63_bits_for_every_run_position_and_pass():
    seeds = {
        frame_seed(run, position, number)
        for run in (0, 1, 2**63 - 1)
        for position in range(1, 31)
        for number in (1, 2, 3)
    }
    assert len(seeds) == 3 * 30 * 3
    assert all(0 <= seed < 2**63 for seed in seeds) and max(seeds) > 2**62
    assert frame_seed(0, 1, 1) == 1210332789291578920, "seeds are for ever: runs depend on them"


def test_style_prefix_and_suffix_enter_the_prompt():
    words = [Word("ocean", size=5)]
    study = Study.of(prompt_style="themed", prompt_prefix="photo of", prompt_suffix="4k")
    (frame,) = plan(study, words, 1, PaintedGenerator())
    assert frame.prompt.text == "photo of blue toned, ocean, ethereal, dreamlike 4k"
