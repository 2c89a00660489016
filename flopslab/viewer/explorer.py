"""The explorer: a run, or two side by side, to look at position by position and pass by pass.

A thin shell of ipywidgets. Thumbnails, the map and the look for new frames are a thread's work; a
step of a slider only swaps bytes and text.
"""

import threading
from pathlib import Path

import ipywidgets as widgets

from flopslab.core.generator import Generator
from flopslab.errors import RunError
from flopslab.viewer import html as views
from flopslab.viewer.details import Particulars
from flopslab.viewer.intervention_panel import WordChanger
from flopslab.viewer.overview import DIFFERENCE
from flopslab.viewer.panels import Panels
from flopslab.viewer.run_map import RunMap
from flopslab.viewer.snapshot import Album, Key

POLL = 1.0  # seconds between two looks at a run that is being made
PART = 0.7  # seconds of work between two drawings of the map


class Explorer(widgets.VBox):
    """The viewer of the run in `directory`, complete or still being made.

    `against`: a second run of the same sequence, shown beside the first with the difference.
    `generator`: for interventions; by default the run's own model, loaded for the first one.
    `follow`: take in new frames as they are made. RunError if there is no run.
    """

    def __init__(
        self,
        directory: str | Path,
        against: str | Path | None = None,
        generator: Generator | None = None,
        follow: bool = True,
    ) -> None:
        self._closed, self._thread, self._asked = threading.Event(), None, False
        self.album, self.against = Album(directory), None
        if not self.album.keys:
            remedy = "give the output_dir of a run that has made its first frames"
            raise RunError(f"the run in {directory}", "no frames", remedy)
        self._showing, self._working = threading.RLock(), threading.Lock()
        self._starting = threading.Lock()
        self._was_complete = False
        self._make_controls()
        self.map = RunMap(self.album, self.go)
        self.panels, self.particulars = Panels(), Particulars()
        self.changer = WordChanger(self.album, generator, self._begin, self._end)
        self.heading, self.words, self.problem = (widgets.HTML() for _ in range(3))
        super().__init__(self._laid_out())
        self.add_class("flopslab-explorer")
        self._read_range()
        self.number.value = self.album.passes[-1]
        self._observe()
        self.compare(against, follow)

    def compare(self, against: str | Path | None, follow: bool = True) -> None:
        """Show this run beside the first; None: the first alone."""
        with self._working:  # no value of the run before may arrive in the map of this one
            self.against = Album(against) if against else None
            self.map.compare(self.against)
            self._show()
        if follow:
            self.follow()

    def go(self, key: Key) -> None:
        """Show this pass and position."""
        with self._showing:
            self.number.value, self.position.value = key

    def follow(self) -> None:
        """Take in what is on the disk, now and for as long as the runs grow, in a thread."""
        with self._starting:
            self._asked = True
            if not self._thread:
                self._thread = threading.Thread(target=self._keep_up, daemon=True)
                self._thread.start()

    def catch_up(self, seconds: float = float("inf")) -> bool:
        """Take in what is on the disk: frames, thumbnails, the map. Is there more to do?"""
        with self._working:
            albums = [album for album in (self.album, self.against) if album]
            changed = set().union(*(album.refresh() for album in albums))
            if changed or self._complete() != self._was_complete:
                self._was_complete = self._complete()
                self.map.changed(changed)
                self._read_range()
                self._show()
            return self.map.work(seconds)

    def close(self) -> None:
        """Stop following and remove the widget."""
        self._closed.set()
        super().close()

    def _make_controls(self) -> None:
        self.position = widgets.IntSlider(description="position", layout={"flex": "1 1 320px"})
        self.play = widgets.Play(interval=400, show_repeat=False)
        self.number = widgets.IntSlider(description="pass", min=1, layout={"width": "230px"})
        self.all_passes = widgets.Checkbox(description="all passes", indent=False)
        self.all_passes.layout.width = "auto"
        self.refresh = widgets.Button(description="Refresh", icon="refresh")
        for slider in (self.position, self.number):
            slider.style.description_width = "auto"

    def _laid_out(self) -> list[widgets.Widget]:
        line = {"align_items": "center", "flex_flow": "row wrap", "grid_gap": "4px 16px"}
        top = {"align_items": "flex-start", "flex_flow": "row wrap", "grid_gap": "8px 24px"}
        heading = widgets.HBox([self.heading, self.refresh], layout=line)
        heading.layout.justify_content = "space-between"
        controls = [self.play, self.position, self.number, self.all_passes]
        return [
            heading,
            self.map,
            widgets.HBox(controls, layout=line),
            self.words,
            self.changer,
            self.problem,
            widgets.HBox([self.panels, self.particulars.facts], layout=top),
            self.particulars,
        ]

    def _observe(self) -> None:
        widgets.jslink((self.play, "value"), (self.position, "value"))
        self.refresh.on_click(lambda _: self.follow())
        for control in (self.position, self.number, self.all_passes):
            control.observe(lambda _: self._show(), "value")
        self.map.measure.observe(lambda _: self.follow(), "value")

    def _read_range(self) -> None:
        """Sliders and heading for the frames that are there."""
        passes, positions = self.album.passes, self.album.positions
        step = positions[1] - positions[0] if len(positions) > 1 else 1
        for slider in (self.position, self.play):
            slider.max, slider.min, slider.step = positions[-1], positions[0], step
        self.number.max, self.number.min = passes[-1], passes[0]
        state = "complete" if self.album.complete else "being made"
        counted = f"{len(self.album.keys)} frames, {len(passes)} passes, {state}"
        self.heading.value = views.heading(self.album.directory.name, counted)

    def _show(self) -> None:
        """Everything about the frame that the sliders point to."""
        with self._showing:
            key = self.number.value, self.position.value
            numbers = list(self.album.passes) if self.all_passes.value else [key[0]]
            self.panels.show(self.album, self.against, numbers, key)
            try:
                self._tell(key)
                self.problem.value = ""
            except RunError as error:
                self.problem.value = views.problem(error)

    def _tell(self, key: Key) -> None:
        """Words and recipe."""
        if not self.album.has(key):
            self.words.value = views.note(f"pass {key[0]} has no frame at position {key[1]} yet")
            return
        window = self.album.window(key)
        shown = views.shown_words(window, key[1])
        known = self.album.words(shown)
        changed = self.against.words(shown) if self.against else None
        self.words.value = views.words(known, window, key[1], changed)
        self.changer.at(key[1], known[key[1]])
        self.map.at(key)
        self.particulars.show(self.album, key)

    def _keep_up(self) -> None:
        """Until everything is there; whatever goes wrong is shown."""
        try:
            while not self._closed.is_set():
                self._asked = False
                if self.catch_up(PART):
                    continue
                if not self._complete():
                    self._closed.wait(POLL)
                elif self._ends():
                    return
        except Exception as error:  # nobody reads a thread's traceback
            self._thread = None
            self.problem.value = views.problem(error)

    def _ends(self) -> bool:
        """Whether the thread may end: not if it was asked to go on in the meantime."""
        with self._starting:
            if not self._asked:
                self._thread = None
            return not self._asked

    def _complete(self) -> bool:
        return all(album.complete for album in (self.album, self.against) if album)

    def _begin(self, directory: Path) -> None:
        """An intervention begins to fill this directory."""
        self.compare(directory)
        self.map.measure.value = DIFFERENCE

    def _end(self, _: object) -> None:
        self.follow()
