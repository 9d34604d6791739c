"""Parts of tables as CSV."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

import pytest

from gateway.core.tables import ColumnHead, Page
from gateway.web.api.csv_pages import STEP_ROWS, document, is_asked_for


def written(page: Page) -> tuple[str, int]:
    """The text of *page*, and the number of steps it took."""
    steps, count = document(page), 1
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value.decode(), count
        count += 1


def page(labels: list[Any], data: list[Any], *names: str) -> Page:
    """A page of *data* in columns of these *names*."""
    columns = tuple(ColumnHead(name, "object", at) for at, name in enumerate(names))
    return Page("DataFrame", (2, 1), 2, 0, columns, (ColumnHead("index", "int64"),), labels, data, ())


VALUES = ["a,b", 'say "hi"', "two\r\nlines", "\r", " spaced ", "=1+1", "-1", "", "日本\u2028"]


def test_what_is_written_is_read_back() -> None:
    """Commas, quotes, line breaks and formulas are text like any other; names are quoted, too."""
    text, _ = written(page([[at] for at in range(len(VALUES))], [[value] for value in VALUES], 'n "1", x'))
    rows = list(csv.reader(StringIO(text, newline="")))
    assert rows == [["index", 'n "1", x'], *([str(at), value] for at, value in enumerate(VALUES))]
    assert text.startswith('index,"n ""1"", x"\r\n')


def test_each_kind_of_value_has_a_text() -> None:
    """A missing one has none, one without a form is what is shown of it, and half a character is mended."""
    row = [None, True, False, 1, 0.1, "9007199254740993", {"base64": "AA=="}, {"preview": "<A>"}, "\ud800", {}]
    text, _ = written(page([[0]], [row], *"abcdefghij"))
    assert text.splitlines()[1] == "0,,true,false,1,0.1,9007199254740993,AA==,<A>,\ufffd,"


def test_a_long_page_is_written_in_steps() -> None:
    """Between them others are served."""
    count = 3 * STEP_ROWS
    text, steps = written(page([[at] for at in range(count)], [[None]] * count, "a"))
    assert (text.count("\r\n"), steps) == (count + 1, 4)


@pytest.mark.parametrize(
    ("accept", "form", "wanted"),
    [
        ("", "csv", True),
        ("text/csv", "json", False),
        ("text/csv", None, True),
        ("Text/CSV; q=1, text/plain", None, True),
        ("text/csv, application/json", None, False),
        ("*/*", None, False),
        ("", None, False),
        ("text/html," * 100_000, None, False),
    ],
)
def test_csv_is_had_by_asking_for_it(accept: str, form: str | None, *, wanted: bool) -> None:
    """The parameter decides; a client that takes both gets JSON."""
    assert is_asked_for(accept, form) is wanted
