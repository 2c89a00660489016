"""Interventions: what is inside the cone is made, what is outside is the base run's own."""

import itertools
import json
import random
import zlib
from pathlib import Path

import numpy as np
import pytest
from painted import WORDS, PaintedGenerator, files, pixels
from PIL import Image

from flopslab.core.compositing import METHODS
from flopslab.core.study import Study
from flopslab.core.windows import FrameKey, Windowing
from flopslab.errors import ParameterError, RunError, SequenceError
from flopslab.experiments import influence, interventions
from flopslab.experiments.changes import affected_frames, external_frames
from flopslab.experiments.interventions import Insert, Intervention, Remove, Replace, ReplaceFrame
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.runs.reader import open_run

CHANGES = {"replace": Replace(6, "comet"), "remove": Remove(6), "insert": Insert(6, "comet")}
every_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


class Counted(NullProgress):
    """Counts what an only bar is told."""

    def __init__(self) -> None:
        self.bars, self.made, self.kept = [], 0, 0

    def start(self, frames):
        self.bars.append(sum(frames))

    def advance(self, pass_number, count, words):
        self.made += count

    def keep(self, pass_number, count):
        self.kept += count


@pytest.mark.parametrize(("count", "place"), [(1, "{0}/run.log"), (2, "{0}/../run.log")])
def test_interventions_are_logged_where_they_are(study, capsys, count, place):
    changes = list(CHANGES.values())[:count]
    results = interventions.intervene_each(study, changes, PaintedGenerator())
    capsys.readouterr()
    log = Path(place.format(results[0].directory)).read_text()
    assert log.splitlines()[0].endswith("frames") and f"{count} intervention" in log


def intervene(study: Study, change, generator=None, **options) -> Intervention:
    return interventions.intervene(
        study, change, generator or PaintedGenerator(), NullProgress(), **options
    )


def differing(found: Intervention) -> dict[int, set[int]]:
    """Positions of the frames that are not the base run's to the last bit, by pass."""
    base, other = pixels(found.base), pixels(found.directory)
    assert base.keys() == other.keys()
    names = [Path(name) for name in base if base[name] != other[name]]
    return {
        number: {int(name.stem[6:]) for name in names if name.parent.name == f"pass{number}"}
        for number in found.cone
    }


def reached(study: Study, position: int, length: int) -> dict[int, set[int]]:
    """The frames in whose cone of words the position lies, by pass."""
    windowing = Windowing(study, length)
    return {
        number: {p for p in windowing.positions if position in windowing.cone(FrameKey(number, p))}
        for number in range(1, study.passes + 1)
    }


# The cone


@every_change
def test_a_change_changes_its_cone_and_nothing_else(study, change):
    found = intervene(study, change)
    assert differing(found) == {n: set(p) for n, p in found.cone.items()} == reached(study, 6, 12)


@every_change
def test_frames_are_computed_in_the_cone_and_shared_outside(study, change):
    run(study, PaintedGenerator(), NullProgress())
    generator = PaintedGenerator()
    found = intervene(study, change, generator)
    assert found.computed == {number: len(reached) for number, reached in found.cone.items()}
    assert generator.calls == sum(found.computed.values()) == 3 + 7
    assert found.reused == {1: 9, 2: 5}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_twenty_random_interventions_leave_everything_outside_untouched(study, tmp_path, method):
    chance, inside = random.Random(method), 0
    for number in range(20):
        asked = {
            "passes": 3,
            "method": method,
            "denoising_strength": chance.choice([0.25, 0.5, 0.75]),
            "colour_anchor": chance.choice([0.0, 0.0, 0.5]),
            "context_diameter": chance.choice([0, 2, 3]),
            "image_context_multiplier": chance.choice([0, 1, 2]),
            "frame_interval": chance.choice([1, 1, 2]),
            "boundary": chance.choice(["shift", "clamp"]),
            "output_dir": str(tmp_path / f"run{number}"),
        }
        asked = study.replace(**asked)
        position = chance.randint(1, 12)
        changes = Replace(position, "comet"), Remove(position), Insert(position, "comet")
        found = intervene(asked, chance.choice(changes))
        assert found.cone == {n: tuple(sorted(p)) for n, p in reached(asked, position, 12).items()}
        for n, positions in differing(found).items():
            assert positions <= set(found.cone[n])
            inside += len(positions)
    assert inside > 100


