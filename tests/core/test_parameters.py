"""The parameters of a notebook: what is one, and what is the user's own variable."""

from pytest import raises

from flopslab.core.parameters import notebook_parameters
from flopslab.core.study import Study
from flopslab.errors import ParameterError

CELL = "passes: int = 3  # how many\nframe_interval: int = 1\nguidance_scale: float = None\n"


def notebook(*cells: str) -> dict[str, object]:
    """The kernel's namespace after these cells, as IPython keeps it."""
    namespace: dict[str, object] = {"In": ["", *cells]}
    for source in cells:
        exec(source, namespace)
    return namespace


def test_annotated_names_are_parameters():
    study = Study.from_cell(notebook("import json", CELL))
    assert study == Study(passes=3, frame_interval=1)


def test_what_papermill_injects_is_a_parameter():
    study = Study.from_cell(notebook(CELL, "# Parameters\npasses = 5\nseed = 7\n"))
    assert (study.passes, study.seed) == (5, 7)


def test_a_users_own_variables_are_left_alone():
    own = "for i in range(3): pass", "my_words = ['a']\nsteps = 'mine'", "count: int = 4"
    assert Study.from_cell(notebook(CELL, *own)) == Study(passes=3)


def test_a_value_that_is_set_anew_counts():
    assert Study.from_cell(notebook(CELL, "passes = 4")).passes == 4


def test_a_misspelt_name_is_noticed_wherever_it_comes_from():
    misspelt = CELL.replace("frame_interval", "frame_intervall")
    for cells in [(misspelt,), (CELL, "# Parameters\nframe_intervall = 4")]:
        with raises(ParameterError, match="use frame_interval instead") as caught:
            Study.from_cell(notebook(*cells))
        assert caught.value.expected == "parameters from this notebook"


def test_a_parameter_hidden_by_a_module_is_not_overlooked():
    with raises(ParameterError, match="sequence must be readable text"):
        Study.from_cell(notebook("sequence: str = 'demo'", "import json as sequence"))


def test_names_that_papermill_adds_for_itself_are_ignored():
    cell = "# Parameters\nPAPERMILL_INPUT_PATH = 'run.ipynb'\npasses = 2"
    assert Study.from_cell(notebook(CELL, cell)).passes == 2


def test_magic_commands_do_not_hide_the_parameters():
    namespace = notebook(CELL)
    namespace["In"].insert(1, "%matplotlib inline")
    assert Study.from_cell(namespace).passes == 3


def test_outside_of_a_notebook_every_annotated_name_is_a_parameter():
    namespace: dict[str, object] = {}
    exec(CELL, namespace)
    assert Study.from_cell(namespace).passes == 3


def test_a_notebook_without_a_parameters_cell_is_told_how_to_write_one():
    with raises(ParameterError, match="passes: int = 3"):
        Study.from_cell(notebook("passes = 2"))


def test_a_misspelt_name_that_was_corrected_is_forgotten():
    misspelt, injected = CELL.replace("passes", "pases"), "# Parameters\npases = 5"
    assert Study.from_cell(notebook(misspelt, CELL)) == Study(passes=3)
    assert (
        Study.from_cell(notebook(CELL, injected, injected.replace("pases", "passes"))).passes == 5
    )


def test_a_second_annotated_cell_adds_to_the_first():
    study = Study.from_cell(notebook(CELL.replace("3", "4"), "width: int = 64"))
    assert (study.passes, study.width) == (4, 64)


def test_the_nearest_of_a_notebooks_own_names_is_offered():
    namespace = notebook('run_dir: str = "a"', '# Parameters\nrun_dri = "b"')
    with raises(ParameterError, match="use run_dir instead of run_dri"):
        notebook_parameters(namespace, ["run_dir", "against"])


def test_a_plain_assignment_in_the_parameters_cell_counts_too():
    cell = CELL + "context_diameter = 4\n"
    assert Study.from_cell(notebook(cell)).context_diameter == 4
    with raises(ParameterError, match="use passes instead of pases"):
        Study.from_cell(notebook(CELL + "pases = 2\n"))


def test_a_users_cell_with_a_heading_of_its_own_is_not_papermills():
    own = "# Parameters of my analysis\nthreshold = 3\nsteps = 'many'"
    assert Study.from_cell(notebook(CELL, own)) == Study(passes=3)
