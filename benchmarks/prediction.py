"""Whether the theory predicts: `python -m benchmarks.prediction`.

Makes runs of the embedded model with every method at several kept shares, and prints, cell by cell,
the coherence of colours that was measured and the one that was predicted: `blind` from the
calibration alone, `informed` from it and the pictures of the first pass. Nothing is fitted to these
runs. They stay in a directory, a folder for each calibration, so that a second start goes on; the
table grows there with them, `table.csv`. A cell is a method, a weight and a pass, on the mean over
the sequences.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import publish
from flopslab.analysis import evaluation
from flopslab.analysis.metrics import colour_correlations
from flopslab.backends import load_generator
from flopslab.calibration.calibrate import calibrate
from flopslab.calibration.curve import Calibration
from flopslab.core.compositing import METHODS
from flopslab.core.study import MethodName, Study
from flopslab.core.windows import FrameKey
from flopslab.passes import run
from flopslab.prediction.forecast import plan
from flopslab.progress import NullProgress
from flopslab.runs.reader import finished_run
from flopslab.storage import filesystem

MEANS = "measured", "blind", "informed", "error_blind", "error_informed"


def main() -> None:
    options = read_options()
    base = Study(
        limit=options.frames,
        passes=options.passes,
        context_diameter=options.diameter,
        steps=options.steps,
        batch_size=8,
        workers=1,
    )
    calibration = calibrate(base)
    options.directory = str(Path(options.directory) / calibration.key[:8])
    rows: list[dict[str, Any]] = []
    for method in options.methods:
        generator = load_generator(base.replace(method=method), base.batch_size)
        for weight, study in studies(base, calibration, method, options):
            directory = run(study, generator, NullProgress()).directory
            rows += compare(weight, study, calibration, directory)
            print(rows[-1], flush=True)
            write(rows, Path(options.directory) / "table.csv")
    cells = cells_of(rows)
    write(cells, Path(options.directory) / "cells.csv")
    publish(rows, options.json)
    for kind in ("blind", "informed"):
        errors = np.abs([cell[f"error_{kind}"] for cell in cells])
        print(f"mean absolute error of {len(cells)} cells, {kind}: {errors.mean():.3f}")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sequences", nargs="+", default=["demo", "storm", "tide", "year"])
    latents_first = sorted(METHODS, key=lambda name: not METHODS[name].takes_latents)
    parser.add_argument("--methods", nargs="+", default=latents_first, choices=list(METHODS))
    parser.add_argument("--weights", type=float, nargs="+", default=[0.25, 0.5, 0.75])
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--diameter", type=int, default=10)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--directory", default="build/prediction", help="where the runs are")
    parser.add_argument("--json", default="", metavar="FILE", help="write the numbers there too")
    return parser.parse_args()


def studies(
    base: Study, calibration: Calibration, method: MethodName, options: argparse.Namespace
) -> Iterator[tuple[float, Study]]:
    """(weight, study) for each sequence and weight; those of a sequence share their first pass."""
    for sequence in options.sequences:
        paths = [
            str(Path(options.directory) / f"{sequence}-{name}-{weight:g}")
            for name in options.methods
            for weight in options.weights
        ]
        own = paths[options.methods.index(method) * len(options.weights) :]
        for weight, path in zip(options.weights, own, strict=False):
            choice = {"denoising_strength": calibration.strength_for(weight)}
            if METHODS[method].weighs_images:
                choice = {"denoising_strength": 1.0, "image_weight": weight}
            source = paths[0] if path != paths[0] else ""
            names = {"sequence": sequence, "method": method, "reuse_from": source}
            yield weight, base.replace(output_dir=path, **names, **choice)


def compare(
    weight: float, study: Study, calibration: Calibration, directory: Path
) -> list[dict[str, Any]]:
    """A row for each pass: predicted before any picture was there, and from the first pass."""
    pictures = finished_run(directory)
    keys = [[FrameKey(n, p) for p in pictures.positions] for n in pictures.passes]
    likeness = [colour_correlations([pictures.image(key) for key in row]) for row in keys]
    before = plan(study, calibration, pace=0.0)
    after = plan(study, calibration, pace=0.0, first_pass=likeness[0])
    rows = []
    for blind, informed, measured in zip(before.passes, after.passes, likeness, strict=True):
        coherence = float(np.diag(measured, 1).mean())
        rows.append(
            {
                "sequence": study.sequence,
                "method": study.method,
                "weight": weight,
                "strength": round(blind.strength, 3),
                "pass": blind.number,
                "measured": round(coherence, 3),
                "blind": round(blind.coherence, 3),
                "informed": round(informed.coherence, 3),
                "error_blind": round(blind.coherence - coherence, 3),
                "error_informed": round(informed.coherence - coherence, 3),
            }
        )
    return rows


def cells_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each method, weight and refined pass the means over the sequences."""
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        if row["pass"] > 1:
            groups.setdefault((row["method"], row["weight"], row["pass"]), []).append(row)
    cells = []
    for (method, weight, number), group in groups.items():
        means = {name: round(float(np.mean([row[name] for row in group])), 3) for name in MEANS}
        cells.append({"method": method, "weight": weight, "pass": number, **means})
    return cells


def write(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """The rows as CSV, in place of those that were there."""
    filesystem.replace({path: evaluation.to_csv(rows).encode()})


if __name__ == "__main__":
    main()