def test_a_picture_of_ones_own_spreads_from_its_place_alone(study, tmp_path):
    Image.effect_noise((90, 40), 80).save(tmp_path / "own.png")
    found = intervene(study, ReplaceFrame(6, tmp_path / "own.png"))
    assert found.cone == {1: (6,), 2: (4, 5, 6, 7, 8)}
    assert differing(found) == {1: {6}, 2: {4, 5, 6, 7, 8}}
    assert found.computed == {1: 1, 2: 5}
    assert open_run(found.directory).frame(FrameKey(1, 6))[0].size == (12, 8)


def test_a_picture_of_ones_own_may_be_of_one_colour(study, tmp_path):
    Image.new("RGB", (12, 8), "red").save(tmp_path / "own.png")
    found = intervene(study, ReplaceFrame(6, tmp_path / "own.png"))
    assert open_run(found.directory).image(FrameKey(1, 6)).getcolors() == [(96, (255, 0, 0))]


@pytest.mark.parametrize("image", [Image.new("L", (12, 8)), Image.new("RGB", (8, 12))])
def test_a_picture_from_outside_must_be_one_that_the_model_could_have_made(study, image):
    with pytest.raises(ParameterError, match="give it in RGB, 12 x 8 pixels"):
        run(study, PaintedGenerator(), NullProgress(), external_frames={6: image})


def test_a_run_with_a_picture_from_outside_is_no_run_of_the_study_alone(study, tmp_path):
    Image.effect_noise((12, 8), 80).save(tmp_path / "own.png")
    found = intervene(study, ReplaceFrame(6, tmp_path / "own.png"))
    before = files(found.directory)
    alone = study.replace(**{"output_dir": str(found.directory)})
    with pytest.raises(RunError, match="external_frames = "):
        run(alone, PaintedGenerator(), NullProgress())
    assert files(found.directory) == before


# What a change does to the words


def words_of(found: Intervention, number: int, position: int) -> list[str]:
    return open_run(found.directory).recipe(FrameKey(number, position)).prompt_words


def test_a_removed_word_leaves_its_slot_and_every_other_word_in_place(study):
    found = intervene(study, Remove(6))
    assert [words_of(found, 1, p) for p in (5, 6, 7, 8)] == [
        ["ocean", "stone"], ["stone", "light"], ["light", "shadow"], ["light", "shadow", "winter"],
    ]  # fmt: skip


def test_an_inserted_word_shares_the_slot(study):
    found = intervene(study, Insert(6, "comet"))
    assert words_of(found, 2, 6) == ["stone", "river comet", "light"]


def test_all_seeds_stay(study):
    found = intervene(study, Insert(6, "comet"))
    base, changed = (open_run(d).manifest["frames"] for d in (found.base, found.directory))
    assert [frame["seeds"] for frame in base] == [frame["seeds"] for frame in changed]


def test_size_and_timing_stay_with_the_place(study, tmp_path):
    entry = {"word": "river", "font_size": 4, "instance": 2, "start_ms": 10, "end_ms": 20}
    (tmp_path / "timed.json").write_text(json.dumps([entry]))
    asked = study.replace(**{"sequence": str(tmp_path / "timed.json"), "passes": 1})
    (word,) = open_run(intervene(asked, Replace(1, "comet")).directory).manifest["sequence"]
    assert word == entry | {"word": "comet"}


# Directories


def test_words_never_become_paths(study, tmp_path):
    found = intervene(study, Replace(6, "../../$(rm) \n🌊"))
    assert found.directory.parent == tmp_path / "run-interventions"
    assert found.directory.name.isalnum() and len(found.directory.name) == 16
    assert words_of(found, 1, 6)[1] == "../../$(rm) \n🌊"


def test_an_intervention_that_is_asked_for_again_is_kept(study):
    first = intervene(study, CHANGES["replace"])
    before, generator = files(first.directory), PaintedGenerator()
    again = intervene(study, CHANGES["replace"], generator)
    assert again == first and generator.calls == 0
    assert {name: content for name, (content, _) in files(first.directory).items()} == {
        name: content for name, (content, _) in before.items()
    }


def test_each_change_has_a_directory_and_each_directory_one_change(study, tmp_path):
    changes = [*CHANGES.values(), Replace(7, "comet"), Replace(6, "comet ")]
    found = interventions.intervene_each(study, changes, PaintedGenerator(), NullProgress())
    assert len({each.directory for each in found}) == len(changes)
    with pytest.raises(RunError, match="another one"):
        intervene(study, changes[1], directory=found[0].directory)
    (found[0].directory / "intervention.json").write_bytes(b"\xff")
    with pytest.raises(RunError, match="another one"):
        intervene(study, changes[0])
    elsewhere = intervene(study, changes[1], directory=tmp_path / "elsewhere")
    assert elsewhere.directory == tmp_path / "elsewhere"


