"""Where a run can lie, and what may stand in its way: found before the first frame."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from painted import PaintedGenerator, files, silent, write_words

from flopslab.core.study import Study
from flopslab.errors import RunError
from flopslab.experiments.changes import Replace
from flopslab.experiments.interventions import intervene
from flopslab.experiments.sweep import Sweep
from flopslab.passes import run
from flopslab.progress import NullProgress
from flopslab.runs import layout
from flopslab.runs.reader import common_parameters, open_run
from flopslab.storage import paths


class NoFrame(PaintedGenerator):
    def generate_with_latents(self, requests, strength=1.0):
        raise AssertionError("a frame was made")


# Spellings of a directory


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """The present directory and the home, both empty."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    return home


def small_study(here: Path, **parameters) -> Study:
    sequence = write_words(here / "words.json")
    return Study.of(sequence=sequence, passes=1, context_diameter=2, **parameters)


SPELLINGS = {"out/": "out", "./out": "out", "out/x/..": "out", ".": "", "..": ".."}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_run_directory_has_the_same_directories_beside_it(here, spelling):
    work = here / "work" / "deep"
    (work / "out" / "x").mkdir(parents=True)
    os.chdir(work)
    real = (work / SPELLINGS[spelling]).resolve()
    beside = {f"{real.name}-controls", f"{real.name}-seeds", f"{real.name}-interventions"}
    directories = [
        layout.variant_directory(Path(spelling), "shuffled"),
        layout.variant_directory(Path(spelling), seed=3),
        layout.interventions_directory(Path(spelling)) / "x",
    ]
    assert {path.parent.resolve() for path in directories} == {real.parent / n for n in beside}
    study = small_study(here, output_dir=spelling)
    change = intervene(study, Replace(6, "comet"), PaintedGenerator(), NullProgress())
    assert change.directory.resolve().parent == real.parent / f"{real.name}-interventions"
    sweep = Sweep(study.replace(output_dir=spelling), {"seed": [1]})
    sweep.run(lambda _study: PaintedGenerator(), progress=silent(sweep))
    assert (real / "seed=1" / "visual-manifest.json").is_file()


def test_nothing_lies_beside_the_root():
    with pytest.raises(RunError, match="nothing can be beside it"):
        layout.interventions_directory(Path("/"))


def test_the_home_directory_can_be_written_as_a_tilde_everywhere(here):
    words = Path(write_words(here / "words.json"))
    study = Study.of(sequence="~/words.json", output_dir="~/run", model="~/m", ip_adapter="~/a")
    assert study.sequence == str(words) and study.output_dir == str(here / "run")
    assert (study.model, study.ip_adapter) == (str(here / "m"), str(here / "a"))
    small = study.replace(passes=1, model="tiny", ip_adapter="", context_diameter=2)
    run(small, PaintedGenerator(), NullProgress())
    again = small.replace(output_dir="~/again", reuse_from="~/run")
    copied = run(again, NoFrame(), NullProgress()).passes[0].copied
    assert copied == 12 and not list(here.rglob("~*"))
    assert open_run("~/run").frames and common_parameters("~/run")


def test_a_tilde_that_names_nobody_stays_as_it_is():
    assert Study.of(output_dir="~nobody-of-this-name/x").output_dir == "~nobody-of-this-name/x"


# What stands in the way


def put_file(path: Path) -> None:
    path.write_text("mine")


def put_link(path: Path) -> None:
    (path.parent / "elsewhere").mkdir()
    path.symlink_to("elsewhere")


def put_directory(path: Path) -> None:
    path.mkdir()
    (path / "mine").write_text("mine")


@pytest.mark.parametrize(
    ("name", "put"),
    [(n, p) for n in ("final", "pass2", "quarantine") for p in (put_file, put_link)]
    + [("visual-manifest.json", put_directory)],
)
def test_what_stands_in_the_way_is_found_before_the_first_frame(paint, study, name, put):
    directory = Path(study.output_dir)
    directory.mkdir()
    put(directory / name)
    before = files(directory)
    with pytest.raises(RunError, match=name) as caught:
        paint(NoFrame())
    assert "move what stands in the way" in caught.value.hint
    assert files(directory) == before


# Room


def set_free(monkeypatch, free: int) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**12, 0, free))


def test_a_disk_with_clearly_too_little_room_is_refused_before_the_first_frame(paint, monkeypatch):
    set_free(monkeypatch, 50_000)
    with pytest.raises(RunError, match=r"about 195\.5 kB .* for 24 frames of 12 x 8") as caught:
        paint(NoFrame())
    assert caught.value.actual == "50.0 kB free" and "limit" in caught.value.hint


def test_frames_that_are_there_need_no_more_room(paint, monkeypatch):
    paint()
    set_free(monkeypatch, 0)
    paint(NoFrame())
    set_free(monkeypatch, 60_000)
    assert paint(passes=3).passes[2].made == 12


# Names and lengths


WRONG = ["con", "runs/NUL.txt", "C:/runs/a?b", "x/COM1", "dot.", "x/a:b"]


@pytest.mark.parametrize("name", WRONG)
def test_a_name_that_windows_does_not_allow_is_refused_before_the_first_frame(
    paint, monkeypatch, here, name
):
    monkeypatch.setattr(paths, "IS_WINDOWS", True)
    with pytest.raises(RunError, match="which Windows does not allow"):
        paint(NoFrame(), output_dir=name)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("name", ["out", "../out/", "console", "D:/runs/a b", "ünïcode", "com"])
def test_a_name_that_windows_allows_is_none_of_them(name, monkeypatch):
    monkeypatch.setattr(paths, "IS_WINDOWS", True)
    assert paths.require_path(Path(name), "final") is None  # else a RunError


def test_a_path_that_is_too_long_is_refused_before_the_first_frame(paint, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "LONGEST", 259)
    directory = tmp_path / ("x" * 120) / ("y" * 100)
    with pytest.raises(RunError, match=r"paths of up to .* this system takes 259"):
        paint(NoFrame(), output_dir=str(directory))
    assert not (tmp_path / ("x" * 120)).exists()
