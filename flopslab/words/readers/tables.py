"""Tables: CSV and TSV with a header, and Audacity's labels."""

import csv
import io
import math
import re
from collections.abc import Sequence
from reprlib import repr as short

from flopslab.words.cues import (
    LONGEST_MS,
    Cue,
    Fault,
    Options,
    Transcript,
    call_library,
    quote_keys,
)

WORD = ("word", "text", "label", "token")
START = ("start_ms", "start", "begin", "start_time")
END = ("end_ms", "end", "stop", "end_time")
SIZE = ("font_size", "size", "count")
COLUMNS = (*WORD, *START, *END, *SIZE, "instance")
WHISPER = ["start", "end", "text"]  # the header of Whisper's TSV, whose times are milliseconds
_LABEL = re.compile(r"(-?\d+(?:[.,]\d+)?)\t(-?\d+(?:[.,]\d+)?)\t(.*)")


def read(text: str, options: Options) -> Transcript:
    """The cues of a CSV or TSV file; see `Reader`."""
    header, rows = read_rows(text)
    word, start, end, size = (find_column(header, names) for names in (WORD, START, END, SIZE))
    whole = header == WHISPER and all(_is_whole(row[0]) and _is_whole(row[1]) for row in rows)
    cues = []
    for number, row in enumerate(rows, start=1):
        cell = dict(zip(header, row, strict=True))
        low, high = (_time(cell.get(c or "", ""), c or "", whole, number) for c in (start, end))
        count = read_size(cell.get(size or "", ""), f"row {number}: {size}", 1)
        cues.append(Cue(cell[word or ""], low, high, size=count))
    extra = [name for name in header if name and name not in COLUMNS]
    remarks = [f"columns that are not read: {quote_keys(extra, COLUMNS)}"] if extra else []
    return Transcript(cues, remarks=remarks)


def read_rows(text: str) -> tuple[list[str], list[list[str]]]:
    """(the header in lower case, the rows as wide as it); a column has the words. Raises Fault."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max("\t;,|", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    lines = call_library(lambda: [row for row in reader if any(map(str.strip, row))], "a table")
    header = [name.strip().lower() for name in lines[0]] if lines else []
    if find_column(header, WORD) is None:
        names = quote_keys(header[:8], WORD) or "nothing"
        raise Fault(f"no column called word, but {names}", "name the columns in the first line")
    for number, row in enumerate(lines[1:], start=1):
        if len(row) > len(header):
            actual = f"row {number}: {len(row)} cells under {len(header)} names"
            raise Fault(actual, "quote a cell that holds the separator")
    return header, [[*map(str.strip, row)] + [""] * (len(header) - len(row)) for row in lines[1:]]


def find_column(header: Sequence[str], names: Sequence[str]) -> str | None:
    """The first of the names that the header has."""
    return next((name for name in names if name in header), None)


def read_size(cell: str, place: str, least: int) -> int:
    """A size from `least` to 7; an empty cell is 1. Raises Fault."""
    if not re.fullmatch(r"(\d{1,3}(\.0*)?)?", cell) or not least <= int(float(cell or 1)) <= 7:
        raise Fault(f"{place} is {short(cell)}", f"give a whole number from {least} to 7")
    return int(float(cell or 1))


def _is_whole(cell: str) -> bool:
    return re.fullmatch(r"\d*", cell) is not None


def _time(cell: str, column: str, whole: bool, number: int) -> float | None:
    """Milliseconds of a cell; a comma may stand for the point."""
    if not cell:
        return None
    try:
        value = float(cell.replace(",", "."))
    except ValueError:
        value = math.nan
    time = value if whole or column.endswith("_ms") else value * 1000
    if not abs(time) <= LONGEST_MS:
        unit = "milliseconds" if column.endswith("_ms") else "seconds"
        raise Fault(f"row {number}: {column} is {short(cell)}", f"give {unit}, as a number")
    return time


def is_table(text: str) -> bool:
    """Whether the first line names a column of words and one of times or sizes."""
    header = [name.strip().lower() for name in re.split("[\t;,|]", text.lstrip().split("\n")[0])]
    return all(find_column(header, names) for names in (WORD, (*START, *END, *SIZE)))


def is_labels(text: str) -> bool:
    """Whether every line is one of Audacity's: start, end and text with tabs between them."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("\\")]
    return bool(lines) and all(_LABEL.fullmatch(line) for line in lines)


def read_labels(text: str, options: Options) -> Transcript:
    """The cues of Audacity's label track; see `Reader`. A label at a point has no end."""
    cues = []
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _LABEL.fullmatch(line):
            start, end = (_time(match[index], "the time", False, number) for index in (1, 2))
            cues.append(Cue(match[3], start, None if end == start else end))
        elif line.strip() and not line.startswith("\\"):  # which begins a range of frequencies
            raise Fault(f"line {number}: {short(line)}", "export the labels from Audacity again")
    return Transcript(cues)
