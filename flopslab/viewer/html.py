"""What the viewer says about a frame, as HTML. Pure; words are data, and every one is escaped."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from flopslab.errors import FlopslabError
from flopslab.runs.provenance import Recipe
from flopslab.words.sequence import Word

MARGIN = 6  # words that are shown on either side of the window
BAR = 20  # pixels of the largest weight in a strip


@dataclass(frozen=True, slots=True)
class NeighbourView:
    """A neighbour as a frame's strip shows it: where it stands, how much it counts, its picture."""

    position: int
    weight: float  # share of all neighbours, 0 to 1
    address: str | None = None  # of its picture; None: it cannot be read, or comes later


def positions_around(window: range) -> range:
    """The positions of the words to show: the window and some on either side."""
    return range(window[0] - MARGIN, window[-1] + 1 + MARGIN)


def words(
    recipe: Recipe, words: Mapping[int, Word], variant: Mapping[int, Word] | None = None
) -> str:
    """The words around a frame in order, those in its window marked, its own most of all.

    `words` and `variant` are those of the frame's run and of another one, by position: where they
    differ, both are shown. Silent words are not known while a run is being made.
    """
    variant = {p: word for p, word in (variant or {}).items() if words.get(p) != word}
    parts = (_placed_word(p, word, variant.get(p), recipe) for p, word in sorted(words.items()))
    unknown = sum(position not in words for position in recipe.window)
    remark = f"silent words of the window: {unknown}, known when the run is finished"
    line = f'<div class="flopslab flopslab-words">{"".join(parts)}</div>'
    return line + (note(remark) if unknown else "")


def _placed_word(position: int, word: Word, variant: Word | None, recipe: Recipe) -> str:
    role = "inside" if position in recipe.window else "outside"
    role = "centre" if position == recipe.position else role
    text = _word(word, role, f"position {position}")
    return text if variant is None else f"{text}→ {_word(variant, 'variant', '')}"


def _word(word: Word, role: str, title: str) -> str:
    role = f"{role} silent" if word.silent else role
    title = f' title="{title}"' if title else ""
    return f'<bdi class="{role}"{title}>{escape(word.text)}</bdi> '


def strip(neighbours: Sequence[NeighbourView], key: tuple[int, int]) -> str:
    """The neighbours that the frame `key` looked at, each with its weight as a bar."""
    pass_number, position = key
    if not neighbours:
        reason = (
            "The first pass sees words alone." if pass_number == 1 else "It saw no other frame."
        )
        return note(reason)
    largest = max(view.weight for view in neighbours) or 1.0
    cells = "".join(_cell(view, view.position == position, largest) for view in neighbours)
    return f'<div class="flopslab flopslab-strip">{cells}</div>'


def _cell(view: NeighbourView, is_own: bool, largest: float) -> str:
    picture = f'<img alt="" src="{view.address}">' if view.address else "<i></i>"
    return (
        f'<figure class="{"own" if is_own else "other"}" data-position="{view.position}"'
        f' title="position {view.position}">{picture}'
        f'<b style="height:{BAR * view.weight / largest:.1f}px"></b>'
        f"<small>{view.weight:.1%}</small><figcaption>{view.position}</figcaption></figure>"
    )


def facts(recipe: Recipe, run: str = "") -> dict[str, str]:
    """What matters most about a picture, by name. `run`: which run it is of, if there are two."""
    settings = recipe.pixels["settings"]
    values = {
        "run": run,
        "prompt": f"{recipe.prompt} ({_count(recipe.tokens)})",
        "negative prompt": settings["negative_prompt"],
        "seed": str(recipe.pixels["seed"]),
        "neighbours": _refinement(recipe),
        "model": f"{recipe.model} ({(settings['model_digest'] or 'unproven')[:12]})",
        "sampling": _sampling(settings),
        "made": f"{recipe.created}, {recipe.generation_time_s:.2f} s on {recipe.device}",
        "pixels": recipe.digest[:12],
    }
    return {name: value for name, value in values.items() if value}


def _count(tokens: int | None) -> str:
    return "tokens not counted" if tokens is None else f"{tokens} tokens"


def table(facts: Mapping[str, str]) -> str:
    """Names and values, a line each."""
    lines = "".join(
        f'<tr><th>{escape(name)}</th><td dir="auto">{escape(value)}</td></tr>'
        for name, value in facts.items()
    )
    return f'<table class="flopslab flopslab-facts">{lines}</table>'


def _refinement(recipe: Recipe) -> str:
    if recipe.pass_number == 1:
        return ""
    values = dict(recipe.pixels["refinement"])
    method = values.pop("method")
    texts = [f"{name.replace('_', ' ')} {value}" for name, value in values.items() if value]
    return ", ".join([f"{len(recipe.inputs)} by {method}", *texts])


def _sampling(settings: Mapping[str, Any]) -> str:
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
    text = " · ".join(escape(part) for part in parts if part)
    return f'<div class="flopslab flopslab-caption">{text}</div>'


def heading(name: str, text: str) -> str:
    """What run this is."""
    return (
        f'<div class="flopslab flopslab-heading" dir="auto"><b>{escape(name)}</b> '
        f"<span>{escape(text)}</span></div>"
    )


def title(text: str) -> str:
    """The title of a part of the viewer."""
    return f'<div class="flopslab flopslab-title" dir="auto">{escape(text)}</div>'


def question(position: int, word: Word | None) -> str:
    """What an intervention would change."""
    place = f"position {position}"
    if word is None:
        text = f"What if {place} were"
    else:
        text = f"What if {place} were not <bdi>{escape(word.text)}</bdi> but"
    return f'<div class="flopslab flopslab-question">{text}</div>'


def legend(low: float, high: float, colours: Sequence[str]) -> str:
    """What the colours of a measure mean, from its least to its greatest value."""
    bar = f'<b style="background:linear-gradient(90deg, {", ".join(colours)})"></b>'
    return (
        f'<div class="flopslab flopslab-legend"><span>{low:.3g}</span>{bar}'
        f"<span>{high:.3g}</span></div>"
    )


def problem(error: BaseException) -> str:
    """An error as text: what was expected, what was there, what to do."""
    text = str(error) if isinstance(error, FlopslabError) else f"{type(error).__name__}: {error}"
    return f'<pre class="flopslab flopslab-problem" dir="auto">{escape(text)}</pre>'


def note(text: str) -> str:
    """A remark."""
    return f'<div class="flopslab flopslab-note">{escape(text)}</div>'
