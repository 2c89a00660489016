"""What the loop costs around the networks: `python -m benchmarks.loop` and `... --free`.

Without an option: the embedded model as its users run it, on all cores. Four ways in turn, forwards
and backwards, in one process, files written: diffusers one picture at a time with torch's own
threads, the same in batches, flopslab, and flopslab's first pass alone. With --free: networks that
only sleep, so that whatever is more than their sleep is the loop's.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.generators import FreeGenerator, TimedGenerator
from benchmarks.plain import GUIDANCE, STEPS, STRENGTH, PlainLoop
from benchmarks.report import publish, write_section
from flopslab.backends import load_generator
from flopslab.core.compositing import METHODS
from flopslab.core.generator import Generator
from flopslab.core.study import Study
from flopslab.execution.local import suitable_workers
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.words.sequence import read_sequence

Numbers = dict[str, float]
Way = Callable[[Path], Numbers]

SINGLE, BATCHED = "diffusers, one at a time", "diffusers, in batches"
KIT, FIRST_PASS = "flopslab", "flopslab, pass 1 alone"
RATIOS = {  # of two ways' seconds
    f"{SINGLE} / {KIT}": (SINGLE, KIT),
    f"{BATCHED} / {KIT}": (BATCHED, KIT),
    f"{KIT} / {FIRST_PASS}": (KIT, FIRST_PASS),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--free", action="store_true", help="networks that only sleep")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--diameter", type=int, default=10, help="of the word window")
    parser.add_argument("--batch", type=int, default=8, help="of diffusers and free networks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=512, help="of the free networks' pictures")
    parser.add_argument("--sleep", type=float, default=0.2, help="seconds a batch, with --free")
    parser.add_argument("--json", default="", metavar="FILE", help="write the numbers there too")
    parser.add_argument("--write", action="store_true", help="into benchmarks/RESULTS.md too")
    options = parser.parse_args()
    results = measure(free_ways(options) if options.free else model_ways(options), options.rounds)
    rows = [{"way": name} | summary(rounds) for name, rounds in results.items()]
    if not options.free:
        rows += [ratio(name, results[a], results[b]) for name, (a, b) in RATIOS.items()]
    publish(rows, options.json)
    if options.write:
        write_section(" ".join(["benchmarks.loop", *["--free"] * options.free]), rows, options)


def measure(ways: Mapping[str, Way], rounds: int) -> dict[str, list[Numbers]]:
    """The numbers of each way in each round; every second round runs them backwards."""
    results: dict[str, list[Numbers]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: -1 if number % 2 else 1]:
            with tempfile.TemporaryDirectory() as directory:
                start, cpu = time.perf_counter(), time.process_time()
                stages = ways[name](Path(directory))
                wall, cpu = time.perf_counter() - start, time.process_time() - cpu
            results[name].append({"wall_s": wall, "cpu_s": cpu} | stages)
    return results


def summary(rounds: list[Numbers]) -> dict[str, Any]:
    """The best of the seconds on the clock, and the median of every number."""
    medians = {name: round(median(row[name] for row in rounds), 2) for name in rounds[0]}
    return {"best": round(min(row["wall_s"] for row in rounds), 2)} | medians


def ratio(name: str, rounds: list[Numbers], others: list[Numbers]) -> dict[str, Any]:
    """The ratio of the best seconds, and the median of the ratios within a round."""
    pairs = [(a["wall_s"], b["wall_s"]) for a, b in zip(rounds, others, strict=True)]
    best = min(a for a, _ in pairs) / min(b for _, b in pairs)
    return {
        "way": name,
        "best": round(best, 2),
        "wall_s": round(median(a / b for a, b in pairs), 2),
    }


def model_ways(options: argparse.Namespace) -> dict[str, Way]:
    """The four ways on the embedded model, loaded before anything is timed."""
    study = study_of(options).replace(steps=STEPS, guidance_scale=GUIDANCE, prompt_style="simple")
    words = [word.text for word in read_sequence(study.sequence)][: options.frames]
    generator = load_generator(study)
    loop = PlainLoop()

    def plain(batch_size: int) -> Way:
        def way(directory: Path) -> Numbers:
            loop.run(words, options.diameter // 2, options.passes, batch_size, directory)
            return {}

        return way

    return {
        SINGLE: plain(1),
        BATCHED: plain(options.batch),
        KIT: lambda directory: stages(study, generator, directory),
        FIRST_PASS: lambda directory: stages(study.replace(passes=1), generator, directory),
    }


def free_ways(options: argparse.Namespace) -> dict[str, Way]:
    """flopslab by every method, with and without colour_anchor, on a card that sleeps."""
    generator = FreeGenerator(options.size, options.batch, options.sleep, device="free card")
    return {
        f"{method}{', anchored' * bool(anchor)}": lambda directory, method=method, anchor=anchor: (
            stages(
                study_of(options).replace(method=method, colour_anchor=anchor), generator, directory
            )
        )
        for method in METHODS
        for anchor in (0.0, 1.0)
    }


def stages(study: Study, generator: Generator, directory: Path) -> Numbers:
    """A run of flopslab: its rate, and what its threads spent outside the networks.

    `outside_%` is of the time on the clock of all compute threads, `outside_cpu_%` of the
    processor time, which other programs disturb less.
    """
    timed, start, cpu = TimedGenerator(generator), time.perf_counter(), time.process_time()
    run(study.replace(output_dir=str(directory / "run")), timed, NullProgress())
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    networks, threads = timed.stopwatch, suitable_workers(generator, lambda _: None)
    return {
        "frames/s": study.limit * study.passes / wall,
        "outside_%": 100 * (1 - networks.wall / threads / wall),
        "outside_cpu_%": 100 * (1 - networks.cpu / cpu),
    }


def study_of(options: argparse.Namespace) -> Study:
    return Study(
        sequence="full",
        passes=options.passes,
        limit=options.frames,
        context_diameter=options.diameter,
        method="grid",
        denoising_strength=STRENGTH,
    )


if __name__ == "__main__":
    main()
