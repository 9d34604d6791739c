"""Delimiter-separated text as a frame: every row under its own columns, or an error that names the line."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import pandas as pd

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_ROWS = 100
_DECIMAL_COMMA = re.compile(r"(?:^|;)[ ]*[+-]?\d+,\d+[ ]*(?:;|\r?$)", re.MULTILINE)
_DECIMAL_POINT = re.compile(r"(?:^|;)[ ]*[+-]?\d+\.\d+[ ]*(?:;|\r?$)", re.MULTILINE)


class DataError(Exception):
    """Data that can't be analyzed; the message says why."""

    __module__ = "builtins"  # the prefix in a traceback: callers do not know modules of the kernel


def read(text: str) -> pd.DataFrame:
    """The rows of *text* under the names in its first line; raises DataError."""
    text = text.removeprefix("\ufeff")
    _refuse_json(text)
    with _long_fields():
        try:
            delimiter = _delimiter(text)
            _check_widths(text, delimiter)
        except csv.Error as error:
            raise DataError(f"The CSV text can't be read: {error}") from None
    try:
        return pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            decimal=_decimal(text, delimiter),
            index_col=False,  # else the first column of rows that are too long would become an index
            skipinitialspace=True,
            low_memory=False,  # types are decided for whole columns, not piece by piece
        )
    except pd.errors.EmptyDataError:
        raise DataError("The data is empty: there are no rows or no columns") from None
    except (ValueError, OverflowError) as error:  # ParserError is a ValueError
        raise DataError(f"The CSV text can't be read: {' '.join(str(error).split())}") from None


def _refuse_json(text: str) -> None:
    if text.lstrip()[:1] not in ("[", "{"):
        return
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return
    raise DataError("The text is JSON, not CSV: send it as JSON (a list of objects or an object of lists), not as text")


def _delimiter(text: str) -> str:
    """The delimiter in the first line; a comma by default."""
    found = [delimiter for delimiter in DELIMITERS if len(_header(text, delimiter)) > 1]
    if len(found) < 2:
        return found[0] if found else ","
    fitting = [delimiter for delimiter in found if _is_even(text, delimiter)]
    return (fitting or found)[0]


def _is_even(text: str, delimiter: str) -> bool:
    """Whether the first rows all have as many fields as the header."""
    return len({len(row) for _line, row in islice(_rows(text, delimiter), SAMPLE_ROWS)}) == 1


def _header(text: str, delimiter: str) -> list[str]:
    return next((row for _line, row in _rows(text, delimiter)), [])


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the number of its last line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    for row in reader:
        if row and (len(row) > 1 or row[0].strip()):
            yield reader.line_num, row


def _check_widths(text: str, delimiter: str) -> None:
    """Refuse rows of more fields than the header has: their values would stand under the wrong names."""
    width = len(_header(text, delimiter))
    for line, row in _rows(text, delimiter):
        if len(row) > width:
            raise DataError(f"Line {line} of the CSV text has {len(row)} fields, but the header has {width}")


def _decimal(text: str, delimiter: str) -> str:
    """Where semicolons separate, numbers are often written 1,5."""
    return "," if delimiter == ";" and _DECIMAL_COMMA.search(text) and not _DECIMAL_POINT.search(text) else "."


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let a field be as long as the text."""
    usual = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(usual)