# Many


def test_no_changes_are_no_interventions(study):
    assert interventions.intervene_each(study, []) == []


def test_a_picture_too_large_to_be_one_is_refused(tmp_path, monkeypatch):
    Image.new("RGB", (64, 64)).save(tmp_path / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64)
    with pytest.raises(ParameterError, match="exceeds limit"):
        external_frames(ReplaceFrame(6, tmp_path / "huge.png"), (12, 8))


def test_many_interventions_are_one_bar_and_go_on_where_they_stopped(study):
    run(study, PaintedGenerator(), NullProgress())
    changes = [Replace(position, "comet") for position in (2, 6, 10)]

    class Stopping(PaintedGenerator):
        def generate(self, requests, strength=1.0):
            if self.calls >= 12:
                raise KeyboardInterrupt
            return super().generate(requests, strength)

    stopping, first, then = Stopping(), Counted(), Counted()
    with pytest.raises(KeyboardInterrupt):
        interventions.intervene_each(study, changes, stopping, first)
    generator = PaintedGenerator()
    found = interventions.intervene_each(study, changes, generator, then)
    total = sum(len(reached) for each in found for reached in each.cone.values())
    assert first.bars == [total]
    assert (then.bars[-1], then.made, then.kept) == (total, generator.calls, stopping.calls)
    assert then.made + then.kept == total
    assert [each.change for each in found] == changes


def test_a_base_run_that_is_missing_is_made_first(study):
    generator = PaintedGenerator()
    found = intervene(study, CHANGES["replace"], generator)
    assert generator.calls == 24 + 10
    assert len(open_run(found.base).manifest["frames"]) == 12


# What is refused


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (Replace(0, "comet"), "12 words"),
        (Remove(13), "12 words"),
        (Replace(6, WORDS[5]), "nothing that would change"),
        (ReplaceFrame(6, Path("missing.png")), "missing.png"),
    ],
    ids=str,
)
def test_a_change_of_nothing_is_refused(study, change, found):
    with pytest.raises(ParameterError, match=found) as caught:
        intervene(study, change)
    assert caught.value.hint


def test_a_picture_needs_a_frame_to_replace(study, tmp_path):
    asked = study.replace(**{"frame_interval": 3})
    with pytest.raises(ParameterError, match="no frame at position 6"):
        intervene(asked, ReplaceFrame(6, tmp_path / "own.png"))


def test_a_picture_has_no_latents_for_a_method_that_reads_them(study, tmp_path):
    Image.effect_noise((12, 8), 80).save(tmp_path / "own.png")
    asked = study.replace(**{"method": "latent"})
    with pytest.raises(ParameterError, match="method latent, which reads latents"):
        intervene(asked, ReplaceFrame(6, tmp_path / "own.png"))


@pytest.mark.parametrize("word", ["", " ", "a\0b", "\ud800"])
def test_a_word_that_no_sequence_holds_is_refused_before_any_run(study, word):
    for change in Replace(6, word), Insert(6, word):
        with pytest.raises(SequenceError):
            interventions.intervene_each(
                study, [Remove(6), change], PaintedGenerator(), NullProgress()
            )
    assert not Path(study.output_dir).exists()


# The front


class Stirring(PaintedGenerator):
    """Paints from every bit of what it is shown, as a model without rounding would."""

    def _paint(self, request, strength):
        picture, context = super()._paint(request, strength), request.context
        if context.init is None:
            return picture
        seed = zlib.crc32(context.init.tobytes() + picture.tobytes())
        return np.random.default_rng(seed).random((3, 8, 12), dtype=np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("diameter", "multiplier"), [*itertools.product([2, 4, 6], [1, 2, 3])])
def test_the_measured_front_is_the_predicted_one(tmp_path, diameter, multiplier):
    study = Study.of(
        sequence="demo",
        output_dir=str(tmp_path / "run"),
        context_diameter=diameter,
        image_context_multiplier=multiplier,
        passes=3,
        method="blend",
        denoising_strength=0.5,
    )
    found = intervene(study, Replace(24, "comet"), Stirring(batch_size=4))
    measured = influence.front(influence.influence([found]))[0]
    assert measured.tolist() == [Windowing(study, 12).reach(number) for number in (1, 2, 3)]
    assert found.computed == {number: len(reached) for number, reached in found.cone.items()}


