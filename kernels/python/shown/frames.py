"""Frames that are too wide for a line of text, and frames and series that are too long for JSON as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

from kernels.python.shown import values
from kernels.python.shown.values import Json, TooMuchError

WIDE_CHARS = 8192
"""The longest text of a frame that is shown with all its columns."""
CELL_CHARS = 2
"""The least that a cell takes in it."""
SPARE = 4
"""How much more text is converted than there is room for, to find where the room ends."""
COLUMNS_OPTION, ROWS_OPTION = "display.max_columns", "display.max_rows"
_USUAL_COLUMNS = pd.get_option(COLUMNS_OPTION)


def may_be_shown_whole(value: Any) -> bool:
    """Whether *value* is a frame that pandas would show without some columns, although there may be room for all."""
    if type(value) is not pd.DataFrame or pd.get_option(COLUMNS_OPTION) != _USUAL_COLUMNS:
        return False
    rows, columns = value.shape
    most = pd.get_option(ROWS_OPTION) or rows
    shown = rows if rows <= most else pd.get_option("display.min_rows") or most
    return bool(columns > _USUAL_COLUMNS and (shown + 1) * columns * CELL_CHARS <= WIDE_CHARS)


@contextmanager
def all_columns() -> Iterator[None]:
    """Have pandas show all columns inside the block."""
    with pd.option_context(COLUMNS_OPTION, None):
        yield


def start_as_json(value: Any, *, max_items: int, max_chars: int) -> tuple[Json, int] | None:
    """The first rows of a frame or series as JSON, as many as fit, and how many these are; None where none can be had."""
    if type(value) is pd.DataFrame:
        width = value.shape[1] + value.index.nlevels
    elif type(value) is pd.Series:
        width = 1 + value.index.nlevels
    else:
        return None
    rows = min(len(value), max_items // (width + 1))
    while rows:
        try:
            found = values.to_json(value.iloc[:rows], max_items=max_items, max_chars=SPARE * max_chars)
        except TooMuchError:
            rows //= 2
            continue
        return _within(found, max_chars)
    return None


def _within(found: Any, max_chars: int) -> tuple[Json, int]:
    """The first rows of *found* that have no more text than that."""
    rows = found if isinstance(found, list) else list(zip(found["index"], found["values"], strict=True))
    left, count = max_chars, 0
    for row in rows:
        left -= _text_chars(row.values() if isinstance(row, dict) else row)
        if left < 0:
            break
        count += 1
    return (found[:count] if isinstance(found, list) else {name: part[:count] for name, part in found.items()}), count


def _text_chars(cells: Any) -> int:
    return sum(
        len(cell) if isinstance(cell, str) else len(str(cell)) if isinstance(cell, list | dict) else 0 for cell in cells
    )
