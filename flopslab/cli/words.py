"""`flopslab words`: a file with words, or a pool of them, to a sequence in JSON."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm.auto import tqdm

from flopslab.analysis.text_embeddings import embed_pool
from flopslab.cli.output import AsJson, print_result
from flopslab.words import flopsopoly
from flopslab.words.cues import Unit
from flopslab.words.pool import Pool, is_pool, read_pool
from flopslab.words.sequence import (
    SHIPPED,
    TimedSequence,
    read_timed_sequence,
    write_sequence,
)

MANY = 2000  # words from which on a bar shows the progress


def words(
    source: Annotated[
        str,
        typer.Argument(metavar="FILE|POOL", help="A file with words; docs/words.md lists them."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The JSON file to write.")],
    pool: Annotated[
        bool | None,
        typer.Option(
            help="Order the words as a flopsopoly; by default if the file has sizes only."
        ),
    ] = None,
    unit: Annotated[Unit, typer.Option(help="Keep lines, or split them into words.")] = "line",
    tier: Annotated[str, typer.Option(help="The tier of a TextGrid.")] = "",
    offset_ms: Annotated[int, typer.Option(help="Milliseconds to add to every time.")] = 0,
    embeddings: Annotated[str, typer.Option(help="A file with a vector for each word.")] = "",
    model: Annotated[str, typer.Option(help="The model whose text encoder is used.")] = "tiny",
    gap_ms: Annotated[
        str, typer.Option(help="Milliseconds between two words; 200-800: by their distance.")
    ] = "500",
    first_word: Annotated[str, typer.Option(help="The word to begin with.")] = "",
    repeat: Annotated[
        bool, typer.Option("--repeat", help="Allow the same word twice in a row, to the letter.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read a transcript, subtitles, a poem or a pool, and write a sequence of words."""
    if pool if pool is not None else source not in SHIPPED and is_pool(source):
        gap = flopsopoly.parse_gap(gap_ms)
        options = {"gap_ms": gap, "first_word": first_word, "no_repeat": not repeat}
        sequence = _build(embed_pool(read_pool(source, unit), embeddings, model), as_json, options)
    else:
        sequence = read_timed_sequence(source, unit=unit, tier=tier, offset_ms=offset_ms)
    write_sequence(output, sequence)
    result = {"output": str(output), **summarise(sequence)}
    print_result(result, describe(output, sequence), as_json)


def _build(pool: Pool, quiet: bool, options: dict[str, Any]) -> TimedSequence:
    total = sum(pool.sizes)
    hide = quiet or total < MANY
    with tqdm(total=total, unit=" words", file=sys.stderr, disable=hide) as bar:
        return flopsopoly.build(pool, advance=bar.update, **options)


def summarise(sequence: TimedSequence) -> dict[str, Any]:
    """What `--json` says about a sequence."""
    texts = [word.text for word in sequence.words]
    evenness = flopsopoly.measure_evenness(texts)
    return {
        "words": len(texts),
        "unique_words": len(set(texts)),
        "timed": sequence.words[0].start_ms is not None,
        "last_end_ms": sequence.words[-1].end_ms,
        "total_duration_ms": sequence.total_duration_ms,
        "repeats": evenness.repeats,
        "spacing_cv": evenness.spacing_cv and round(evenness.spacing_cv, 3),
        "spread": evenness.spread and round(evenness.spread, 3),
        "half_way": round(evenness.half_way, 3),
    }


def describe(output: Path, sequence: TimedSequence) -> str:
    """The same for a reader, in a few lines."""
    facts = summarise(sequence)
    end = facts["total_duration_ms"] or facts["last_end_ms"]
    times = f"{end / 1000:.1f} s" if end is not None else "no times"
    lines = [
        f"{output}: {facts['words']} words, {facts['unique_words']} of them different, {times}"
    ]
    if facts["repeats"]:
        lines.append(f"the same word twice in a row: {facts['repeats']} times")
    if facts["spacing_cv"] is not None:
        spacing = (
            f"cv {facts['spacing_cv']:.2f} (0: even), spread {facts['spread']:.2f} (1: over all)"
        )
        lines.append(f"copies of a word: {spacing}")
    return "\n".join(lines)
