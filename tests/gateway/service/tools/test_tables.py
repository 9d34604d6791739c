"""Data of models as tables, and tables as text."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import BadRequest
from gateway.core.files import FileEntry, Listing
from gateway.core.json_limits import REQUEST_VALUES
from gateway.core.model import Json
from gateway.service.tools import tables


@pytest.mark.parametrize(
    ("data", "shape", "table"),
    [
        ([{"a": 1}], "records", [{"a": 1}]),
        ({"a": [1, 2]}, "columns", {"a": [1, 2]}),
        (' [{"a": 1}]', "records", [{"a": 1}]),
        ('{"a": [1]}', "columns", {"a": [1]}),
        ("a,b\n1,2\n", "csv", "a,b\n1,2\n"),
    ],
)
def test_a_table_comes_as_it_is_or_as_text(data: Any, shape: str, table: Any) -> None:
    """Where an API takes no free objects, tables are JSON in text."""
    assert tables.read(data) == (shape, table)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("[1, 2]", "data must be an array of objects, one a row; item 0 is none."),
        ([{"a": 1}, 2], "data must be an array of objects, one a row; item 1 is none."),
        ({"a": [1], "b": "2"}, "data must be an object of arrays, one a column; 'b' is none."),
        ("[" + "{}," * REQUEST_VALUES + "{}]", "data has more than "),
        ('{"a": 1}', "data must be an object of arrays, one a column; 'a' is none."),
        ({"a": [1], "b": [1, 2]}, "data has columns of different lengths: 1 and 2."),
        ("[{", "data looks like JSON, but is not: "),
        ("[" * 1000 + "]" * 1000, "data is nested more than "),
        ('[{"a": ' + "[" * 1000 + "]" * 1000 + "}]", "data is nested more than "),
    ],
)
def test_what_is_no_table_is_refused_by_name(data: Any, says: str) -> None:
    """So that the next call can be right."""
    with pytest.raises(BadRequest) as refused:
        tables.read(data)
    assert refused.value.message.startswith(says)


def test_variables_and_files_are_a_line_each() -> None:
    """With what a model needs to go on."""
    variables: dict[str, Json] = {
        "df": {"type": "DataFrame", "shape": [3, 2], "preview": "3 x 2"},
        "n": {"type": "int", "preview": "5"},
        "x": 1,
    }
    assert tables.describe_variables(variables) == "df: DataFrame 3x2 = 3 x 2\nn: int = 5\nx: ?"
    assert tables.describe_variables({}) == "(no variables)"
    entries = (FileEntry(b"a.txt", "file", 5, 0, b""), FileEntry(b"d", "directory", 0, 0, b""))
    assert tables.describe_files(Listing(entries, is_cut=True)) == "a.txt (5 bytes)\n[and more]"
    assert tables.describe_files(Listing((), is_cut=False)) == "(no files)"


@pytest.mark.parametrize(
    ("head", "size", "told"),
    [
        (b"abc", 3, "abc"),
        (b"", 0, ""),
        (b"abc", 10, "abc\n[7 bytes left out: read them with code.]"),
        ("aé".encode()[:2], 3, "a\n[2 bytes left out: read them with code.]"),
        (b"\xff\xfe abc", 6, "[6 bytes that are no UTF-8 text: read them with code.]"),
        ("aé".encode()[:2], 2, "[2 bytes that are no UTF-8 text: read them with code.]"),
        (b"PK\0", 3, "[3 bytes that are no text: read them with code.]"),
    ],
)
def test_a_file_is_read_as_text_if_it_is_text(head: bytes, size: int, told: str) -> None:
    """A character that the end of what was read cuts is left out whole."""
    assert tables.describe_content(head, size) == told
