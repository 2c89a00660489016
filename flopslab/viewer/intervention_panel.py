"""Change a word from the viewer: the base run's study, the change, its progress."""

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import ipywidgets as widgets

from flopslab.core.generator import Generator
from flopslab.core.study import Study
from flopslab.errors import FlopslabError, RunError
from flopslab.execution.generators import open_generator
from flopslab.experiments.interventions import (
    Intervention,
    Replace,
    intervene,
    intervention_directory,
)
from flopslab.progress import NullProgress
from flopslab.runs import layout
from flopslab.runs.reader import frozen_batch_size
from flopslab.storage import filesystem
from flopslab.viewer import html
from flopslab.viewer.snapshot import RunSnapshot
from flopslab.words.sequence import Word, parse_sequence


def study_of(run: RunSnapshot) -> Study:
    """The study that made a run, with the words of its manifest. RunError if it is not finished.

    If their file is gone, or holds other words now, they are written beside the run.
    """
    if run.manifest is None:
        hint = "run the study to its end: a change compares with a finished run"
        raise RunError(f"the study of {run.directory}", "no manifest", hint)
    study = Study(**run.manifest["parameters"], output_dir=str(run.directory))
    data = json.dumps({"sequence": run.manifest["sequence"]}, ensure_ascii=False).encode()
    try:
        if study.read_words().words == parse_sequence(data, layout.MANIFEST):
            return study
    except FlopslabError:
        pass  # the file has gone, or the run was made from another folder
    path = layout.interventions_directory(run.directory) / layout.SEQUENCE
    with filesystem.explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        filesystem.replace({path: data})
    return study.with_sequence(path)


class InterventionPanel(widgets.VBox):
    """Type another word for a position, press Enter, and see how far the work has come.

    `on_begin(directory)` is called before the first frame, `on_end(intervention)` after the last
    one; both from the thread that makes the frames.
    """

    def __init__(
        self,
        run: RunSnapshot,
        generator: Generator | None,
        on_begin: Callable[[Path], None],
        on_end: Callable[[Intervention], None],
    ) -> None:
        self._run, self._generator = run, generator
        self._on_begin, self._on_end = on_begin, on_end
        self._position, self._stop = 1, threading.Event()
        self._thread: threading.Thread | None = None
        self.word = widgets.Text(placeholder="another word", layout={"width": "180px"})
        self.button = widgets.Button(description="Change it", icon="flask")
        self.bar = widgets.IntProgress(layout={"width": "200px", "display": "none"})
        self.title, self.note, self.problem = (widgets.HTML() for _ in range(3))
        self.button.on_click(lambda _: self.start())
        self.word.on_msg(self._receive)
        line = widgets.HBox([self.title, self.word, self.button, self.bar, self.note])
        line.layout.align_items, line.layout.flex_flow = "center", "row wrap"
        line.layout.grid_gap = "4px 10px"
        super().__init__([line, self.problem])

    def point_to(self, position: int, word: Word | None) -> None:
        """The position to change, and the word that is there, if it is known."""
        self._position = position
        self.title.value = html.question(position, word)

    def start(self) -> None:
        """Begin, in a thread of its own: the kernel stays free. One at a time."""
        if self._thread and self._thread.is_alive():
            return
        self.problem.value, text = "", self.word.value.strip()
        if not text:
            self.note.value = html.note("type the word to put there first")
            return
        self.button.disabled = True
        change = Replace(self._position, text)
        self._thread = threading.Thread(target=self._intervene, args=(change,), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until the intervention that was started is over."""
        if self._thread:
            self._thread.join()

    def stop(self) -> None:
        """End the intervention that is at work after its next batch; its frames stay."""
        self._stop.set()

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def _receive(self, _: object, content: dict[str, str], __: object) -> None:
        if content.get("event") == "submit":  # Enter
            self.start()

    def _intervene(self, change: Replace) -> None:
        try:
            self.note.value = html.note("loading the model")
            study = study_of(self._run)
            if self._generator is None:
                self._generator = open_generator(study, frozen_batch_size(study))
            directory = intervention_directory(study, change)
            progress = _ConeBar(self, lambda: self._on_begin(directory))
            intervention = intervene(study, change, self._generator, progress)
            self.note.value = html.note(_summary(intervention))
            self._on_end(intervention)
        except KeyboardInterrupt:
            self.note.value = ""
        except Exception as error:  # nobody reads a thread's traceback
            self.note.value, self.problem.value = "", html.problem(error)
        finally:
            self.button.disabled, self.bar.layout.display = False, "none"


class _ConeBar(NullProgress):
    """The frames of the cone as they arrive; an interrupt once the panel is to stop."""

    def __init__(self, panel: InterventionPanel, on_begin: Callable[[], None]) -> None:
        self._panel, self._on_begin = panel, on_begin

    def start(self, frames: Sequence[int]) -> None:
        bar = self._panel.bar
        bar.max, bar.value, bar.layout.display = max(sum(frames), 1), 0, None
        self._on_begin()
        self.keep(1, 0)

    def advance(self, pass_number: int, count: int, words: str) -> None:
        self.keep(pass_number, count)

    def keep(self, pass_number: int, count: int) -> None:
        if self._panel.is_stopping:
            raise KeyboardInterrupt
        bar = self._panel.bar
        bar.value += count
        self._panel.note.value = html.note(f"{bar.value} of {bar.max} frames of the cone")


def _summary(intervention: Intervention) -> str:
    computed, reused = sum(intervention.computed.values()), sum(intervention.reused.values())
    return f"{computed} frames are its own, {reused} are the base run's: {intervention.directory}"
