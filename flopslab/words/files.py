"""A file's text: sizes are checked before anything is read, and bytes are decoded once."""

import codecs
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from flopslab.words.cues import Fault

LARGEST = 32 * 2**20  # bytes; a transcript of ten hours has about a third of it
_BYTE_ORDER_MARKS = (  # the longer first: that of UTF-32 begins like that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def read_bytes(path: Path, largest: int = LARGEST) -> bytes:
    """The content of a regular file of at most `largest` bytes. Raises Fault."""
    limit = f"{largest // 2**20} MiB" if largest >= 2**20 else f"{largest // 2**10} KiB"
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = b"" if size > largest else file.read(largest + 1)
    if max(size, len(data)) > largest:
        raise Fault(f"{path}: more than {limit}", "give a smaller file")
    return data


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """The open file. Raises Fault if it is none, or cannot be read.

    A FIFO would wait for ever and a device never end, so neither is read.
    """
    hint = "give the path of a file"
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            if not S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Fault(f"{path}: not a regular file", hint)
            yield file
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Fault(f"{path}: {reason}", hint) from None


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def decode(data: bytes) -> str:
    """The text of a file: UTF-8, or what a byte order mark names. Raises Fault."""
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Fault(f"bytes in line {line} that are not {encoding}", "save it as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise Fault(f"a NUL character in line {line}", "remove it, or save the file as UTF-8")
    return text
