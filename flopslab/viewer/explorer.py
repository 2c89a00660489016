"""The explorer: a run, or two side by side, to look at position by position and pass by pass.

A thin shell of ipywidgets. Thumbnails, the map and the look for new frames are a thread's work; a
step of a slider only swaps bytes and text.
"""

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import ipywidgets as widgets

from flopslab.calibration.curve import Calibration
from flopslab.core.generator import Generator
from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.viewer import html
from flopslab.viewer.details import Details
from flopslab.viewer.forecast.section import ForecastSection
from flopslab.viewer.intervention_panel import InterventionPanel
from flopslab.viewer.map_image import DIFFERENCE
from flopslab.viewer.panels import Panels
from flopslab.viewer.run_map import RunMap
from flopslab.viewer.snapshot import RunSnapshot

POLL = 1.0  # seconds between two looks at a run that is being made
SLICE = 0.7  # seconds of work between two drawings of the map


class Explorer(widgets.VBox):
    """The viewer of the run in `directory`, complete or still being made.

    `against`: a second run of the same sequence, shown beside the first with the difference.
    `generator`: for interventions; by default the run's own model, loaded for the first one.
    `follow`: take in new frames as they are made. `calibration`: for forecasts of other settings;
    by default that which is stored for the model. RunError if there is no run.
    """

    def __init__(
        self,
        directory: str | Path,
        against: str | Path | None = None,
        generator: Generator | None = None,
        follow: bool = True,
        calibration: Calibration | None = None,
    ) -> None:
        self.base, self.variant = RunSnapshot(directory), None
        if not self.base.keys:
            hint = "give the output_dir of a run that has made its first frames"
            raise self.base.problem or RunError(f"the run in {directory}", "no frames", hint)
        self._thread: threading.Thread | None = None
        self._stop, self._request = threading.Event(), threading.Event()
        self._show_lock, self._work_lock = threading.RLock(), threading.Lock()
        self._start_lock = threading.Lock()
        self._was_complete = False
        self._make_controls()
        self._make_parts(generator, calibration)
        super().__init__(self._layout())
        self.add_class("flopslab-explorer")
        self._read_range()
        self.pass_number.value = self.base.passes[-1]
        self._observe()
        self.compare(against, follow)

    @property
    def key(self) -> FrameKey:
        """The frame that is shown."""
        return FrameKey(self.pass_number.value, self.position.value)

    def go(self, key: tuple[int, int]) -> None:
        """Show this pass and position."""
        with self._show_lock:
            self.pass_number.value, self.position.value = key

    def compare(self, against: str | Path | None, follow: bool = True) -> None:
        """Show this run beside the first; None: the first alone."""
        with self._work_lock:  # no value of the run before may arrive in the map of this one
            self.variant = RunSnapshot(against) if against else None
            self.map.compare(self.variant)
            self._read_range()
            self._show()
        if follow:
            self.follow()

    def follow(self) -> None:
        """Take in what is on the disk, now and for as long as the runs grow, in a thread."""
        with self._start_lock:
            self._request.set()
            if not self._thread:
                self._thread = threading.Thread(target=self._keep_up, daemon=True)
                self._thread.start()

    def catch_up(self, seconds: float = float("inf")) -> bool:
        """Take in what is on the disk: frames, thumbnails, the map; whether there is more to do."""
        with self._work_lock:
            changes = set().union(*(run.refresh() for run in self._runs()))
            if changes or self._is_complete() != self._was_complete:
                self._was_complete = self._is_complete()
                self.map.invalidate(changes)
                self._read_range()
                self._show()
            return self.map.work(seconds)

    def close(self) -> None:
        """Stop following and any intervention, then remove the widget and all its parts."""
        if self.comm is None:  # closed before, or never opened
            return
        self._stop.set()
        self.intervention.stop()
        thread = self._thread
        if thread and thread is not threading.current_thread():
            thread.join()
        for part in {part for root in self._roots() for part in _parts(root)} - {self}:
            part.close()
        super().close()

    def _make_controls(self) -> None:
        self.position = widgets.IntSlider(description="position", layout={"flex": "1 1 320px"})
        self.play = widgets.Play(interval=400, show_repeat=False)
        self.pass_number = widgets.IntSlider(description="pass", min=1, layout={"width": "230px"})
        self.all_passes = widgets.Checkbox(description="all passes", indent=False)
        self.all_passes.layout.width = "auto"
        self.refresh = widgets.Button(description="Refresh", icon="refresh")
        for slider in (self.position, self.pass_number):
            slider.style.description_width = "auto"

    def _make_parts(self, generator: Generator | None, calibration: Calibration | None) -> None:
        self.map = RunMap(self.base, self.go)
        self.panels, self.details = Panels(), Details()
        self.forecast = ForecastSection(self.base, calibration)
        self.intervention = InterventionPanel(
            self.base, generator, self._begin_intervention, lambda _: self.follow()
        )
        self.heading, self.words, self.problem = (widgets.HTML() for _ in range(3))

    def _layout(self) -> list[widgets.Widget]:
        line = {"align_items": "center", "flex_flow": "row wrap", "grid_gap": "4px 16px"}
        top = {"align_items": "flex-start", "flex_flow": "row wrap", "grid_gap": "8px 24px"}
        heading = widgets.HBox([self.heading, self.refresh], layout=line)
        heading.layout.justify_content = "space-between"
        controls = [self.play, self.position, self.pass_number, self.all_passes]
        beside = widgets.VBox([self.details.facts, self.details], layout={"flex": "1 1 440px"})
        return [
            heading,
            self.map,
            widgets.HBox(controls, layout=line),
            self.words,
            self.intervention,
            self.problem,
            widgets.HBox([self.panels, beside], layout=top),
            self.forecast,
        ]

    def _observe(self) -> None:
        self._link = widgets.jslink((self.play, "value"), (self.position, "value"))
        self.refresh.on_click(lambda _: self.follow())
        for control in (self.position, self.pass_number, self.all_passes):
            control.observe(lambda _: self._show(), "value")
        self.map.measure.observe(lambda _: self.follow(), "value")

    def _read_range(self) -> None:
        """Sliders and heading for the frames that are there."""
        passes, positions = self.base.passes, self.base.positions
        step = min((b - a for a, b in itertools.pairwise(positions)), default=1)
        for slider in (self.position, self.play):
            slider.max, slider.min, slider.step = max(positions), min(positions), step
        self.pass_number.max, self.pass_number.min = passes[-1], passes[0]
        state = "complete" if self.base.is_complete else "being made"
        state = "not what its manifest says" if self.base.problem else state
        text = f"{len(self.base.keys)} frames, {len(passes)} passes, {state}"
        if self.variant:
            text += f"; base, beside the variant {self.variant.directory.name}"
        self.heading.value = html.heading(self.base.directory.name, text)

    def _show(self) -> None:
        """Everything about the frame that the sliders point to."""
        with self._show_lock:
            passes = self.base.passes if self.all_passes.value else [self.key.pass_number]
            self.panels.show(self.base, self.variant, passes, self.key)
            try:
                self._describe(self.key)
                problem = self.base.problem
                self.problem.value = html.problem(problem) if problem else ""
            except RunError as error:
                self.details.clear()
                self.words.value, self.problem.value = "", html.problem(error)

    def _describe(self, key: FrameKey) -> None:
        """Words and recipe, which are those of the base run."""
        self.map.point_to(key)
        if not self.base.has(key):
            self.details.clear()
            text = f"pass {key.pass_number} has no frame at position {key.position} yet"
            self.words.value = html.note(text)
            return
        recipe = self.base.recipe(key)
        positions = html.positions_around(recipe.window)
        words = self.base.words(positions)
        self.words.value = html.words(
            recipe, words, self.variant.words(positions) if self.variant else None
        )
        self.intervention.point_to(key.position, words.get(key.position))
        name = f"{self.base.directory.name} (base)" if self.variant else ""
        self.details.show(self.base, key, name)

    def _keep_up(self) -> None:
        """Until everything is there; whatever goes wrong is shown."""
        try:
            while not self._stop.is_set():
                self._request.clear()
                if self.catch_up(SLICE):
                    continue
                if not self._is_complete():
                    self._stop.wait(POLL)
                elif self._may_end():
                    return
        except Exception as error:  # nobody reads a thread's traceback
            self._thread = None
            self.problem.value = html.problem(error)

    def _may_end(self) -> bool:
        """Whether the thread may end: not if there was a request in the meantime."""
        with self._start_lock:
            if not self._request.is_set():
                self._thread = None
            return not self._request.is_set()

    def _runs(self) -> list[RunSnapshot]:
        return [run for run in (self.base, self.variant) if run]

    def _is_complete(self) -> bool:
        return all(run.is_complete for run in self._runs())

    def _begin_intervention(self, directory: Path) -> None:
        """An intervention begins to fill this directory."""
        self.compare(directory)
        self.map.measure.value = DIFFERENCE

    def _roots(self) -> list[widgets.Widget]:
        """All roots of widgets: the link and panels out of sight have no place in the layout."""
        forecast = [self.forecast.panel] if self.forecast.panel else []
        return [self, self._link, *self.panels.panels.values(), *forecast]


def _parts(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """A widget and all that belongs to it: children, layouts, styles."""
    yield widget
    for name in widget.keys:
        value = getattr(widget, name)
        for part in value if isinstance(value, list | tuple) else [value]:
            if isinstance(part, widgets.Widget):
                yield from _parts(part)
