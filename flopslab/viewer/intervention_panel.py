"""Change a word from the viewer: the base run's study, the change, its progress."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets

from flopslab.backends import load_generator
from flopslab.core.generator import Generator
from flopslab.core.study import Study
from flopslab.errors import FlopslabError, RunError
from flopslab.experiments.interventions import Intervention, Replace, intervene
from flopslab.progress import NoProgress
from flopslab.runs import filesystem as disk
from flopslab.runs.provenance import json_digest
from flopslab.viewer import html as views
from flopslab.viewer.snapshot import Album
from flopslab.words.sequence import parse_sequence, read_sequence


def study_of(album: Album) -> Study:
    """The study that made a run, with the words of its manifest. RunError if it is not finished."""
    if album.manifest is None:
        remedy = "run the study to its end: a change compares with a finished run"
        raise RunError(f"the study of {album.directory}", "no manifest", remedy)
    study = Study.of(**album.manifest["parameters"], output_dir=str(album.directory))
    data = json.dumps({"sequence": album.manifest["sequence"]}, ensure_ascii=False).encode()
    words = parse_sequence(data, "visual-manifest.json")
    try:
        if read_sequence(study.sequence) == words:
            return study
    except FlopslabError:
        pass  # the file has gone, or the run was made from another folder
    path = beside(album.directory) / "sequence.json"
    with disk.explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.replace({path: data})
    return study.model_copy(update={"sequence": str(path)})


def beside(directory: Path) -> Path:
    """Where the interventions in a run live."""
    return directory.with_name(f"{directory.name}-interventions")


class WordChanger(widgets.VBox):
    """Type another word for a position, press the button, and see how far the work has come.

    `begun(directory)` is called before the first frame, `ended(intervention)` after the last one;
    both from the thread that makes the frames.
    """

    def __init__(
        self,
        album: Album,
        generator: Generator | None,
        begun: Callable[[Path], None],
        ended: Callable[[Intervention], None],
    ) -> None:
        self._album, self._generator, self._begun, self._ended = album, generator, begun, ended
        self._position, self._thread = 1, None
        self.word = widgets.Text(placeholder="another word", layout={"width": "180px"})
        self.button = widgets.Button(description="Change it", icon="flask")
        self.bar = widgets.IntProgress(layout={"width": "200px", "display": "none"})
        self.title, self.said, self.problem = (widgets.HTML() for _ in range(3))
        self.button.on_click(lambda _: self.start())
        line = widgets.HBox([self.title, self.word, self.button, self.bar, self.said])
        line.layout.align_items, line.layout.flex_flow = "center", "row wrap"
        line.layout.grid_gap = "4px 10px"
        super().__init__([line, self.problem])

    def at(self, position: int, word: str) -> None:
        """The position to change, and the word that is there."""
        self._position = position
        self.title.value = views.change(position, word)

    def start(self) -> None:
        """Begin, in a thread of its own: the kernel stays free. One at a time."""
        if self._thread and self._thread.is_alive():
            return
        change = Replace(self._position, self.word.value.strip())
        self.button.disabled, self.problem.value = True, ""
        self._thread = threading.Thread(target=self._run, args=(change,), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until the intervention that was started is over."""
        if self._thread:
            self._thread.join()

    def _run(self, change: Replace) -> None:
        try:
            self.said.value = views.note("loading the model")
            study = study_of(self._album)
            directory = self._directory(change, study)
            self._generator = self._generator or load_generator(study, self._batch_size())
            self._begun(directory)
            progress = _Bar(self.bar, self.said)
            done = intervene(study, change, self._generator, progress, directory)
            self.said.value = views.note(_summary(done))
            self._ended(done)
        except Exception as error:  # nobody reads a thread's traceback: it is shown here
            self.said.value, self.problem.value = "", views.problem(error)
        finally:
            self.button.disabled, self.bar.layout.display = False, "none"

    def _batch_size(self) -> int:
        """What the base run has frozen."""
        return self._album.recipe(self._album.keys[0]).made_with["batch_size"]

    def _directory(self, change: Replace, study: Study) -> Path:
        """One for each change in one study and model: words become no name, their digest does."""
        told = self._album.manifest
        asked = [change.position, change.word, told["sequence"], told["settings"]]
        asked.append(study.pixel_parameters() | {"sequence": ""})  # wherever its file is now
        return beside(self._album.directory) / json_digest(asked)[:16]


class _Bar(NoProgress):
    """The frames of the cone as they arrive."""

    def __init__(self, bar: widgets.IntProgress, said: widgets.HTML) -> None:
        self._bar, self._said = bar, said

    def begin(self, number: int, total: int, kept: int) -> None:
        self._bar.max, self._bar.value = max(total, 1), kept
        self._bar.layout.display = None
        self._tell()

    def keep(self, count: int) -> None:
        self._bar.value += count
        self._tell()

    def advance(self, count: int, words: str) -> None:
        self._bar.value += count
        self._tell()

    def _tell(self) -> None:
        self._said.value = views.note(f"{self._bar.value} of {self._bar.max} frames of the cone")


def _summary(done: Intervention) -> str:
    computed, shared = sum(done.computed.values()), sum(done.shared.values())
    return f"{computed} frames are its own, {shared} are shared with the base run: {done.directory}"
