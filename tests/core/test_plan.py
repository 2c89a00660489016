from painted import PaintedGenerator

from flopslab.core.plan import Plan, frame_seed, noise_of
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey
from flopslab.words.sequence import Word

PAINTED = PaintedGenerator()


def test_the_worked_example_of_words_and_images():
    words = [Word(f"word{position}") for position in range(1, 101)]
    study = Study.of(context_diameter=4)
    for number, images in ((1, []), (2, [*range(21, 30)]), (3, [*range(21, 30)])):
        frame = Plan(study, words, PaintedGenerator()).frames(number)[24]
        assert frame.key == FrameKey(number, 25)
        assert frame.window == range(23, 28)
        assert frame.prompt.text == "word23 word24 word25 word26 word27"
        assert [entry.position for entry in frame.inputs] == images


def test_a_seed_of_63_bits_for_every_run_position_and_pass():
    seeds = {
        frame_seed(run, FrameKey(number, position))
        for run in (0, 1, 2**63 - 1)
        for position in range(1, 31)
        for number in (1, 2, 3)
    }
    assert len(seeds) == 3 * 30 * 3
    assert all(0 <= seed < 2**63 for seed in seeds) and max(seeds) > 2**62
    assert frame_seed(0, FrameKey(1, 1)) == 1210332789291578920, (
        "seeds are for ever: runs depend on them"
    )


def test_style_prefix_and_suffix_enter_the_prompt():
    words = [Word("ocean", size=5)]
    study = Study.of(prompt_style="themed", prompt_prefix="photo of", prompt_suffix="4k")
    (frame,) = Plan(study, words, PaintedGenerator()).frames(1)
    assert frame.prompt.text == "photo of blue toned, ocean, ethereal, dreamlike 4k"


def test_the_fixed_policy_gives_every_pass_the_seed_of_the_first():
    words = [Word("ocean"), Word("sea")]
    seeds = {
        policy: [
            [
                frame.seed
                for frame in Plan(Study.of(seed_policy=policy), words, PAINTED).frames(number)
            ]
            for number in (1, 2, 3)
        ]
        for policy in ("per_pass", "fixed")
    }
    first = seeds["per_pass"][0]
    assert seeds["fixed"] == [first] * 3
    assert len({seed for of_pass in seeds["per_pass"] for seed in of_pass}) == 6


def test_frames_know_their_tokens_and_the_weights_of_what_they_look_at():
    words = [Word(f"word{position}") for position in range(1, 9)]
    study = Study.of(context_diameter=2, frame_interval=2, method="blend", distance_weights=[2, 1])
    frame = Plan(study, words, PAINTED).frames(2)[1]
    assert frame.tokens == 3
    assert weights(frame) == {1: 0.25, 3: 0.5, 5: 0.25}
    assert Plan(study, words, PAINTED).frames(1)[1].inputs == ()
    grid = Plan(
        Study.of(method="grid", context_diameter=2, distance_weights=[2, 1]), words, PAINTED
    ).frames(2)[1]
    assert {*weights(grid).values()} == {0.25}, "a grid shows all alike"


def weights(frame) -> dict[int, float]:
    return {entry.position: entry.weight for entry in frame.inputs}


def noises(policy: str, number: int = 1, **parameters) -> list:
    study = Study.of(seed_policy=policy, **parameters)
    return [noise_of(study, FrameKey(number, position)) for position in range(1, 14)]


def test_shared_noise_is_one_for_all_positions_and_another_in_each_pass():
    first, second = noises("shared"), noises("shared", 2)
    assert len(set(first)) == len(set(second)) == 1 and first != second
    assert all(turn is None for _, turn in first)


def test_noise_that_turns_is_a_draw_of_its_own_every_so_many_positions():
    noise = noises("slerp", seed_length=4)
    anchors = [noise[index] for index in (0, 4, 8, 12)]
    assert all(turn is None for _, turn in anchors) and len({seed for seed, _ in anchors}) == 4
    for index in (1, 2, 3):
        seed, turn = noise[index]
        assert (seed, turn.seed, turn.share) == (anchors[0][0], anchors[1][0], index / 4)
    assert noises("slerp", 2, seed_length=4)[1] != noise[1]
    assert noises("slerp", seed_length=1) == noises("per_pass")
