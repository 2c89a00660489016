"""Parameters: checked before any work, explained in our own words."""

from pathlib import Path

import pydantic
from pytest import mark, raises

from flopslab.core import compositing, neighbours, prompts, refinement
from flopslab.core.generator import FEWEST, refinement_schedule
from flopslab.core.parameters import read_parameters
from flopslab.core.study import UNCALIBRATED, Study
from flopslab.errors import ParameterError

SHIPPED = sorted((Path(__file__).parents[2] / "params").glob("*.yaml"))
ORIGINAL = Path(__file__).parents[2] / "params" / "original-method.yaml"
SETS = [path for path in SHIPPED if not path.stem.endswith("-full")]  # those are no single studies
PROPERTIES = Study.model_json_schema()["properties"]
NAMES = [
    "model", "model_configs", "vae", "lora", "textual_inversion", "width", "height", "steps",
    "guidance_scale", "guidance_stop", "guidance_rescale", "scheduler", "scheduler_options",
    "clip_skip", "batch_size", "device", "dtype", "offload", "compile", "sequence", "unit",
    "tier", "offset_ms", "output_dir", "passes", "context_diameter", "frame_interval", "boundary",
    "prompt_style", "prompt_prefix", "prompt_suffix", "negative_prompt", "method",
    "distance_weights", "image_context_multiplier", "image_weight", "ip_adapter",
    "denoising_strength", "colour_anchor", "colour_match", "detail", "seed", "seed_policy",
    "seed_length", "control", "workers", "cluster", "limit", "reuse_from", "proof",
]  # fmt: skip


def refusal(**names):
    with raises(ParameterError) as caught:
        Study.of(**names)
    assert "pydantic" not in str(caught.value)
    return caught.value


def write(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_parameters_are_these_in_this_order():
    assert list(Study.model_fields) == NAMES


def test_the_defaults_are_two_passes_over_the_demo_on_the_embedded_model():
    study = Study.of()
    assert (study.sequence, study.passes, study.model) == ("demo", 2, "tiny")
    assert (study.context_diameter, study.image_context_multiplier) == (10, 2)
    assert (study.denoising_strength, study.image_weight) == (None, 0.5)
    assert (study.boundary, study.prompt_style, study.method) == ("shift", "weighted", "latent")
    assert study.guidance_scale is None


@mark.parametrize(
    ("mistyped", "meant"),
    [("frame_intervall", "frame_interval"), ("num_passes", "passes"), ("SEED", "seed")],
)
def test_an_unknown_name_is_an_error_that_offers_the_nearest(mistyped, meant):
    error = refusal(**{mistyped: 4})
    assert f"{mistyped} = 4" in error.actual
    assert f"use {meant} instead of {mistyped}" in error.hint


def test_a_name_that_is_near_to_none_is_answered_with_all_names():
    assert all(name in refusal(zzz=1).hint for name in NAMES)


def test_several_problems_come_in_one_message():
    error = refusal(passes=0, widht=512, method="gird")
    assert error.actual == "passes = 0; method = 'gird'; widht = 512, which is not a parameter"
    assert error.hint == (
        "passes must be a whole number of at least 1 and at most 1000; "
        "method must be one of grid, blend, latent, ip_adapter; "
        "use width instead of widht"
    )


@mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("passes", 0, "a whole number of at least 1"),
        ("passes", 1.5, "a whole number"),
        ("passes", "3", "a whole number"),
        ("passes", True, "a whole number"),
        ("context_diameter", -1, "at least 0"),
        ("frame_interval", 0, "at least 1"),
        ("boundary", "wrap", "one of shift, clamp"),
        ("prompt_style", "wighted", "one of simple, weighted, themed"),
        ("method", "mosaic", "one of grid, blend, latent, ip_adapter"),
        ("distance_weights", "cosine", "one of flat, triangle, gaussian or a list"),
        ("distance_weights", [], "a list of one or more"),
        ("distance_weights", [1, 0], "each a number above 0"),
        ("denoising_strength", [0.5, 2], "a list of one or more, each a number above 0 and at"),
        ("denoising_strength", [], "a list of one or more"),
        ("colour_anchor", 1.1, "at most 1"),
        ("colour_match", "lab", "one of reinhard, histogram"),
        ("detail", -0.1, "at least 0"),
        ("device", "gpu", "one of auto, cpu, mps, cuda, cuda:0"),
        ("dtype", "fp16", "one of auto, float32, bfloat16, float16"),
        ("guidance_stop", 0, "above 0"),
        ("guidance_rescale", 1.1, "at most 1"),
        ("clip_skip", 0, "at least 1"),
        ("scheduler_options", 3, "or a mapping of names to values"),
        ("seed_policy", "same", "one of per_pass, fixed, shared, slerp"),
        ("image_context_multiplier", -1, "at least 0"),
        ("image_weight", 1.01, "at least 0 and at most 1"),
        ("image_weight", -0.01, "at least 0 and at most 1"),
        ("image_weight", float("nan"), "a number"),
        ("denoising_strength", 0, "above 0 and at most 1"),
        ("denoising_strength", 1.01, "above 0 and at most 1"),
        ("guidance_scale", float("inf"), "a number of at least 0 and at most 1000"),
        ("guidance_scale", "high", "a number of at least 0 and at most 1000"),
        ("width", 500, "a multiple of 8"),
        ("height", -8, "at least 0"),
        ("steps", -1, "at least 0"),
        ("seed", -1, "at least 0"),
        ("seed", 2**63, "at most 9223372036854775807"),
        ("batch_size", -1, "at least 0"),
        ("limit", -1, "at least 0"),
        ("model", "", "not empty"),
        ("output_dir", Path("out"), "text"),
        ("prompt_prefix", "a\0", "readable text"),
        ("prompt_suffix", "\ud800", "readable text"),
    ],
)
def test_a_value_out_of_range_is_refused_with_what_is_allowed(name, value, remedy):
    error = refusal(**{name: value})
    assert error.actual.startswith(f"{name} = ")
    assert error.hint.startswith(f"{name} must be ") and remedy in error.hint


