"""What the loop costs around the networks: `python -m benchmarks.loop` and `... --free`.

Without an option: the embedded model, three ways in turn, A B C A B C, in one process, files
written: diffusers one picture at a time, the same in batches, flopslab. With --free: networks that
only sleep, so that whatever is more than their sleep is the loop's.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.generators import FreeGenerator, TimedGenerator
from benchmarks.plain import GUIDANCE, STEPS, STRENGTH, PlainLoop
from benchmarks.report import publish
from flopslab.backends import load_generator
from flopslab.core.compositing import METHODS
from flopslab.core.generator import Generator
from flopslab.core.study import Study
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.words.sequence import read_sequence

Way = Callable[[Path], dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--free", action="store_true", help="networks that only sleep")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--diameter", type=int, default=10, help="of the word window")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=512, help="of the free networks' pictures")
    parser.add_argument("--sleep", type=float, default=0.2, help="seconds a batch, with --free")
    parser.add_argument("--json", default="", metavar="FILE", help="write the numbers there too")
    options = parser.parse_args()
    ways = free_ways(options) if options.free else model_ways(options)
    rows = measure(ways, options.rounds)
    publish(rows if options.free else with_ratios(rows), options.json)


def measure(ways: dict[str, Way], rounds: int) -> list[dict[str, Any]]:
    """A row of medians for each way, after `rounds` in which each ran once, in turn."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as directory:
                start, cpu = time.perf_counter(), time.process_time()
                stages = way(Path(directory))
                wall, cpu = time.perf_counter() - start, time.process_time() - cpu
            results[name].append({"wall_s": wall, "cpu_s": cpu} | stages)
    return [{"way": name} | medians(rows) for name, rows in results.items()]


def medians(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: round(median(row[name] for row in rows), 2) for name in rows[0]}


def with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, each with how many times as long as the last one, flopslab, it took."""
    last = rows[-1]["wall_s"]
    return [row | {"times_flopslab": round(row["wall_s"] / last, 2)} for row in rows]


def model_ways(options: argparse.Namespace) -> dict[str, Way]:
    """The three ways on the embedded model, loaded before anything is timed."""
    from flopslab.backends.diffusers.loading.directory import TINY_MODEL

    study = study_of(options).replace(
        batch_size=options.batch, steps=STEPS, guidance_scale=GUIDANCE, prompt_style="simple"
    )
    words = [word.text for word in read_sequence(study.sequence)][: options.frames]
    generator = load_generator(study)

    def plain(batch_size: int) -> Way:
        loop = PlainLoop(TINY_MODEL, batch_size)

        def way(directory: Path) -> dict[str, float]:
            loop.run(words, options.diameter // 2, options.passes, directory)
            return {}

        return way

    return {
        "diffusers, one at a time": plain(1),
        "diffusers, in batches": plain(options.batch),
        "flopslab": lambda directory: stages(study, generator, directory),
    }


def free_ways(options: argparse.Namespace) -> dict[str, Way]:
    """flopslab by every method, with and without colour_anchor, on networks that sleep."""
    generator = FreeGenerator(options.size, options.batch, options.sleep)
    return {
        f"{method}{', anchored' * bool(anchor)}": lambda directory, method=method, anchor=anchor: (
            stages(
                study_of(options).replace(method=method, colour_anchor=anchor), generator, directory
            )
        )
        for method in METHODS
        for anchor in (0.0, 1.0)
    }


def stages(study: Study, generator: Generator, directory: Path) -> dict[str, Any]:
    """A run of flopslab: what the networks took, and what was spent outside them."""
    timed, start = TimedGenerator(generator), time.perf_counter()
    run(study.replace(output_dir=str(directory / "run")), timed, NullProgress())
    wall = time.perf_counter() - start
    outside = 100 * (wall - timed.seconds) / wall
    return {"networks_s": timed.seconds, "outside_%": outside}


def study_of(options: argparse.Namespace) -> Study:
    return Study(
        sequence="full",
        passes=options.passes,
        limit=options.frames,
        context_diameter=options.diameter,
        method="grid",
        denoising_strength=STRENGTH,
        workers=1,  # as the other ways
    )


if __name__ == "__main__":
    main()
