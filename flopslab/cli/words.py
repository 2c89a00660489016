"""`flopslab words`: a file with words, or a pool of them, to a sequence in JSON."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from flopslab.analysis.sequences import Order, SequenceRequest
from flopslab.cli.output import AsJson, print_result
from flopslab.words.cues import Unit
from flopslab.words.flopsopoly import measure_evenness
from flopslab.words.sequence import TimedSequence, write_sequence

Option = typer.Option


def words(
    source: Annotated[
        str, typer.Argument(metavar="FILE|POOL", help="A file with words; see docs/words.md.")
    ],
    output: Annotated[Path, Option("-o", "--output", help="The JSON file to write.")],
    order: Annotated[
        Order, Option(help="Keep the order, or build a flopsopoly; auto: if there are sizes only.")
    ] = "auto",
    unit: Annotated[Unit, Option(help="Keep lines, or split them into words.")] = "line",
    tier: Annotated[str, Option(help="The tier of a TextGrid.")] = "",
    offset_ms: Annotated[int, Option(help="Milliseconds to add to every time.")] = 0,
    embeddings: Annotated[str, Option(help="A file with a vector for each word.")] = "",
    model: Annotated[str, Option(help="The model whose text encoder embeds the words.")] = "tiny",
    gap_ms: Annotated[
        str, Option(help="Milliseconds between two words; 200-800: by their distance.")
    ] = "500",
    first_word: Annotated[str, Option(help="The word to begin with.")] = "",
    repeat: Annotated[bool, Option("--repeat", help="Allow a word twice in a row.")] = False,
    centre: Annotated[
        bool, Option("--centre", help="Subtract the mean embedding: copies spread wider.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read a transcript, subtitles, a poem or a pool, and write a sequence of words."""
    request = SequenceRequest(
        source, order, unit, tier, offset_ms, embeddings, model, gap_ms, first_word, repeat, centre
    )
    with tqdm(unit=" words", file=sys.stderr, delay=2, leave=False, disable=as_json) as bar:
        sequence = request.make(bar.update)
    write_sequence(output, sequence)
    facts = summarise(sequence)
    print_result({"output": str(output), **facts}, f"{output}: {describe(facts)}", as_json)


def summarise(sequence: TimedSequence) -> dict[str, Any]:
    """What `--json` says about a sequence."""
    texts = [word.text for word in sequence.words]
    evenness = measure_evenness(texts)
    return {
        "words": len(texts),
        "unique_words": len(set(texts)),
        "last_end_ms": sequence.words[-1].end_ms,
        "total_duration_ms": sequence.total_duration_ms,
        "repeats": evenness.repeats,
        "spacing_cv": evenness.spacing_cv and round(evenness.spacing_cv, 3),
        "spread": evenness.spread and round(evenness.spread, 3),
        "half_way": round(evenness.half_way, 3),
    }


def describe(facts: dict[str, Any]) -> str:
    """The same for a reader, in a few lines."""
    end = facts["total_duration_ms"] or facts["last_end_ms"]
    times = "no times" if end is None else f"{end / 1000:.1f} s"
    lines = [f"{facts['words']} words, {facts['unique_words']} of them different, {times}"]
    if facts["repeats"]:
        lines.append(f"the same word twice in a row: {facts['repeats']} times")
    if facts["spacing_cv"] is not None:
        spacing = (
            f"cv {facts['spacing_cv']:.2f} (0: even), spread {facts['spread']:.2f} (1: over all)"
        )
        lines.append(f"copies of a word: {spacing}")
    return "\n".join(lines)
