"""A papermill run killed at random moments, again and again: `python -m benchmarks.kills`.

Each attempt is killed with SIGKILL, the kernel alone or papermill with it, at a random moment after
it has locked its directory, and the next one goes on from what is there. After each kill a reader
must be told that the run is unfinished, and whole frames must be those of an undisturbed run. A
copy of what is there is then resumed to its end by the library alone, which needs no kernel
(`resumed`); the run itself comes to its end through papermill, every few kills (`completed`).
Both must verify and be equal to the undisturbed run. It exits with 1 where anything fails.

By default the painted generator of the tests; `--model tiny` runs notebooks/run.ipynb with the
embedded model instead, and `--plain` kills a process without papermill and kernel. Processes are
forks of this one, which has imported what they need: an attempt costs the start of a kernel.
"""

import argparse
import multiprocessing
import os
import random
import runpy
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import ForkProcess
from pathlib import Path

import nbformat
import psutil
from papermill.cli import papermill

from benchmarks.report import publish
from flopslab.core.windows import FrameKey
from flopslab.errors import RunError
from flopslab.reports.verification import verify_run
from flopslab.runs import layout
from flopslab.runs.reader import finished_run, read_frame

ROOT = Path(__file__).parents[1]
PARAMETERS = 'sequence: str = "demo"'
PROGRAM = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from painted import PaintedGenerator
from flopslab import Study, run
run({{}}, {{}})
"""
GENERATORS = {"painted": "PaintedGenerator(delay=0.05)", "tiny": "None"}
FIXED = {"context_diameter": 4, "passes": 2, "steps": 2, "denoising_strength": 0.5}

Digests = dict[FrameKey, str]  # of the pixels of each frame
Work = Callable[[], object]  # a run, from its beginning or from where it stands


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--model", choices=["painted", "tiny"], default="painted")
    parser.add_argument("--plain", action="store_true", help="without papermill")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", default="", metavar="FILE", help="write the numbers there too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        directory = Path(root) / "run"
        way = plain if options.plain else notebook
        work = way(directory, options.model, options.frames)
        resume = plain(copy_of(directory), options.model, options.frames)
        trial = Trial(directory, work, resume, random.Random(options.seed))
        start = time.monotonic()
        with suppress(KeyboardInterrupt):  # it says how far it came
            while (kills := trial.counts["kills"]) < options.kills:
                trial.attempt()
                pace = (time.monotonic() - start) / max(kills, 1)
                say(f"{trial.describe()}, {(options.kills - kills) * pace / 60:.0f} min left")
            trial.complete()
    publish([{**trial.counts, "stages": len(trial.stages)}], options.json)
    sys.exit(trial.counts["untrue"] + trial.counts["unequal"] > 0)


class Trial:
    """Runs in one directory, killed and begun again; `counts` says what came of them."""

    def __init__(
        self, directory: Path, work: Work, resume: Work, chance: random.Random
    ) -> None:  # `resume` does the same in a copy of the directory
        self._directory, self._chance = directory, chance
        self._work, self._resume = work, resume
        names = "kills", "within", "frames_kept", "resumed", "completed", "untrue", "unequal"
        self.counts: Counter[str] = Counter(dict.fromkeys(names, 0))
        self.stages: set[int] = set()  # how many frames were there after a kill
        process = begin(self._work)
        start = wait_for_lock(process, self._directory, held=True)
        self._seconds = wait_for_lock(process, self._directory, held=False) - start
        process.join()
        if process.exitcode:
            raise RuntimeError("the undisturbed run failed")
        self._digests, self._links = digests(self._directory), links(self._directory)
        say(f"undisturbed: {len(self._digests)} frames in {self._seconds:.1f} s")
        shutil.rmtree(self._directory)

    def attempt(self) -> None:
        """A run that is killed, or comes to its end before that.

        The moment is drawn by progress, not by the clock, which a busy machine makes too early or
        too late: at most a third of the frames more, and a part of the time that a batch takes.
        Once all frames are there the run may end, and the next one begins anew.
        """
        total, before = len(self._digests), len(layout.frame_keys(self._directory))
        if before == total:
            return self.complete()
        goal = min(before + self._chance.randint(0, total // 3), total)
        process = begin(self._work)
        wait_for_lock(process, self._directory, held=True)
        while process.is_alive() and len(layout.frame_keys(self._directory)) < goal:
            time.sleep(0.002)
        time.sleep(self._chance.uniform(0, 4 * self._seconds / total))
        if process.is_alive():
            self.counts["within"] += is_locked(self._directory)
            kill(process, kernel_alone=self._chance.random() < 0.3)
            self._check_interrupted()
            self._check_resumed()
        else:
            self._check_complete()

    def complete(self) -> None:
        """A run to its end."""
        begin(self._work).join()
        self._check_complete()

    def describe(self) -> str:
        return ", ".join(f"{name} {count}" for name, count in self.counts.items())

    def _check_interrupted(self) -> None:
        """What is there is true: whole frames, and no claim that it is all."""
        self.counts["kills"] += 1
        frames = digests(self._directory)
        self.counts["frames_kept"] += len(frames)
        self.stages.add(len(frames))
        self.counts["unequal"] += not frames.items() <= self._digests.items()
        try:
            finished_run(self._directory)
            self.counts["untrue"] += frames != self._digests
        except RunError as error:  # unfinished, or without a manifest: never one that is not true
            self.counts["untrue"] += "as its manifest describes it" in error.expected

    def _check_resumed(self) -> None:
        copy = copy_of(self._directory)
        shutil.copytree(self._directory, copy, symlinks=True)
        begin(self._resume).join()
        self.counts["resumed"] += 1
        self._compare(copy)

    def _check_complete(self) -> None:
        self.counts["completed"] += 1
        self._compare(self._directory)

    def _compare(self, directory: Path) -> None:
        """It must be whole and equal; it is removed."""
        equal = (self._digests, self._links) == (digests(directory), links(directory))
        self.counts["unequal"] += bool(verify_run(directory).faults) or not equal
        shutil.rmtree(directory)


def copy_of(directory: Path) -> Path:
    return directory.with_name("copy")


def notebook(directory: Path, model: str, frames: int) -> Work:
    """A run through papermill."""
    path = ROOT / "notebooks/run.ipynb"
    if model == "painted":
        path = directory.with_name("painted.ipynb")
        program = PROGRAM.format("Study.from_cell(globals())", GENERATORS[model])
        cells = [nbformat.v4.new_code_cell(text) for text in (PARAMETERS, program)]
        cells[0].metadata["tags"] = ["parameters"]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    values = FIXED | {"output_dir": directory, "limit": frames}
    parameters = [part for name, value in values.items() for part in ("-p", name, str(value))]
    files = [str(path), str(directory.with_name("out.ipynb"))]
    return lambda: papermill(["-k", "python3", "--language", "python", *files, *parameters])


def plain(directory: Path, model: str, frames: int) -> Work:
    """The same run without a notebook."""
    values = FIXED | {"output_dir": str(directory), "limit": frames}
    path = directory.with_suffix(".py")
    path.write_text(PROGRAM.format(f"Study.of(**{values})", GENERATORS[model]))
    return lambda: runpy.run_path(str(path))


def begin(work: Work) -> ForkProcess:
    process = multiprocessing.get_context("fork").Process(target=quietly, args=(work,))
    process.start()
    return process


def quietly(work: Work) -> None:
    """Do it without a word, in a process of its own."""
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    work()


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def is_locked(directory: Path) -> bool:
    """Whether the lock of a run names a process that is alive: a killed one leaves its name."""
    lock = directory / layout.LOCK
    record = lock.read_text().split() if lock.is_file() else []
    return len(record) > 1 and psutil.pid_exists(int(record[0]))


def wait_for_lock(process: ForkProcess, directory: Path, held: bool) -> float:
    """The time at which a process has locked the directory, or let go of it, or ended."""
    while process.is_alive() and is_locked(directory) != held:
        time.sleep(0.002)
    return time.monotonic()


def kill(process: ForkProcess, kernel_alone: bool) -> None:
    """SIGKILL for the kernel, and for papermill itself unless it is to notice that alone."""
    kernels = psutil.Process(process.pid).children(recursive=True)  # sessions of their own
    if not (kernel_alone and kernels):
        process.kill()
    for kernel in kernels:
        with suppress(psutil.NoSuchProcess):  # it has just ended
            kernel.kill()
    psutil.wait_procs(kernels)
    process.join()


def digests(directory: Path) -> Digests:
    """The digests of all pictures of a run that are whole."""
    paths = {key: layout.frame_path(directory, key) for key in layout.frame_keys(directory)}
    return {key: read_frame(path)[1].digest for key, path in paths.items()}


def links(directory: Path) -> list[tuple[str, str]]:
    """What final/ shows."""
    paths = sorted((directory / layout.FINAL).glob("frame_*"))
    return [(path.name, str(path.readlink())) for path in paths]


if __name__ == "__main__":
    main()
