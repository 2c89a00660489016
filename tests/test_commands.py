"""What hints name: positions in short, and a command that papermill reads as it was meant."""

import shlex

import papermill.cli
import yaml

from flopslab.commands import describe_positions, papermill_command
from flopslab.core.study import Study


def test_missing_positions_are_shown_in_short():
    assert describe_positions([3]) == "3"
    assert describe_positions([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    assert describe_positions([1, 4, 7, 13], interval=3) == "1-7, 13"
    assert describe_positions([*range(1, 40, 2), 41, 42], most=2) == "1, 3 and 20 more"


def test_the_command_gives_papermill_the_same_study():
    study = Study.of(
        output_dir="a dir/it's $5",
        passes=2,
        prompt_prefix="1e3",
        prompt_suffix="None",
        guidance_scale=2.5,
        seed=7,
        sequence="ünï code.json",
        distance_weights=[1, 0.5],
        denoising_strength=[0.75, 0.5],
    )
    program, source, _, *options = shlex.split(papermill_command(study))
    assert (program, source) == ("papermill", "notebooks/run.ipynb")
    read, options = {}, iter(options)
    for flag in options:
        assert flag in ("-p", "-r", "-y")
        if flag == "-y":
            read |= yaml.safe_load(next(options))
        else:
            name, value = next(options), next(options)
            read[name] = value if flag == "-r" else papermill.cli._resolve_type(value)
    assert Study.of(**read) == study


def test_the_command_leaves_out_the_method_that_suits_the_model():
    server = "http://127.0.0.1:7860"
    assert "method" not in papermill_command(Study(model=server))
    assert "-p method grid" in papermill_command(Study(model=server, method="grid"))
    assert "method" not in papermill_command(Study())
