"""The standard input of one run: what ``input()``, ``sys.stdin`` and the programs that the run starts read, then its end."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kernels.python.refusals import has_input, refuse_input
from kernels.python.run_files import FilesError


@contextmanager
def provided(data: bytes) -> Iterator[None]:
    """Let descriptor 0 and ``sys.stdin`` read *data* inside the block, and nothing after it.

    It is a file, as with ``python program.py < file``: a program that the code starts reads what ``sys.stdin`` has not read,
    also not ahead.
    """
    before = sys.stdin
    try:
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            os.dup2(file.fileno(), 0)
    except OSError as error:
        raise FilesError(f"stdin can't be put into the directory for temporary files: {error.strerror}") from None
    source = io.BufferedReader(io.FileIO(0, closefd=False))
    ours = sys.stdin = io.TextIOWrapper(source, encoding="utf-8")
    try:
        yield
    finally:
        _end()
        if sys.stdin is ours:
            sys.stdin = before


def _end() -> None:
    """Nothing can be read any more."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def read_line(prompt: str, shown_on: Any, asked_by: str) -> str:
    """The next line of ``sys.stdin``, after *prompt* was shown; raises EOFError at its end, NoStdinError without input."""
    if not has_input():
        refuse_input(asked_by)
    shown_on.write(str(prompt))
    line = sys.stdin.readline()
    if not line:
        raise EOFError("EOF when reading a line")
    return str(line).removesuffix("\n")
