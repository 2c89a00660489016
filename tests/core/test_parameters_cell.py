"""The parameters of a notebook: the annotated and the injected ones, and nothing else."""

from typing import Any

import pytest

from flopslab.core.study import Study, notebook_parameters
from flopslab.errors import ParameterError

PARAMETERS = 'passes: int = 3  # how many\nmethod: str = "grid"\nlimit: int = 0'


def kernel(*cells: str) -> dict[str, Any]:
    """What `globals()` holds in a kernel that ran these cells."""
    namespace: dict[str, Any] = {"In": ["", *cells]}
    for cell in cells:
        exec("\n".join(line for line in cell.splitlines() if line[:1] != "%"), namespace)
    return namespace


@pytest.mark.parametrize(
    "own",
    ["for i in range(3): pass", 'my_words = ["a", "b"]', "width_of_my_plot: float = 2.0", "_x = 1"],
)
def test_a_users_own_variables_are_free(own):
    assert Study.from_cell(kernel(own, PARAMETERS, own)) == Study()


def test_an_injected_value_counts():
    assert Study.from_cell(kernel(PARAMETERS, "# Parameters\npasses = 2\n")).passes == 2


def test_a_mistyped_name_is_refused_wherever_it_stands():
    for cells in [(PARAMETERS, "# Parameters\npases = 2"), (PARAMETERS.replace("ss", "s"),)]:
        with pytest.raises(ParameterError, match="use passes instead of pases"):
            Study.from_cell(kernel(*cells))


def test_a_mistyped_name_that_was_corrected_is_forgotten():
    wrong, injected = PARAMETERS.replace("ss", "s"), "# Parameters\npasses = {}"
    assert Study.from_cell(kernel(wrong, PARAMETERS)) == Study()
    cells = PARAMETERS, "# Parameters\npases = 5", injected.format(2)
    assert Study.from_cell(kernel(*cells)).passes == 2


def test_a_second_annotated_cell_adds_to_the_first():
    study = Study.from_cell(kernel(PARAMETERS.replace("3", "4"), "width: int = 64"))
    assert (study.passes, study.width) == (4, 64)


def test_a_cell_without_parameters_is_an_error():
    with pytest.raises(ParameterError, match="no annotated parameter"):
        Study.from_cell(kernel("passes = 3"))


def test_names_of_a_notebooks_own_are_offered_too():
    namespace = kernel('run_dir: str = "a"', '# Parameters\nrun_dri = "b"')
    with pytest.raises(ParameterError, match="use run_dir instead of run_dri"):
        notebook_parameters(namespace, ["run_dir", "against"])
