"""The endpoint of tables with everything behind it faked: what is asked of the kernel, and what its answer becomes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from gateway.core.model import Raised, Result
from tests.gateway.core.test_tables import RIGHT
from tests.gateway.web.world import Gateway, json_of

TABLE = "/code-interpreter/sessions/there/variables/df"


def answering(gateway: Gateway, value: Any, error: Raised | None = None) -> None:
    """Have the kernel answer with *value*."""
    gateway.runner.answer = lambda _request: Result(error is None, "", "", "", error, 0, 0.1, return_value=value)


async def test_a_table_is_asked_for_as_data(gateway: Gateway) -> None:
    """Whatever stands in the name and the conditions; without parameters it is the first page."""
    answering(gateway, {"page": RIGHT})
    query = urlencode({"rows": "5:", "columns": "a,b", "sort": "-a", "where": 'b == "x\'); import os"'})
    assert json_of(await gateway.ask(f"{TABLE}?{query}")) == {
        "success": True,
        "error": None,
        "name": "df",
        "truncated": True,
        "kernelReplaced": False,
        **RIGHT,
    }
    json_of(await gateway.ask("/code-interpreter/sessions/there/variables/a%20b%2F'"))
    asked, plain = gateway.runner.asked
    assert (asked.task, asked.code, asked.session, asked.timeout_s) == ("table", "", "there", 5.0)
    assert asked.inputs == {
        "name": "df",
        "rows": [5, None],
        "columns": {"names": ["a", "b"]},
        "sort": [{"column": "a", "descending": True}],
        "where": [{"column": "b", "operator": "==", "value": "x'); import os"}],
    }
    assert plain.inputs == {"name": "a b/'", "rows": [0, 100], "columns": [0, 50], "sort": [], "where": []}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("rows=", "rows must be a range such as 0:100, 100: or :20, not ''."),
        ("rows=0:1&rows=1:2", "rows is given 2 times: give it once."),
        ("where=%ff", "where is not UTF-8."),
        ("sort=", "sort: the name of a column"),
        ("columns=,", "columns: the name of a column"),
        ("filter=x", "Unknown parameter 'filter': use rows, columns, sort, where, format."),
        ("format=xlsx", "format must be json or csv, not 'xlsx'."),
    ],
)
async def test_a_part_that_is_not_read_is_one_sentence(gateway: Gateway, query: str, sentence: str) -> None:
    """400, and no kernel is asked."""
    response = await gateway.ask(f"{TABLE}?{query}")
    assert response.code == 400
    assert orjson.loads(response.body)["error"]["message"].startswith(sentence)
    assert gateway.runner.asked == []


async def test_a_table_is_a_file_where_that_is_asked_for(gateway: Gateway) -> None:
    """By parameter or header; with all that has room, and told what is missing. An error is an error, not a file."""
    answering(gateway, {"page": RIGHT})
    for query, accept in (("?format=csv", "*/*"), ("", "text/csv;q=0.9, text/plain"), ("?format=csv", "application/json")):
        got = await gateway.ask(f"{TABLE}{query}", headers={"Accept": accept})
        assert got.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
        assert got.headers["Content-Disposition"].startswith('attachment; filename="df.csv"')
        assert got.body == b"index,a,b\r\n0,1,x\r\n1,,AA==\r\n"
        told = [got.headers[f"X-Table-{name}"] for name in ("Matched", "Rows", "Cut")]
        assert told == ["2", "0:2", "cells"]
        asked = gateway.runner.asked[-1].inputs
        assert (asked["rows"], asked["columns"]) == ([0, None], [0, None])
    for query, accept in (("?format=json", "text/csv"), ("", "text/csv, application/json")):
        answer: Any = json_of(await gateway.ask(f"{TABLE}{query}", headers={"Accept": accept}))
        assert answer["success"] is True
    failures: list[tuple[Any, Raised | None, int]] = [
        (None, Raised("KeyboardInterrupt", "", "trace"), 409),
        ({"page": {}}, None, 409),
        ({"refused": {"code": "not_found", "message": "No."}}, None, 404),
    ]
    for value, error, status in failures:
        answering(gateway, value, error)
        got = await gateway.ask(f"{TABLE}?format=csv")
        assert (got.code, orjson.loads(got.body)["success"]) == (status, False)


async def test_what_a_kernel_refuses_is_an_error(gateway: Gateway) -> None:
    """With its status."""
    for code, status in (("not_found", 404), ("conflict", 409), ("bad_request", 400)):
        answering(gateway, {"refused": {"code": code, "message": "No."}})
        response = await gateway.ask(TABLE)
        assert (response.code, orjson.loads(response.body)["error"]["message"]) == (status, "No.")


async def test_a_look_that_fails_says_why(gateway: Gateway) -> None:
    """And has no table: neither after an error in the kernel nor when it answers with something else."""
    answering(gateway, None, Raised("KeyboardInterrupt", "", "trace"))
    told: Any = json_of(await gateway.ask(TABLE))
    assert (told["success"], told["error"]["type"], "data" in told) == (False, "KeyboardInterrupt", False)
    for value in (None, {"page": {**RIGHT, "data": "x"}}, {"refused": {"code": "x", "message": "y"}}):
        answering(gateway, value)
        told = json_of(await gateway.ask(TABLE))
        assert (told["success"], told["error"]["type"], "data" in told) == (False, "TableError", False)


async def test_a_session_that_is_not_there_has_no_tables(gateway: Gateway) -> None:
    """404, and no kernel is asked."""
    assert (await gateway.ask("/code-interpreter/sessions/other/variables/x")).code == 404
    assert gateway.runner.asked == []
