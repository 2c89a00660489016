"""What a card makes of full-size models: `python -m benchmarks.gpu`.

Stable Diffusion 1.5 and XL with random weights, by params/production.yaml with the method grid:
pictures a second of pass 1 and of a refinement, files written, beside what the generator makes
alone, one batch after the other. Without a card it refuses.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.report import photograph, publish, write_section
from flopslab.backends import load_generator
from flopslab.core.compositing import Context
from flopslab.core.generator import FrameRequest, Generator
from flopslab.core.prompts import Prompt
from flopslab.core.study import Study
from flopslab.passes import run
from flopslab.progress import NullProgress

PRODUCTION = Path(__file__).parents[1] / "params" / "production.yaml"
STRENGTH = 0.5  # given, because random networks cannot be calibrated
FEWEST_BATCHES = 4  # of a pass: the first one is not timed
WORDS = Prompt((("a lighthouse in the storm, oil painting", 1.0),))

Row = dict[str, Any]


def main() -> None:
    options, facts = parse(), find_card()
    rows = [row for name in options.models for row in model_rows(name, options)]
    publish(rows, options.json, **facts)
    if options.write:
        write_section("benchmarks.gpu", rows, options, **facts)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of a command, by default this program's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["sd15", "sdxl"], choices=["sd15", "sdxl"])
    parser.add_argument("--frames", type=int, default=96, help="of a pass, four batches at least")
    parser.add_argument("--batch", type=int, default=0, help="0: as the card's memory allows")
    parser.add_argument("--json", default="", metavar="FILE", help="write the numbers there too")
    parser.add_argument("--write", action="store_true", help="into benchmarks/RESULTS.md too")
    return parser.parse_args(arguments)


def find_card() -> dict[str, Any]:
    """The card's name, and torch's CUDA. SystemExit if there is none."""
    import torch

    if not torch.cuda.is_available():
        raise SystemExit(
            f"benchmarks.gpu measures a card with CUDA, and torch {torch.__version__} finds none; "
            "benchmarks.loop measures the processor"
        )
    return {"card": torch.cuda.get_device_name(), "cuda": torch.version.cuda}


def model_rows(name: str, options: argparse.Namespace) -> list[Row]:
    """A row for pass 1, and one for a refinement."""
    from benchmarks.random_models import MODELS  # imports torch

    model = MODELS[name]
    with tempfile.TemporaryDirectory() as directory:
        model.save(Path(directory) / "model")
        study = study_of(Path(directory), model.side, options.batch)
        generator = load_generator(study)
        batch = generator.settings["batch_size"]
        study = study.replace(limit=max(options.frames, FEWEST_BATCHES * batch))
        rows = [
            {"model": name, "pass": number, "batch": batch}
            | alone_row(generator, number)
            | {"run/s": round(run_rate(study.replace(passes=number), generator), 2)}
            for number in (1, 2)  # the second run keeps what the first has made
        ]
    return [row | {"share_%": round(100 * row["run/s"] / row["alone/s"])} for row in rows]


def study_of(directory: Path, side: int, batch_size: int) -> Study:
    """The study of params/production.yaml with a model and a run in this directory."""
    parameters = yaml.safe_load(PRODUCTION.read_text(encoding="utf-8"))
    places = {"model": str(directory / "model"), "output_dir": str(directory / "run")}
    sizes = {"width": side, "height": side, "batch_size": batch_size}
    method = {"method": "grid", "denoising_strength": STRENGTH, "passes": 2, "device": "cuda"}
    return Study(**parameters | places | sizes | method)


def alone_row(generator: Generator, pass_number: int) -> Row:
    """Pictures a second of whole batches with nothing beside, and what the networks compute."""
    from torch.utils.flop_counter import FlopCounterMode

    requests, strength = make_requests(generator, pass_number), STRENGTH
    with FlopCounterMode(display=False) as counter:  # the first batch, which is not timed
        generator.generate(requests, strength)
    start = time.perf_counter()
    for _ in range(FEWEST_BATCHES - 1):
        generator.generate(requests, strength)
    seconds = (time.perf_counter() - start) / (FEWEST_BATCHES - 1)
    teraflops = counter.get_total_flops() / 1e12
    return {
        "TFLOP": float(f"{teraflops / len(requests):.3g}"),
        "TFLOP/s": float(f"{teraflops / seconds:.3g}"),
        "alone/s": round(len(requests) / seconds, 2),
    }


def make_requests(generator: Generator, pass_number: int) -> Sequence[FrameRequest]:
    """A whole batch: from noise in pass 1, else from a picture."""
    init = photograph(0, generator.size[0]) if pass_number > 1 else None
    seeds = range(generator.settings["batch_size"])
    return [FrameRequest(WORDS, seed, Context(init=init)) for seed in seeds]


def run_rate(study: Study, generator: Generator) -> float:
    """Pictures a second of the run's last pass, from its first batch to its last."""
    stopwatch = Stopwatch()
    run(study, generator, stopwatch)
    (start, _), *rest = stopwatch.batches
    return sum(count for _, count in rest) / (rest[-1][0] - start)


class Stopwatch(NullProgress):
    """When batches were committed, and of how many frames."""

    def __init__(self) -> None:
        self.batches: list[tuple[float, int]] = []

    def advance(self, pass_number: int, count: int, words: str) -> None:
        self.batches.append((time.perf_counter(), count))


if __name__ == "__main__":
    main()
