"""A sweep: every combination, equal seeds, nothing made twice, and it goes on where it was."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from cells import cell
from generators import explains
from painted import PaintedGenerator, Painters, pixels, silent

from flopslab.core.study import Study
from flopslab.errors import ParameterError
from flopslab.experiments.sweep import Sweep, axis_values
from flopslab.runs.reader import open_run

pytestmark = pytest.mark.slow

PARAMS = Path(__file__).parents[2] / "params"


@pytest.fixture
def sweep(study: Study) -> Sweep:
    return Sweep(study, {"method": ["grid", "blend"], "denoising_strength": [0.3, 0.6, 0.9]})


def run(sweep: Sweep, painters: Painters) -> tuple:
    return sweep.run(painters, silent(sweep))


def test_there_is_a_study_for_every_combination_and_all_else_is_equal(sweep):
    values = [variant.values for variant in sweep.variants]
    assert len(values) == 6
    assert values[1] == {"method": "grid", "denoising_strength": 0.6}
    for variant in sweep.variants:
        asked = sweep.study.model_dump() | variant.values
        assert variant.study.model_dump(exclude={"output_dir"}) == {
            name: value for name, value in asked.items() if name != "output_dir"
        }


def test_each_run_has_a_directory_of_its_own_below_the_studys(sweep):
    places = {Path(variant.study.output_dir) for variant in sweep.variants}
    assert len(places) == 6
    assert {place.parent for place in places} == {Path(sweep.study.output_dir)}
    assert Path(sweep.study.output_dir) / "method=blend,denoising_strength=0.3" in places


def test_the_bar_knows_what_each_pass_costs(study):
    study = study.replace(passes=3, denoising_strength=[0.6, 0.3])
    assert Sweep(study, {"seed": [1]}).bar([study])._run_costs == [[1.0, 0.6, 0.3]]


@pytest.mark.parametrize("text", ["a/b", "../up", "x" * 300, "שלום", "a\nb", ""])
def test_no_value_can_leave_the_directory_or_break_a_file_name(study, text):
    (variant,) = Sweep(study, {"prompt_prefix": [text]}).variants
    assert Path(variant.study.output_dir).parent == Path(study.output_dir)
    assert len(Path(variant.study.output_dir).name) < 60
    assert variant.study.output_dir.isprintable() and variant.study.output_dir.isascii()


def test_runs_share_the_first_pass_and_nothing_is_made_twice(sweep):
    painters = Painters()
    variants = run(sweep, painters)
    assert painters.frames == 12 + 6 * 12
    assert len(painters.made) == 1  # no axis is a parameter of the model
    assert len({tuple(first_pass(variant).items()) for variant in variants}) == 1
    whole = {tuple(pixels(Path(variant.study.output_dir)).items()) for variant in variants}
    assert len(whole) == 6


def first_pass(variant) -> dict[str, bytes]:
    found = pixels(Path(variant.study.output_dir))
    return {name: data for name, data in found.items() if name.startswith("pass1/")}


@pytest.mark.parametrize("order", [("seed", "method"), ("method", "seed")])
def test_with_two_seeds_each_has_one_first_pass(study, order):
    values = {"seed": [0, 1], "method": ["grid", "blend"]}
    painters = Painters()
    variants = run(Sweep(study, {name: values[name] for name in order}), painters)
    assert painters.frames == 2 * 12 + 4 * 12
    firsts = {variant.values["seed"]: first_pass(variant) for variant in variants}
    assert firsts[0] != firsts[1]


def test_one_log_tells_of_all_runs(study, capsys):
    Sweep(study, {"method": ["grid", "blend"]}).run(Painters())
    capsys.readouterr()
    log = (Path(study.output_dir) / "run.log").read_text()
    assert "run 1/2: 0/48 frames" in log and log.splitlines()[-1].count("run 2/2: 48/48 frames")


def test_longer_runs_take_the_passes_of_shorter_ones(study):
    painters = Painters()
    run(Sweep(study, {"passes": [1, 2, 4]}), painters)
    assert painters.frames == 4 * 12


def test_what_differs_in_the_first_pass_shares_nothing(study):
    painters = Painters()
    run(Sweep(study, {"negative_prompt": ["", "blue"]}), painters)
    assert painters.frames == 2 * 24
    assert len(painters.made) == 2  # a generator has its negative prompt


def test_the_pixels_are_those_of_a_run_on_its_own(sweep, paint, tmp_path):
    variant = run(sweep, Painters())[4]
    alone = paint(output_dir=str(tmp_path / "alone"), **variant.values)
    assert pixels(Path(variant.study.output_dir)) == pixels(alone.directory)


def test_a_sweep_that_was_stopped_goes_on_where_it_was(sweep):
    class Stops(PaintedGenerator):
        def generate(self, requests, strength=1.0):
            if self.calls == 12 + 6:
                raise KeyboardInterrupt
            return super().generate(requests, strength)

    with pytest.raises(KeyboardInterrupt):
        sweep.run(lambda study: Stops(), silent(sweep))
    painters = Painters()
    run(sweep, painters)
    assert painters.frames == 6 + 5 * 12
    again = Painters()
    run(sweep, again)
    assert again.frames == 0


def test_the_batch_size_that_was_found_first_is_kept_for_all(sweep):
    found = iter([4, 2, 2, 2, 2, 2])
    variants = sweep.run(
        lambda study: PaintedGenerator(study.batch_size or next(found)), silent(sweep)
    )
    manifests = [open_run(variant.study.output_dir).manifest for variant in variants]
    assert {manifest["settings"]["batch_size"] for manifest in manifests} == {4}


def test_planes_have_the_first_axis_across_and_the_second_down(study):
    axes = {"method": ["grid", "blend"], "denoising_strength": [0.3, 0.6, 1.0], "seed": [0, 1]}
    planes = Sweep(study, axes).planes
    assert np.shape(planes) == (2, 3, 2)
    assert planes[1][2][0].values == {"method": "grid", "denoising_strength": 1.0, "seed": 1}


@pytest.mark.parametrize("axes", [{}, {"passes": [1, 2]}])
def test_fewer_axes_make_one_plane_of_one_row(study, axes):
    assert np.shape(Sweep(study, axes).planes) == (1, 1, max(len(axes.get("passes", [])), 1))


def test_a_label_says_the_values(sweep):
    assert sweep.variants[1].label == "grid, denoising_strength 0.6"
    assert sweep.variants[1].label_of("denoising_strength", "") == "denoising_strength 0.6"


def test_the_title_says_what_is_compared(study, sweep):
    assert sweep.title == "Comparison of method and denoising_strength"
    assert Sweep(study, {"passes": [1, 2], "seed": [0, 1]}).title == "Comparison of passes"
    assert Sweep(study, {"seed": [0, 1]}).title == "Comparison of seed"
    assert Sweep(study, {}).title == "One run, measured"


def test_frames_of_one_seed_start_from_the_same_noise_in_every_run(study):
    sweep = Sweep(study, {"method": ["grid", "blend"], "seed": [0, 1]})
    seeds: dict[tuple[int, int], set[int]] = {}
    for variant in run(sweep, Painters()):
        for frame in open_run(variant.study.output_dir).manifest["frames"]:
            key = variant.study.seed, frame["position"]
            seeds.setdefault(key, set()).add(frame["seeds"][0])
    assert len(seeds) == 2 * 12 and all(len(noise) == 1 for noise in seeds.values())
    assert seeds[0, 1] != seeds[1, 1]


def test_the_conditions_are_what_is_common_and_no_default(sweep):
    assert sweep.conditions == {
        "sequence": sweep.study.sequence, "model": "tiny", "seed": 0, "passes": 2,
        "context_diameter": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("grid, blend", ["grid", "blend"]),
        ("0.3, 0.6", [0.3, 0.6]),
        ("dpm++, euler_a", ["dpm++", "euler_a"]),
        ("[0.6, 0.3], 0.5", [[0.6, 0.3], 0.5]),
        ('"a, b", ""', ["a, b", ""]),
        (0.5, [0.5]),
        ([2, 4], [2, 4]),
    ],
)
def test_values_are_a_list_or_text_with_commas(values, expected):
    assert axis_values("x", values) == expected


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"methods": ["grid"]}, "use method instead of methods"),
        ({"method": ["gird"]}, "one of grid, blend"),
        ({"denoising_strength": [0.5, 0.50]}, "give each value once"),
        ({"method": []}, "give each value once"),
        ({"output_dir": ["a", "b"]}, "each run has its own"),
    ],
)
def test_a_mistake_in_the_axes_is_found_before_any_work(study, axes, said):
    with pytest.raises(ParameterError, match=said):
        Sweep(study, axes)


def test_a_cell_names_axes_and_common_parameters():
    sweep = Sweep.from_cell(cell(
        {"x_axis": "method", "x_values": "grid, blend", "y_axis": "", "seeds": 2, "seed": 5,
         "probe": "", "passes": 4, "output_dir": "out"}
    ))  # fmt: skip
    assert dict(sweep.axes) == {"method": ["grid", "blend"], "seed": [5, 6]}
    assert sweep.study == Study(passes=4, seed=5, output_dir="out")
    assert [variant.study.seed for variant in sweep.first_unit] == [5, 5]


def test_a_cell_with_a_mistake_is_refused():
    with pytest.raises(ParameterError) as raised:
        Sweep.from_cell(cell({"x_axis": "method", "x_values": "grid, [blend"}))
    assert explains(raised, "method", "[blend")
    with pytest.raises(ParameterError, match="method twice"):
        Sweep.from_cell(
            cell({"x_axis": "method", "x_values": "grid", "y_axis": "method", "y_values": "blend"})
        )
    with pytest.raises(ParameterError, match="use passes instead of pases"):
        Sweep.from_cell(cell({"pases": 3}))


@pytest.mark.parametrize(
    "names",
    [{"seeds": "3"}, {"seeds": 0}, {"y_values": "1, 2"}],
    ids=lambda names: next(iter(names)),
)
def test_seeds_and_values_that_mean_nothing_are_refused(names):
    with pytest.raises(ParameterError, match="a sweep"):
        Sweep.from_cell(cell({"x_axis": "method", "x_values": "grid", "y_axis": ""} | names))


def test_sequences_and_seeds_are_axes_that_repeat_a_comparison():
    values = {"x_axis": "method", "x_values": "grid, blend", "sequences": "demo, tide", "seeds": 2}
    sweep = Sweep.from_cell(cell(values))
    assert [*sweep.axes] == ["method", "sequence", "seed"] and len(sweep.variants) == 8
    assert sweep.title == "Comparison of method"
    assert [v.values["method"] for v in sweep.first_unit] == ["grid", "blend"]


def test_of_the_first_axis_each_value_is_looked_at_with_the_studys_own_others(study):
    axes = {"method": ["grid", "blend"], "image_weight": [0.1, 0.5], "detail": [0.3, 0.6]}
    shown = [v.values for v in Sweep(study, axes).first_axis]
    assert shown == [
        {"method": method, "image_weight": 0.5, "detail": 0.3} for method in ("grid", "blend")
    ]


def test_the_full_comparison_is_a_dose_response_to_convergence_over_sequences_and_seeds():
    sweep = Sweep.from_cell(cell(yaml.safe_load((PARAMS / "compare-full.yaml").read_text())))
    assert sweep.study.passes == 8 and sweep.study.steps == 6
    assert sweep.axes["image_weight"] == [0.1, 0.3, 0.5, 0.7, 0.9]  # at 0 all passes are the first
    assert len(sweep.axes["sequence"]) == 4 and len(sweep.axes["seed"]) == 2
