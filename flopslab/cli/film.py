"""`flopslab film`: a finished run to a film, and to a page that plays it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from flopslab.cli.output import AsJson, print_result
from flopslab.film.assembly import TONES, make_film
from flopslab.film.player import write_player
from flopslab.film.settings import FilmSettings
from flopslab.film.transitions import Embed


def _option(name: str, *flags: str) -> Any:
    """The option of a film's parameter; its help is the parameter's description."""
    text = FilmSettings.model_fields[name].description or ""
    return typer.Option(*flags, help=" ".join(text.split()))


DEFAULTS = FilmSettings()


def film(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a finished run.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The film: .mp4 or .webm. [RUN/film.mp4]")
    ] = None,
    sound: Annotated[
        str, typer.Option(help=f"A sound file, or {TONES}: a soft tone with each word.")
    ] = "",
    timing: Annotated[str, _option("timing")] = DEFAULTS.timing,
    fps: Annotated[float, _option("fps")] = DEFAULTS.fps,
    transition: Annotated[str, _option("transition")] = DEFAULTS.transition,
    transition_ms: Annotated[str, _option("transition_ms")] = str(DEFAULTS.transition_ms),
    frame_ms: Annotated[int, _option("frame_ms")] = DEFAULTS.frame_ms,
    end: Annotated[str, _option("end")] = DEFAULTS.end,
    passes: Annotated[str, _option("passes")] = str(DEFAULTS.passes),
    height: Annotated[int, _option("height")] = DEFAULTS.height,
    quality: Annotated[int, _option("quality")] = DEFAULTS.quality,
    preset: Annotated[str, _option("preset")] = DEFAULTS.preset,
    captions: Annotated[bool, _option("captions")] = DEFAULTS.captions,
    chapters: Annotated[bool, _option("chapters")] = DEFAULTS.chapters,
    preview: Annotated[str, _option("preview")] = DEFAULTS.preview,
    player: Annotated[bool, typer.Option(help="Write player.html into the run.")] = True,
    as_json: AsJson = False,
) -> None:
    """Cut the pictures of a finished run to the times of its words."""
    options = dict(locals())
    names = {name: options[name] for name in FilmSettings.model_fields}
    names |= {"transition_ms": _numbers(transition_ms), "passes": _number(passes)}
    settings = FilmSettings(**names)
    embed = _embedder() if isinstance(settings.transition_ms, list) else None
    made = make_film(run, output or "", sound=sound, settings=settings, embed=embed)
    pages = [write_player(run, made.sound or "", frame_ms)] if player else []
    files = [str(path) for path in (made.path, *made.beside, *pages)]
    result = {
        "film": str(made.path),
        "files": files,
        "duration_ms": made.duration_ms,
        "sound_ms": made.sound_ms,
        "pictures": made.shots,
        "frames": made.frames,
    }
    print_result(result, "\n".join([str(made), *files[1:]]), as_json)


def _embedder() -> Embed:
    """The text encoder of the embedded CLIP; torch is loaded only when it is needed."""
    from flopslab.analysis.embedder import load_embedder

    return load_embedder().texts


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _numbers(text: str) -> int | str | list[int | str]:
    """A number, or two with a hyphen between them: 100-500."""
    numbers = [_number(part) for part in text.split("-")]
    return numbers if len(numbers) > 1 else numbers[0]
