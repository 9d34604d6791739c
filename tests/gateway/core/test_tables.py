"""What a kernel tells of a table: only the documented form is taken, whatever it says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BadRequest, Conflict, NotFound
from gateway.core.model import Json
from gateway.core.tables import MAX_CELLS, MAX_COLUMNS, ColumnHead, Page, parse_answer

RIGHT: dict[str, Any] = {
    "type": "DataFrame",
    "shape": [3, 2],
    "matched": 2,
    "start": 0,
    "columns": [{"name": "a", "type": "int64", "position": 0}, {"name": "b", "type": "object", "position": 1}],
    "index": [{"name": "index", "type": "int64"}],
    "labels": [[0], [1]],
    "data": [[1, {"preview": "x"}], [None, {"base64": "AA=="}]],
    "cut": ["cells"],
}


def test_a_page_of_the_documented_form_is_taken() -> None:
    """With all it has."""
    columns = (ColumnHead("a", "int64", 0), ColumnHead("b", "object", 1))
    expected = Page(
        "DataFrame", (3, 2), 2, 0, columns, (ColumnHead("index", "int64"),), RIGHT["labels"], RIGHT["data"], ("cells",)
    )
    assert parse_answer({"page": RIGHT}) == expected


@pytest.mark.parametrize(("code", "kind"), [("not_found", NotFound), ("conflict", Conflict), ("bad_request", BadRequest)])
def test_a_refusal_is_the_error_it_names(code: str, kind: type) -> None:
    """One of three; with the kernel's words."""
    told = parse_answer({"refused": {"code": code, "message": "No."}})
    assert isinstance(told, kind)
    assert str(told) == "No."


WRONG: tuple[dict[str, Any], ...] = (
    {"type": 5},
    {"type": "x" * 2001},
    {"shape": []},
    {"shape": [1, 2, 3]},
    {"shape": [-1]},
    {"shape": [True]},
    {"matched": "2"},
    {"matched": 1.5},
    {"start": -1},
    {"start": 2**53},
    {"columns": {}},
    {"columns": [{"name": "a"}, {"name": "b", "type": "x"}]},
    {"columns": [{"name": ["a"], "type": "x"}, {"name": "b", "type": "x"}]},
    {"columns": [{"name": "a", "type": "x", "position": -1}, {"name": "b", "type": "x"}]},
    {"columns": ["a", "b"]},
    {"columns": RIGHT["columns"][:1]},
    {"columns": RIGHT["columns"] * MAX_COLUMNS, "data": [], "labels": []},
    {"index": []},
    {"index": RIGHT["index"] * 101, "labels": [], "data": []},
    {"labels": [[0]]},
    {"labels": [[0], [[1]]]},
    {"data": [[1, 2]]},
    {"data": [[1, 2], [3]]},
    {"data": [[1, 2], "ab"]},
    {"data": [[1, 2], [3, []]]},
    {"data": [[1, 2], [3, {}]]},
    {"data": [[1, 2], [3, {"preview": 5}]]},
    {"data": [[1, 2], [3, {"preview": "x", "base64": ""}]]},
    {"data": [[1, 2], [3, {"html": "<script>"}]]},
    {"data": [[1, 2]] * MAX_CELLS, "labels": [[0]] * MAX_CELLS},
    {"cut": "cells"},
    {"cut": ["all"]},
    {"cut": [["cells"]]},
    {"cut": ["cells"] * 4},
)
"""Each spoils one part of a right page."""


@pytest.mark.parametrize(
    "said",
    [
        *(None, 5, [], {}, {"page": None}, {"page": []}, {"refused": None}, {"refused": {"code": "conflict"}}),
        {"refused": {"code": "internal", "message": "x"}},
        {"refused": {"code": ["conflict"], "message": "x"}},
        {"refused": {"code": "conflict", "message": "x" * 1001}},
        *({"page": {name: value for name, value in RIGHT.items() if name != missing}} for missing in RIGHT),
        *({"page": {**RIGHT, **wrong}} for wrong in WRONG),
    ],
)
def test_everything_else_is_nothing(said: Json) -> None:
    """No exception, no page with a hole in it."""
    assert parse_answer(said) is None


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*RIGHT, "name", "preview"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(said=ANY, changed=st.dictionaries(st.sampled_from(list(RIGHT)), ANY, max_size=3))
def test_any_json_is_looked_at_without_an_error(said: Json, changed: dict[str, Json]) -> None:
    """Also where only parts of it are wrong; what is taken has as many labels as rows, and rows as long as columns."""
    parse_answer(said)
    parse_answer({"refused": said})
    page = parse_answer({"page": {**RIGHT, **changed}})
    if isinstance(page, Page):
        assert len(page.labels) == len(page.data)
        assert all(isinstance(row, list) and len(row) == len(page.columns) for row in page.data)
