"""Words in, passes of pictures out: each later pass sees its neighbours' pictures.

The names below are the public interface. Each is loaded when it is first used, so that
`import flopslab` loads no library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors and type checkers
    from flopslab.analysis.evaluation import evaluate
    from flopslab.backends import load_generator
    from flopslab.calibration.calibrate import calibrate
    from flopslab.calibration.curve import Calibration
    from flopslab.core.study import Study
    from flopslab.core.windows import FrameKey
    from flopslab.errors import (
        FlopslabError,
        FlopslabWarning,
        ModelError,
        ParameterError,
        RunError,
        SequenceError,
    )
    from flopslab.experiments.changes import Insert, Remove, Replace, ReplaceFrame
    from flopslab.experiments.interventions import Intervention, intervene, intervene_each
    from flopslab.experiments.propagation import Experiment
    from flopslab.experiments.sweep import Sweep
    from flopslab.passes import Run, run
    from flopslab.prediction.forecast import Forecast, plan
    from flopslab.prediction.goal import settings_for
    from flopslab.reports.inspection import inspect_frame, study_of_picture
    from flopslab.runs.reader import RunDirectory, finished_run, open_run
    from flopslab.version import __version__
    from flopslab.viewer.explorer import Explorer
    from flopslab.viewer.export import export_html
    from flopslab.words.sequence import Word, read_sequence

__all__ = [
    "Calibration",
    "Experiment",
    "Explorer",
    "FlopslabError",
    "FlopslabWarning",
    "Forecast",
    "FrameKey",
    "Insert",
    "Intervention",
    "ModelError",
    "ParameterError",
    "Remove",
    "Replace",
    "ReplaceFrame",
    "Run",
    "RunDirectory",
    "RunError",
    "SequenceError",
    "Study",
    "Sweep",
    "Word",
    "__version__",
    "calibrate",
    "evaluate",
    "export_html",
    "finished_run",
    "inspect_frame",
    "intervene",
    "intervene_each",
    "load_generator",
    "open_run",
    "plan",
    "read_sequence",
    "run",
    "settings_for",
    "study_of_picture",
]

_MODULES = {
    "Calibration": "calibration.curve",
    "Experiment": "experiments.propagation",
    "Explorer": "viewer.explorer",
    "FlopslabError": "errors",
    "FlopslabWarning": "errors",
    "Forecast": "prediction.forecast",
    "FrameKey": "core.windows",
    "Insert": "experiments.changes",
    "Intervention": "experiments.interventions",
    "ModelError": "errors",
    "ParameterError": "errors",
    "Remove": "experiments.changes",
    "Replace": "experiments.changes",
    "ReplaceFrame": "experiments.changes",
    "Run": "passes",
    "RunDirectory": "runs.reader",
    "RunError": "errors",
    "SequenceError": "errors",
    "Study": "core.study",
    "Sweep": "experiments.sweep",
    "Word": "words.sequence",
    "__version__": "version",
    "calibrate": "calibration.calibrate",
    "evaluate": "analysis.evaluation",
    "export_html": "viewer.export",
    "finished_run": "runs.reader",
    "inspect_frame": "reports.inspection",
    "intervene": "experiments.interventions",
    "intervene_each": "experiments.interventions",
    "load_generator": "backends",
    "open_run": "runs.reader",
    "plan": "prediction.forecast",
    "read_sequence": "words.sequence",
    "run": "passes",
    "settings_for": "prediction.goal",
    "study_of_picture": "reports.inspection",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == __name__:
            raise
        hint = f"{name} needs the package {error.name}: pip install 'flopslab[lab]'"
        raise ImportError(hint, name=error.name) from error
    globals()[name] = getattr(module, name)  # the next use finds it at once
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
