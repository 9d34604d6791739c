"""A part of a table as CSV (RFC 4180, UTF-8): the names first, then the rows, each with the values of its index. Pure.

Values are written as they are. Text that a spreadsheet would take for a formula is no exception: a program that reads it
back gets what the table had.
"""

from __future__ import annotations

import csv
from collections.abc import Generator
from io import StringIO

from gateway.core.model import Json
from gateway.core.strict_json import clean_text
from gateway.core.tables import Page

CSV = "text/csv"
CONTENT_TYPE = f"{CSV}; charset=utf-8; header=present"
STEP_ROWS = 500


def is_asked_for(accept: str, form: str | None) -> bool:
    """Whether *form*, the parameter format, or else the Accept header asks for CSV."""
    if form is not None:
        return form == "csv"
    kinds = {part.partition(";")[0].strip().lower() for part in accept[:4096].split(",")}
    return CSV in kinds and "application/json" not in kinds


def document(page: Page) -> Generator[None, None, bytes]:
    """*page* as CSV, in steps; the caller serves others between them."""
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([clean_text(column.name) for column in (*page.index, *page.columns)])
    for at, (labels, values) in enumerate(zip(page.labels, page.data, strict=True)):
        writer.writerow([_cell(value) for row in (labels, values) if isinstance(row, list) for value in row])
        if at % STEP_ROWS == STEP_ROWS - 1:
            yield
    return text.getvalue().encode()


def _cell(value: Json) -> str:
    """*value* as text: nothing for a missing one, base64 for bytes, what is shown of a value without a form of its own."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict():
            return clean_text(str(next(iter(value.values()), "")))
        case _:
            return clean_text(str(value))
