"""What a run will be like, before it is made: no model is loaded."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from flopslab.calibration.curve import Calibration
from flopslab.core.compositing import METHODS
from flopslab.core.study import Study
from flopslab.core.windows import Windowing
from flopslab.errors import RunError
from flopslab.prediction import limits
from flopslab.prediction.mixture import Mixture
from flopslab.prediction.reading import find_calibration
from flopslab.prediction.shares import mean_square_distance
from flopslab.runs.reader import open_run
from flopslab.words.sequence import Word

MOST_FRAMES = 200  # that are computed: of a longer sequence, the first ones stand for all
SAMPLE = 24  # frames of a run from which its pace is read
MODES = 12


@dataclass(frozen=True)
class PassForecast:
    """One pass. `kept`: the share of it that comes from pictures; `gain`: see `Mixture`.

    `rest`: the share in which further passes can still change the words. `reach`: the root mean
    square distance of its words, in positions. `coherence`: the mean correlation of adjacent
    frames, see `analysis.metrics.colour_coherence`.
    """

    number: int
    strength: float
    kept: float
    gain: float
    rest: float
    reach: float
    coherence: float


@dataclass(frozen=True)
class Forecast:
    """The passes of a study as the linear model predicts them, and their limit.

    `reach_limit` is None where pictures alone are kept: there is no limit then. `eigenvalues` are
    those of the neighbours' weights, the largest first, and `survival` is what the limit keeps of
    the differences of each of these modes. `seconds`: None if no pace is known. `caveats`: what the
    model leaves out for this study.
    """

    study: Study
    calibration: str  # its key
    passes: tuple[PassForecast, ...]
    passes_within_5: int | None
    passes_within_2: int | None
    reach_limit: float | None
    eigenvalues: tuple[float, ...]
    survival: tuple[float, ...]
    seconds: float | None
    caveats: tuple[str, ...]

    @property
    def last(self) -> PassForecast:
        """The last pass."""
        return self.passes[-1]

    @property
    def as_json(self) -> dict[str, Any]:
        """Everything but the study, JSON-ready."""
        values = {name: value for name, value in vars(self).items() if name != "study"}
        passes = [
            {key: None if value != value else value for key, value in asdict(item).items()}
            for item in self.passes
        ]
        return values | {"passes": passes, "sentence": str(self)}

    def __str__(self) -> str:
        """`d = 0.20, 3 passes are within 25 % of the limit, reach 1.9 positions, ...`."""
        last = self.last
        parts = [f"reach {last.reach:.1f} positions", f"expected coherence {last.coherence:.2f}"]
        if last.number > 1:
            limit = f"{last.number} passes are within {_percent(last.rest)} of the limit"
            parts = [f"d = {last.strength:.2f}", limit, *parts]
        if self.seconds is not None:
            parts.append(describe_time(self.seconds))
        return ", ".join(parts)


def plan(
    study: Study,
    calibration: Calibration | None = None,
    words: Sequence[Word] | None = None,
    pace: float | None = None,
    first_pass: np.ndarray | None = None,
) -> Forecast:
    """The forecast of a study by the calibration of its model.

    `calibration`: by default the one that is stored; without one, the model is loaded and measured.
    `words`: default, those of its sequence. `pace`: seconds for a frame with all its steps;
    default: that of the frames which the study's run directory holds, if it holds any.
    `first_pass` [frames, frames]: the `analysis.metrics.colour_correlations` of a first pass that
    was made already, of its first frames at least; a forecast with it is the closer one.
    """
    calibration = calibration or find_calibration(study)
    words = study.read_words().words if words is None else words
    frames = len(Windowing(study, len(words)).positions)
    limit = min(frames, MOST_FRAMES if first_pass is None else len(first_pass))
    first_pass = None if first_pass is None else first_pass[:limit, :limit]
    mixture = Mixture(study.replace(limit=limit), words, calibration, first_pass)
    pace = measured_pace(study.output_dir) if pace is None else pace
    return _Outlook(mixture).forecast(study, None if pace is None else pace * frames)


def measured_pace(directory: str | Path) -> float | None:
    """The median seconds of a first-pass frame of the run in a directory; None if it has none."""
    with suppress(RunError):
        run = open_run(directory)
        keys = [key for key in run.frames if key.pass_number == 1][:SAMPLE]
        times = [run.recipe(key).generation_time_s for key in keys]
        return float(np.median(times)) if times else None
    return None


def describe_time(seconds: float) -> str:
    """The time for people: `40 seconds`, `23 minutes`, `5.2 hours`."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def caveats(study: Study) -> tuple[str, ...]:
    """What the model leaves out for a study, each in a sentence."""
    conditions = {
        "grid: words travel with the tiles' colours, but a tile is too small to carry a motif; "
        "coherence is that of montages, which have nothing in common with whole pictures": (
            study.method == "grid"
        ),
        "ip_adapter: image_weight is taken at its word; what the adapter really carries is not "
        "calibrated": METHODS[study.method].weighs_images,
        "colour_anchor and detail are left out": study.colour_anchor > 0 or study.detail > 0,
        "the text around the words, which all prompts share, is left out": bool(
            study.prompt_prefix or study.prompt_suffix or study.prompt_style == "themed"
        ),
        "the noise is taken to be independent along the sequence": (
            study.seed_policy not in ("per_pass", "fixed")
        ),
    }
    return tuple(text for text, holds in conditions.items() if holds)


@dataclass(frozen=True)
class _Outlook:
    """The parts of a forecast."""

    mixture: Mixture

    def forecast(self, study: Study, seconds_of_a_pass: float | None) -> Forecast:
        kept, hops = self._last_kept, limits.expected_hops(self._last_kept)
        values = limits.eigenvalues(self.mixture.neighbours)[:MODES]
        strengths = [item.strength for item in self.passes]
        return Forecast(
            study=study,
            calibration=self.mixture.calibration.key if self.mixture.calibration else "",
            passes=self.passes,
            passes_within_5=limits.passes_within(kept, 0.05),
            passes_within_2=limits.passes_within(kept, 0.02),
            reach_limit=self._reach(hops) if kept < 1 else None,
            eigenvalues=tuple(values.tolist()),
            survival=tuple(limits.survival(kept, values).tolist()),
            seconds=None if seconds_of_a_pass is None else seconds_of_a_pass * sum(strengths),
            caveats=caveats(study),
        )

    @cached_property
    def passes(self) -> tuple[PassForecast, ...]:
        mixture, rest, hops, items = self.mixture, 1.0, 0.0, []
        for number, coherence in enumerate(mixture.coherence(), 1):
            kept = mixture.pictures(number)
            rest, hops = (rest * kept, kept * (1 + hops)) if number > 1 else (1.0, 0.0)
            gain = float(mixture.gains[number - 1].mean())
            item = number, mixture.strength(number), kept, gain, rest, self._reach(hops), coherence
            items.append(PassForecast(*item))
        return tuple(items)

    @property
    def _last_kept(self) -> float:
        return self.mixture.pictures(max(self.mixture.study.passes, 2))

    def _reach(self, hops: float) -> float:
        return limits.reach(*self._variances, hops)

    @cached_property
    def _variances(self) -> tuple[float, float]:
        """var(W) and that of one hop, which in ip_adapter may stay where it is."""
        mixture = self.mixture
        rows = np.array(mixture.windowing.positions)
        columns = np.arange(1, len(mixture.words) + 1)
        weights = mixture.weights(max(mixture.study.passes, 2))[1]
        hop = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
        prompts = mean_square_distance(mixture.prompts, columns, rows)
        return prompts, mean_square_distance(hop, rows, rows)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.005 else "0.5 %"
