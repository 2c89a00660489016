"""A run as a page that plays it: sound, words lit as they are spoken, passes that fade."""

import json
import os
from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from flopslab.errors import ParameterError, RunError
from flopslab.film.drafts import Drafts
from flopslab.film.settings import FilmSettings
from flopslab.film.timeline import timeline
from flopslab.runs.layout import frame_name, pass_name
from flopslab.runs.reader import RunDirectory, finished_run

NAME = "player.html"


def write_player(run_dir: str | Path, sound: str | Path = "", frame_ms: int = 500) -> Path:
    """The path of the player of a finished run, written into its directory.

    It needs no server and no network: pictures and `sound` are linked by relative paths. Words
    without times last `frame_ms` each. RunError if a picture is missing or the page cannot be
    written, ParameterError if the sound is missing.
    """
    run = finished_run(run_dir)
    _check_pictures(run)
    data = json.dumps(_contents(run, Path(sound).expanduser(), frame_ms), ensure_ascii=False)
    page = files("flopslab.film").joinpath("player.html").read_text(encoding="utf-8")
    page = page.replace("%%TITLE%%", escape(run.directory.resolve().name))
    page = page.replace("%%DATA%%", data.replace("<", "\\u003c"))
    path = run.directory / NAME
    with Drafts(path) as drafts:
        drafts[path.suffix].write_text(page, encoding="utf-8", newline="\n")
    return path


def _contents(run: RunDirectory, sound: Path, frame_ms: int) -> dict[str, object]:
    """What the page plays; times in milliseconds."""
    plan = timeline(run.manifest, FilmSettings(frame_ms=frame_ms, end="words"))
    return {
        "words": [[caption.text, caption.start_ms, caption.end_ms] for caption in plan.captions],
        "frames": [[frame_name(shot.position), shot.start_ms] for shot in plan.shots],
        "passes": [pass_name(number) for number in run.passes],
        "sound": _address(run, sound) if sound.name else "",
        "end": plan.end_ms,
    }


def _address(run: RunDirectory, sound: Path) -> str:
    """The sound's relative address, as a page in the run directory writes it."""
    if not sound.is_file():
        hint = "give the path of a sound file"
        raise ParameterError(f"the sound in {sound}", "no such file", hint)
    return quote(os.path.relpath(sound.resolve(), run.directory.resolve()).replace(os.sep, "/"))


def _check_pictures(run: RunDirectory) -> None:
    missing = [run.path(key) for key in run.frames if not run.path(key).is_file()]
    if missing:
        hint = "run the study again: what is missing is made again"
        actual = f"{len(missing)} are missing, the first is {missing[0]}"
        raise RunError(f"the {len(run.frames)} pictures of {run.directory}", actual, hint)
