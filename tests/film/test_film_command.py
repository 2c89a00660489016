"""`flopslab film`: one command from a finished run to a film and a page."""

import json
import subprocess
import sys
import time

import pytest
from coded import cuts, make_run, words

from flopslab.cli.film import film
from flopslab.film.settings import FilmSettings


def test_one_command_makes_film_sound_and_player(run_dir, flopslab):
    code, out, err = flopslab("film", run_dir, "--sound", "tones", "--json")
    result = json.loads(out)
    assert code == 0 and result["pictures"] == result["frames"] == 12
    assert {path.name for path in run_dir.glob("[fp]*.*")} == {
        "film.mp4", "film.jpg", "film.concat.txt", "film.vtt", "film.srt", "film.wav",
        "player.html",
    }  # fmt: skip
    assert sorted(result["files"]) == sorted(str(path) for path in run_dir.glob("[fp]*.*"))
    assert '"sound": "film.wav"' in (run_dir / "player.html").read_text()
    assert "12/12" in err


def test_every_parameter_is_an_option_and_reaches_the_film(run_dir, flopslab, tmp_path):
    options = "--timing fps --fps 12.5 --transition crossfade --passes 1 --no-captions --end words"
    more = "--height 32 --quality 5 --preset ultrafast --no-chapters --no-player --frame-ms 100"
    path = tmp_path / "a.mp4"
    code, out, _ = flopslab("film", run_dir, "-o", path, *options.split(), *more.split())
    assert code == 0 and out.startswith(f"{path}: 12 pictures, ")
    assert {p.name for p in tmp_path.glob("a.*")} == {"a.mp4", "a.jpg", "a.concat.txt"}
    assert [number for _, number in cuts(path)][-1] == 12
    assert set(FilmSettings.model_fields) <= set(film.__annotations__)


@pytest.mark.torch
def test_transitions_by_the_distance_of_the_words(tmp_path, flopslab):
    entries = words(4)
    run_dir = make_run(tmp_path / "run", entries)
    options = ["--transition", "crossfade", "--transition-ms", "100-500"]
    code, out, _ = flopslab("film", run_dir, *options, "--json")
    assert code == 0 and json.loads(out)["frames"] > 4 + 3 * 2


def test_a_mistake_is_three_lines(run_dir, flopslab):
    for option in (["--fps", "0"], ["--transition-ms", "fast"], ["--passes", "9"]):
        code, out, err = flopslab("film", run_dir, *option)
        assert (code, out) == (1, "") and len(err.splitlines()) == 3
    assert not list(run_dir.glob("*.mp4"))


@pytest.mark.slow
def test_a_command_that_is_terminated_leaves_no_half_file(run_dir):
    command = [sys.executable, "-m", "flopslab", "film", run_dir, "--preset", "slow"]
    process = subprocess.Popen([*command, "--height", "2160"], stderr=subprocess.DEVNULL)
    while not (run_dir / ".film.mp4.tmp").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    assert process.wait(60) == 143
    assert list(run_dir.glob("*film*")) == []