@pytest.mark.torch
def test_the_embedded_model_changes_all_of_the_cone_and_nothing_outside(tmp_path):
    study = Study.of(
        output_dir=str(tmp_path / "run"), context_diameter=2, steps=2, batch_size=4, limit=8,
        passes=3, image_context_multiplier=1, denoising_strength=0.5,
    )  # fmt: skip
    found = interventions.intervene(study, Replace(5, "fire"), progress=NullProgress())
    assert differing(found) == {n: set(p) for n, p in found.cone.items()} == reached(study, 5, 48)
    assert found.computed == {1: 3, 2: 5, 3: 7}


@pytest.mark.parametrize(("diameter", "multiplier"), [*itertools.product([2, 4, 6], [1, 2, 3])])
def test_the_cone_reaches_r_and_for_each_further_pass_the_image_reach(diameter, multiplier):
    study = Study.of(passes=3, context_diameter=diameter, image_context_multiplier=multiplier)
    radius, reach = diameter // 2, diameter // 2 * multiplier
    for number, positions in affected_frames(study, Remove(100), 200).items():
        far = radius + (number - 1) * reach
        assert positions == tuple(range(100 - far, 101 + far))


def test_an_intervention_has_one_identity_wherever_its_words_lie(study, tmp_path):
    copy = tmp_path / "copy.json"
    copy.write_text(json.dumps({"sequence": [{"word": word} for word in WORDS]}))
    change, there = Replace(6, "comet"), study.replace(sequence=str(copy))
    directory = intervene(study, change).directory
    assert interventions.intervention_directory(there, change) == directory
    assert intervene(there, change).directory == directory
    others = [
        interventions.intervention_directory(study, Replace(6, "moon")),
        interventions.intervention_directory(study, Insert(6, "comet")),
    ]
    assert len({directory, *others}) == 3


@pytest.mark.parametrize(
    "spelling", [{"batch_size": 2}, {"steps": 4}, {"image_weight": 0.7}], ids=str
)
@pytest.mark.filterwarnings("ignore::flopslab.errors.FlopslabWarning")
def test_an_intervention_has_one_identity_however_the_study_spells_it(study, spelling):
    change, generator = Replace(6, "comet"), PaintedGenerator()
    directory = intervene(study, change, generator).directory
    calls = generator.calls
    assert intervene(study.replace(**spelling), change, generator).directory == directory
    assert generator.calls == calls


def test_an_intervention_without_a_base_run_has_no_place(study):
    with pytest.raises(RunError, match="run the study first"):
        interventions.intervention_directory(study, Replace(6, "comet"))


@pytest.mark.parametrize("change", [Replace(6, "comet"), Insert(6, "comet")])
def test_a_word_in_a_silent_place_is_heard(study, tmp_path, change):
    words = [{"word": word, "silent": n == 6} for n, word in enumerate(WORDS, start=1)]
    path = tmp_path / "silent.json"
    path.write_text(json.dumps(words))
    found = intervene(study.replace(sequence=str(path)), change)
    assert words_of(found, 1, 6) == ["stone", "comet", "light"]
    assert found.computed == {number: len(cone) for number, cone in found.cone.items()}


@pytest.mark.parametrize(
    ("change", "method", "reason"),
    [
        (ReplaceFrame(6, Path("nowhere.png")), "grid", "nowhere.png"),
        (ReplaceFrame(6, Path(__file__)), "latent", "reads latents"),
    ],
)
def test_a_picture_that_cannot_be_used_is_refused_before_any_frame(study, change, method, reason):
    generator = PaintedGenerator()
    with pytest.raises(ParameterError, match=reason):
        intervene(study.replace(method=method), change, generator)
    assert generator.calls == 0 and not Path(study.output_dir).exists()


def test_an_empty_word_is_refused_in_plain_words(study):
    with pytest.raises(SequenceError, match="a word, ''"):
        intervene(study, Replace(6, ""))


def test_times_are_shifted_once_in_the_base_run_and_in_an_intervention(study, tmp_path):
    lines = [f"{n}\t{n + 1}\t{word}\n" for n, word in enumerate(WORDS)]
    (tmp_path / "labels.txt").write_text("".join(lines))
    study = study.replace(sequence=str(tmp_path / "labels.txt"), offset_ms=250)
    found = intervene(study, Replace(6, "comet"))
    runs = open_run(found.base), open_run(found.directory)
    starts = [run.manifest["frames"][0]["audio_start_ms"] for run in runs]
    assert starts == [250, 250]
