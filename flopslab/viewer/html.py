"""What the viewer says about a frame, as HTML. Pure; words are data, and every one is escaped."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape

from flopslab.errors import FlopslabError
from flopslab.runs.provenance import Recipe

MARGIN = 6  # words that are shown on either side of the window


@dataclass(frozen=True, slots=True)
class Seen:
    """A neighbour that a frame looked at: where it stands, how much it counts, what it shows."""

    position: int
    weight: float  # share of all neighbours, 0 to 1
    thumbnail: bytes | None  # a JPEG file


def shown_words(window: range, position: int) -> range:
    """The positions of the words to show: the window and some on either side."""
    return range(min(window[0], position) - MARGIN, max(window[-1], position) + 1 + MARGIN)


def words(
    known: Mapping[int, str],
    window: range,
    position: int,
    changed: Mapping[int, str] | None = None,
) -> str:
    """The words in order, those in the window marked, the position's own most of all.

    `changed`: the words of another run; where they differ, both are shown.
    """
    changed = {p: word for p, word in (changed or {}).items() if known.get(p) != word}
    places = "".join(
        f'<bdi class="{_role(p, window, position)}" title="position {p}">{escape(word)}</bdi> '
        + (f'→ <bdi class="changed">{escape(changed[p])}</bdi> ' if p in changed else "")
        for p, word in sorted(known.items())
    )
    return f'<div class="flopslab flopslab-words">{places}</div>'


def _role(place: int, window: range, position: int) -> str:
    if place == position:
        return "centre"
    return "inside" if place in window else "outside"


def neighbours(recipe: Recipe) -> list[tuple[int, float]]:
    """(position, weight) of every frame that a frame looked at, in order; the sum is 1."""
    weights = [entry["weight"] for entry in recipe.pixels.get("inputs", [])]
    return list(zip(recipe.input_positions, weights, strict=True))


def strip(looked_at: Sequence[Seen], position: int) -> str:
    """The neighbours that a frame looked at, each with its weight as a bar."""
    if not looked_at:
        return note("The first pass sees words alone.")
    most = max(seen.weight for seen in looked_at) or 1.0
    cells = "".join(_cell(seen, seen.position == position, most) for seen in looked_at)
    return f'<div class="flopslab flopslab-strip">{cells}</div>'


def _cell(seen: Seen, own: bool, most: float) -> str:
    picture = f'<img alt="" src="{data_uri(seen.thumbnail)}">' if seen.thumbnail else "<i></i>"
    return (
        f'<figure class="{"own" if own else "other"}" title="position {seen.position}">{picture}'
        f'<b style="height:{20 * seen.weight / most:.1f}px"></b><small>{seen.weight:.1%}</small>'
        f"<figcaption>{seen.position}</figcaption></figure>"
    )


def facts(recipe: Recipe) -> str:
    """How a picture was made, as a table."""
    lines = "".join(
        f'<tr><th>{name}</th><td dir="auto">{escape(value)}</td></tr>'
        for name, value in particulars(recipe).items()
    )
    return f'<table class="flopslab flopslab-facts">{lines}</table>'


def particulars(recipe: Recipe) -> dict[str, str]:
    """Prompt, seed and what else matters most, by name."""
    settings = recipe.pixels["settings"]
    said = {
        "prompt": f"{recipe.prompt} ({recipe.tokens} tokens)",
        "negative prompt": settings["negative_prompt"],
        "seed": str(recipe.pixels["seed"]),
        "neighbours": _refinement(recipe),
        "model": f"{recipe.model} ({settings['model_digest'][:12]})",
        "sampling": _sampling(settings),
        "made": f"{recipe.created}, {recipe.generation_time_s:.2f} s on {recipe.device}",
        "pixels": recipe.digest[:12],
    }
    return {name: value for name, value in said.items() if value}


def _refinement(recipe: Recipe) -> str:
    if recipe.number == 1:
        return ""
    made = recipe.pixels["refinement"]
    given = {name: value for name, value in made.items() if name != "method" and value}
    others = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in given.items())
    return f"{len(recipe.input_positions)} by {made['method']}, {others}"


def _sampling(settings: Mapping[str, object]) -> str:
    return (
        f"{settings['steps']} steps of {settings['scheduler']}, guidance "
        f"{settings['guidance_scale']:g}, {settings['width']} x {settings['height']}"
    )


def whole_recipe(recipe: Recipe) -> str:
    """The recipe as it stands in the picture."""
    text = json.dumps(asdict(recipe), ensure_ascii=False, indent=2)
    return f'<pre class="flopslab flopslab-recipe" dir="auto">{escape(text)}</pre>'


def caption(*parts: str) -> str:
    """A line under a picture."""
    return f'<div class="flopslab flopslab-caption">{" · ".join(map(escape, parts))}</div>'


def heading(name: str, text: str) -> str:
    """What run this is."""
    return (
        f'<div class="flopslab flopslab-heading" dir="auto"><b>{escape(name)}</b> '
        f"<span>{escape(text)}</span></div>"
    )


def title(text: str) -> str:
    """The title of a part of the viewer."""
    return f'<div class="flopslab flopslab-title" dir="auto">{escape(text)}</div>'


def change(position: int, word: str) -> str:
    """What an intervention would change."""
    return (
        f'<div class="flopslab flopslab-change">What if position {position} were not '
        f"<bdi>{escape(word)}</bdi> but</div>"
    )


def legend(low: float, high: float) -> str:
    """What the colours of a measure mean."""
    return (
        f'<div class="flopslab flopslab-legend"><span>{low:.3g}</span><b></b>'
        f"<span>{high:.3g}</span></div>"
    )


def problem(error: BaseException) -> str:
    """An error as text: what was asked, what was found, what to do."""
    known = isinstance(error, FlopslabError)
    text = str(error) if known else f"{type(error).__name__}: {error}"
    return f'<pre class="flopslab flopslab-problem" dir="auto">{escape(text)}</pre>'


def note(text: str) -> str:
    """A remark."""
    return f'<div class="flopslab flopslab-note">{escape(text)}</div>'


def data_uri(data: bytes, kind: str = "image/jpeg") -> str:
    """The file as an address that holds it."""
    return f"data:{kind};base64,{b64encode(data).decode()}"
