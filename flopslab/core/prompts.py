"""From the words of a window to a prompt. Words are data: they are joined, never parsed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flopslab.core.study import PromptStyle
from flopslab.errors import ParameterError
from flopslab.words.sequence import Word

# The eleven basic colour terms of Berlin and Kay (1969).
BASIC_COLOURS = (
    "black", "white", "red", "green", "yellow", "blue",
    "brown", "orange", "pink", "purple", "gray",
)  # fmt: skip

Fragments = tuple[tuple[str, float], ...]
NearestColour = Callable[[tuple[str, ...]], str]


@dataclass(frozen=True, slots=True)
class Prompt:
    """Fragments of text, each with the weight that its text embedding gets (1.0 is neutral)."""

    fragments: Fragments

    @property
    def text(self) -> str:
        """The characters that the text encoder reads: no weights, no syntax."""
        return " ".join(text for text, _ in self.fragments)

    @property
    def written(self) -> str:
        """The prompt with its weights, `(word:1.4) word`: for people to read, never parsed."""
        return " ".join(
            text if weight == 1 else f"({text}:{weight:g})" for text, weight in self.fragments
        )


def emphasis(size: int) -> float:
    """The weight of a word of this size: 1.0 for size 1, a tenth more for each step."""
    return (9 + size) / 10


def simple(words: Sequence[Word], nearest_colour: NearestColour | None = None) -> Fragments:
    """The words, all of neutral weight."""
    return tuple((word.text, 1.0) for word in words)


def weighted(words: Sequence[Word], nearest_colour: NearestColour | None = None) -> Fragments:
    """The words, each with the emphasis of its size."""
    return tuple((word.text, emphasis(word.size)) for word in words)


def themed(words: Sequence[Word], nearest_colour: NearestColour | None = None) -> Fragments:
    """`<colour> toned, <words>, ethereal, dreamlike`, with the colour nearest to the words."""
    if nearest_colour is None:
        raise ParameterError(
            "a themed prompt",
            "no way to find the colour nearest to the words",
            "pass nearest_colour, a function from words to a colour (a generator has one)",
        )
    texts = tuple(word.text for word in words)
    parts = f"{nearest_colour(texts)} toned", " ".join(texts), "ethereal, dreamlike"
    return ((", ".join(part for part in parts if part), 1.0),)


STYLES: dict[PromptStyle, Callable[[Sequence[Word], NearestColour | None], Fragments]] = {
    "simple": simple,
    "weighted": weighted,
    "themed": themed,
}


def compose(
    words: Sequence[Word],
    style: PromptStyle,
    prefix: str = "",
    suffix: str = "",
    nearest_colour: NearestColour | None = None,
) -> Prompt:
    """The prompt of a window's words in one of the `STYLES`, between `prefix` and `suffix`.

    Silent words are left out; whatever is not a word stays.
    `nearest_colour` maps the words' texts to one of `BASIC_COLOURS`; only `themed` calls it.
    """
    if style not in STYLES:
        raise ParameterError(
            "a prompt", f"prompt_style = {style!r}", f"use one of {', '.join(STYLES)}"
        )
    before, after = (((text, 1.0),) if text else () for text in (prefix, suffix))
    audible = [word for word in words if not word.silent]
    return Prompt((*before, *STYLES[style](audible, nearest_colour), *after))