@mark.parametrize(
    ("name", "value"),
    [
        ("image_weight", 0),
        ("image_weight", 1),
        ("denoising_strength", 1),
        ("denoising_strength", 1e-9),
        ("denoising_strength", [0.7, 0.3]),
        ("distance_weights", [1, 0.5, 0.25]),
        ("guidance_stop", 1),
        ("seed", 2**63 - 1),
        ("context_diameter", 0),
        ("image_context_multiplier", 0),
        ("width", 520),
        ("guidance_scale", 0),
        ("prompt_suffix", "🔥\n(a:1.2)"),
    ],
)
def test_a_value_at_the_edge_of_its_range_is_taken(name, value):
    assert getattr(Study.of(**{name: value}), name) == value


def test_a_study_is_frozen():
    with raises(pydantic.ValidationError):
        Study.of().passes = 4


@mark.parametrize(
    ("name", "table"),
    [
        ("prompt_style", prompts.STYLES),
        ("method", compositing.METHODS),
        ("distance_weights", neighbours.WEIGHT_SHAPES),
        ("colour_match", refinement.COLOUR_MATCHES),
    ],
)
def test_the_named_choices_are_those_that_are_implemented(name, table):
    choices = PROPERTIES[name].get("anyOf", [PROPERTIES[name]])
    assert choices[0]["enum"] == list(table)


@mark.parametrize("name", NAMES)
def test_every_parameter_says_what_it_means_and_what_it_defaults_to(name):
    assert PROPERTIES[name]["description"].endswith(".")
    assert "default" in PROPERTIES[name]


def test_the_pixel_parameters_leave_out_where_how_many_and_how_far():
    rest = {"unit", "tier", "offset_ms"}  # the words themselves are in the recipe
    rest |= {"output_dir", "workers", "cluster", "limit", "passes", "reuse_from", "proof"}
    rest |= {"device", "offload"}
    assert set(NAMES) - set(Study.of().pixel_parameters()) == rest


def test_a_yaml_file_maps_names_to_values(tmp_path):
    study = Study.read(write(tmp_path, "passes: 2  # fewer\nprompt_prefix: 'né #1'\n"))
    assert study == Study.of(passes=2, prompt_prefix="né #1")


def test_an_empty_yaml_file_is_the_default_study(tmp_path):
    assert Study.read(write(tmp_path, "# nothing\n")) == Study.of()


@mark.parametrize(
    ("text", "found"),
    [
        ("passes: 2\nseed: 1\npasses: 3\n", "line 3, column 1: passes is given twice"),
        ("passes: [2\n", "line 2, column 1"),
        ("passes:\n\t2\n", "line 2, column 1"),
        ("passes: 2\n---\npasses: 3\n", "line 2"),
        ("passes: !!python/object/apply:os.getcwd []\n", "line 1"),
        ("passes: *nothing\n", "line 1"),
        ("- passes\n", r"no mapping of names, but \['passes'\]"),
        ("7: 2\n", "no mapping of names"),
        ("[" * 1_000, "no readable YAML"),
        (b"passes: \xff\xff", "bytes in line 1 that are not utf-8"),
        ("passes: 0\n", "passes = 0"),
        ("passes: '3'\n", "passes = '3'"),
        ("? [passes]\n: 3\n", "line 1"),
    ],
)
def test_a_broken_yaml_file_is_named_with_the_place(tmp_path, text, found):
    path = write(tmp_path, text)
    with raises(ParameterError, match=found) as caught:
        Study.read(path)
    assert caught.value.expected == f"parameters from {path}"


