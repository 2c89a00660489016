"""The table of motifs, into which each motif enters itself."""

from collections.abc import Callable

from training.pen import Pen

Motif = Callable[[Pen], None]
MOTIFS: dict[str, Motif] = {}
ZONES: dict[str, str] = {}


def motif(zone: str) -> Callable[[Motif], Motif]:
    """Enter a function into the table of motifs; zone is `sky`, `middle` or `ground`."""

    def enter(draw: Motif) -> Motif:
        MOTIFS[draw.__name__], ZONES[draw.__name__] = draw, zone
        return draw

    return enter
