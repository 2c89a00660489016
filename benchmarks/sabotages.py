"""Single faults planted in the code, each of which a test sees: `python -m benchmarks.sabotages`.

sabotages.toml lists them: what is replaced in which file of the package, and the test that turns
red. The package is copied; for each fault a process is forked that has only libraries imported, and
runs that test. It exits with 1 if one is not caught, or does not apply to the code any more.
"""

import argparse
import os
import resource
import shutil
import sys
import tempfile
import tomllib
from importlib.util import cache_from_source
from pathlib import Path

import numpy  # noqa: F401  # libraries that every test needs, imported once for all forks
import papermill  # noqa: F401
import PIL.Image  # noqa: F401
import pydantic  # noqa: F401
import pytest
import scipy.stats  # noqa: F401

from benchmarks.report import publish

ROOT = Path(__file__).parents[1]
LIST = Path(__file__).with_suffix(".toml")
MOST = 120  # seconds of processor for a test
OUTCOMES = {0: "not caught", pytest.ExitCode.TESTS_FAILED: "caught"}

Sabotage = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="parts of the names of those to try; default: all")
    parser.add_argument("--json", default="", metavar="FILE", help="write the outcomes there too")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as root:
        copy = copy_repository(Path(root))
        for sabotage in chosen(options.names):
            outcome, test = attempt(sabotage, copy)
            rows.append({"name": sabotage["name"], "outcome": outcome, "test": test})
            print(*rows[-1].values(), sep=" | ", file=sys.stderr, flush=True)
    publish(rows, options.json)
    sys.exit(any(row["outcome"] != "caught" for row in rows))


def chosen(names: list[str]) -> list[Sabotage]:
    """Those whose names have one of the parts in them; what needs torch comes last."""
    entries = tomllib.loads(LIST.read_text(encoding="utf-8"))["sabotage"]
    entries = [entry for entry in entries if any(part in entry["name"] for part in names or [""])]
    return sorted(entries, key=needs_torch)


def copy_repository(root: Path) -> Path:
    """A copy of what the tests need."""
    copy = root / "copy"
    ignored = shutil.ignore_patterns(".git", ".venv", "build", "output", "__pycache__")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
    return copy


def attempt(sabotage: Sabotage, copy: Path) -> tuple[str, str]:
    """(what came of it, the test that failed); the copy is as before afterwards."""
    path = copy / "flopslab" / sabotage["file"]
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.count(sabotage["old"]) != 1:
        return "does not apply", ""
    if needs_torch(sabotage):
        import diffusers  # noqa: F401
        import torch  # noqa: F401
    path.write_text(text.replace(sabotage["old"], sabotage["new"]), encoding="utf-8")
    try:
        return run_tests(sabotage["test"].split(), copy)
    finally:
        path.write_text(text, encoding="utf-8")
        Path(cache_from_source(str(path))).unlink(missing_ok=True)  # its time may be the same


def run_tests(names: list[str], copy: Path) -> tuple[str, str]:
    """(outcome, the first test that failed) of these tests, in a process of their own."""
    log = copy.with_name("log.txt")
    process = os.fork()
    if not process:
        run_as_child(names, copy, log)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    failed = [line.split()[1] for line in lines if line.startswith(("FAILED", "ERROR"))]
    return OUTCOMES.get(code, f"exit code {code}"), "".join(failed[:1])


def run_as_child(names: list[str], copy: Path, log: Path) -> None:
    code = 1
    try:
        os.chdir(copy)
        os.environ["PYTHONPATH"] = str(copy)
        sys.path.insert(0, str(copy))
        for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
            del sys.modules[name]  # its own copy of everything
        resource.setrlimit(resource.RLIMIT_CPU, (MOST, MOST))
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(output, stream)
        code = pytest.main(["-x", "-q", "--no-header", "-p", "no:cacheprovider", "-rfE", *names])
        sys.stdout.flush()
    finally:
        os._exit(code)


def needs_torch(sabotage: Sabotage) -> bool:
    return "backends/" in sabotage["test"]


if __name__ == "__main__":
    main()