@mark.parametrize("name", ["missing.yaml", "."])
def test_a_yaml_file_that_cannot_be_read_is_named(tmp_path, name):
    with raises(ParameterError, match="give the path of a YAML file"):
        Study.read(tmp_path / name)


@mark.parametrize("path", SETS, ids=lambda path: path.name)
def test_every_shipped_parameter_set_is_a_study(path):
    assert Study.read(path) != Study.of()


def test_the_method_as_first_described_is_stated_in_full():
    parameters = read_parameters(ORIGINAL)
    described = {"method": "grid", "passes": 3, "denoising_strength": 0.5}
    assert described.items() <= parameters.items()


@mark.parametrize(
    ("model", "method"),
    [
        ("tiny", "latent"),
        ("org/http-model", "latent"),
        ("http://127.0.0.1:7860#name", "blend"),
        ("https://host", "blend"),
    ],
)
def test_an_empty_method_is_the_mean_in_latents_or_in_pixels_on_a_server(model, method):
    study = Study(model=model)
    assert study.method == Study(model=model, method="").method == method
    assert study == Study(model=model, method=method)
    assert Study(model=model, method="grid").method == "grid"
    assert study.replace(seed=1).method == method


def test_there_are_shipped_parameter_sets():
    assert {"quick.yaml", "production.yaml"} <= {path.name for path in SETS}
    assert {"original-method.yaml", "most-coherent.yaml", "fastest.yaml"} <= {p.name for p in SETS}


@mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_parameter_set_says_what_it_is_for(path):
    assert path.read_text().startswith("# ")


@mark.parametrize(
    ("name", "meant"),
    [
        ("kernel", "distance_weights"),
        ("cfg_scale", "guidance_scale"),
        ("strength", "denoising_strength"),
        ("sampler", "scheduler"),
        ("num_inference_steps", "steps"),
        ("frame_intervall", "frame_interval"),
    ],
)
def test_a_name_of_another_tool_or_a_misspelt_one_is_answered_with_the_right_one(name, meant):
    with raises(ParameterError, match=f"use {meant} instead of {name}"):
        Study(**{name: 1})


@mark.parametrize("name", ["gamma", "fps", "foo"])
def test_where_nothing_is_near_nothing_is_offered(name):
    with raises(ParameterError, match=f"drop {name}; there are model, model_configs, "):
        Study(**{name: 1})


@mark.parametrize("parameters", [{"passes": -3}, {"pases": 2}, {"seed": 1.5}])
def test_a_changed_study_is_checked_like_any_other(parameters):
    copies = [Study().model_copy, Study().copy]
    for change in (Study().replace, *(lambda c=c, **n: c(update=n) for c in copies)):
        with raises(ParameterError):
            change(**parameters)
    assert Study(passes=2).replace(seed=3) == Study(passes=2, seed=3)


@mark.parametrize("steps", [4, 6, 12, 20, 50])
def test_a_refinement_starts_near_any_strength_and_never_runs_fewer_steps_for_a_larger_one(steps):
    strengths = [n / 100 for n in range(1, 101)]
    schedules = [refinement_schedule(steps, strength) for strength in strengths]
    counts = [count for count, _ in schedules]
    assert counts == sorted(counts)
    for strength, (count, length) in zip(strengths, schedules, strict=True):
        assert FEWEST <= count <= max(steps * strength + 1, FEWEST)
        assert abs(count / length - strength) <= max(strength**2 / count, 0.001)


def test_no_schedule_is_longer_than_the_scheduler_has():
    assert refinement_schedule(4, 1e-9, 50) == (2, 50)
    assert refinement_schedule(1, 0.5) == (1, 2)


def test_a_list_of_strengths_gives_each_refinement_pass_its_own_and_the_last_holds_on():
    study = Study.of(denoising_strength=[0.7, 0.5, 0.3])
    assert [study.strength(number) for number in range(1, 7)] == [1.0, 0.7, 0.5, 0.3, 0.3, 0.3]
    assert [Study.of().strength(number) for number in (1, 2)] == [1.0, UNCALIBRATED]


def test_a_whole_number_of_steps_is_run_as_it_is():
    assert refinement_schedule(12, 0.5) == (6, 12)
    assert refinement_schedule(12, 0.25) == (3, 12)


def test_a_study_reads_its_words_as_it_says(tmp_path):
    path = tmp_path / "song.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nfire and ice\n")
    words = Study(sequence=str(path), unit="word", offset_ms=500).read_words().words
    assert [(word.text, word.start_ms) for word in words][::2] == [("fire", 1500), ("ice", 2200)]


def test_words_that_were_written_down_are_read_as_they_stand(tmp_path):
    study = Study(unit="word", tier="phones", offset_ms=500).with_sequence(tmp_path / "own.json")
    assert (study.unit, study.tier, study.offset_ms) == ("line", "", 0)
