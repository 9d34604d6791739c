"""Notebooks over HTTP: what is taken, and in which form they come back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import Busy, TooManyRequests
from gateway.core.model import Json, Raised
from tests.gateway.web.world import Gateway, json_of

API = "/code-interpreter"
CELL: dict[str, Any] = {
    "cell_type": "code",
    "metadata": {},
    "source": ["x = 1\n", "x"],
    "outputs": [],
    "execution_count": None,
}
NOTEBOOK: dict[str, Any] = {"nbformat": 4, "nbformat_minor": 4, "metadata": {"title": "mine"}, "cells": [CELL]}


async def test_a_session_is_downloaded_as_a_file_that_jupyter_opens(gateway: Gateway) -> None:
    """With the type and a name for the file; its texts stand in lines, as Jupyter writes them."""
    response = await gateway.ask(f"{API}/sessions/there/notebook")
    assert response.code == 200
    assert response.headers["Content-Type"] == "application/x-ipynb+json"
    assert response.headers["Content-Disposition"] == 'attachment; filename="session-there.ipynb"'
    (cell,) = orjson.loads(response.body)["cells"]
    assert cell["source"] == ["print(1)\n", "print(2)"]
    assert cell["outputs"] == [{"output_type": "stream", "name": "stdout", "text": ["1\n", "2\n"]}]


async def test_a_session_that_is_not_yours_has_no_notebook(gateway: Gateway) -> None:
    """404, as for everything else of it."""
    response = await gateway.ask(f"{API}/sessions/other/notebook")
    assert response.code == 404
    assert "Content-Disposition" not in response.headers


@pytest.mark.parametrize("is_wrapped", [True, False])
async def test_a_notebook_is_executed_as_it_is_or_with_options(gateway: Gateway, is_wrapped: bool) -> None:
    """The file's JSON alone will do; timeout and allowErrors stand beside it."""
    body: dict[str, Any] = {"notebook": NOTEBOOK, "timeout": 1500, "allowErrors": True} if is_wrapped else NOTEBOOK
    response = await gateway.ask(f"{API}/notebook", body)
    answer: Any = json_of(response)
    assert response.code == 200
    (asked,) = gateway.notebooks.asked
    assert (asked.language, asked.timeout_s, asked.allows_errors) == (
        "python",
        *((1.5, True) if is_wrapped else (30.0, False)),
    )
    assert {name: answer[name] for name in answer if name != "notebook"} == {
        "success": True,
        "error": None,
        "cellsRun": 1,
        "cellsFailed": 0,
        "stoppedAt": None,
        "executionTime": 500,
        "truncated": False,
        "limits": [],
    }
    assert (answer["notebook"]["nbformat_minor"], answer["notebook"]["cells"][0]["source"]) == (5, "x = 1\nx")


async def test_a_javascript_notebook_has_javascripts_time(gateway: Gateway) -> None:
    """Its kernelspec says what it is."""
    spec: dict[str, Json] = {"name": "javascript", "display_name": "JavaScript", "language": "javascript"}
    await gateway.ask(f"{API}/notebook", {**NOTEBOOK, "metadata": {"kernelspec": spec}})
    (asked,) = gateway.notebooks.asked
    assert (asked.language, asked.timeout_s) == ("javascript", 10.0)


async def test_what_stopped_it_is_told_beside_the_notebook(gateway: Gateway) -> None:
    """A notebook that fails is a successful request."""
    gateway.notebooks.error = Raised("ValueError", "no", "Traceback\n")
    response = await gateway.ask(f"{API}/notebook", NOTEBOOK)
    answer = json_of(response)
    assert (response.code, answer["success"]) == (200, False)
    assert answer["error"] == {"type": "ValueError", "message": "no", "traceback": "Traceback\n"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "notebook is missing; it must be a Jupyter notebook of format 4"),
        ({"cells": []}, "notebook is missing"),
        (
            {"notebook": [], "timeout": 1},
            "notebook must be a Jupyter notebook of format 4 (the JSON of an .ipynb file), not an",
        ),
        ({"notebook": {**NOTEBOOK, "nbformat": 3}}, "The notebook's format must be 4"),
        ({"notebook": NOTEBOOK, "timeout": 300_001}, "timeout must be a number of milliseconds from 1 to 300000"),
        (
            {"notebook": NOTEBOOK, "kernel": "x"},
            "Unknown field 'kernel'; allowed are: notebook, timeout, allowErrors, session, files.",
        ),
        ({**NOTEBOOK, "metadata": {"language_info": {"name": "R"}}}, "The notebook's language is 'R'"),
    ],
)
async def test_anything_else_is_refused_and_nothing_runs(gateway: Gateway, body: dict[str, Any], said: str) -> None:
    """One sentence that says what to change."""
    response = await gateway.ask(f"{API}/notebook", body)
    assert response.code == 400
    error: Any = json_of(response)["error"]
    assert error["message"].startswith(said)
    assert gateway.notebooks.asked == []


async def test_a_notebook_nested_without_end_is_refused(gateway: Gateway) -> None:
    """Before anything walks it."""
    deep = b'{"nbformat": 4, "metadata": ' + b'{"a": ' * 70 + b"1" + b"}" * 70 + b"}"
    response = await gateway.ask(f"{API}/notebook", deep)
    assert response.code == 400
    assert b"nested more than 64 levels" in response.body


def events_of(body: bytes) -> list[tuple[str, Any]]:
    """The server-sent events in *body*: the type of each, and its JSON."""
    told = []
    for block in body.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        event = orjson.loads(fields["data"])
        assert (int(fields["id"]), fields["event"]) == (event["seq"], event["type"])
        told.append((fields["event"], event))
    return told


EVENTS = {"Accept": "text/event-stream"}


async def test_progress_comes_as_events_and_the_notebook_with_the_last(gateway: Gateway) -> None:
    """Numbered, each with the cell it is of, in the order in which they happened."""
    response = await gateway.ask(f"{API}/notebook", {**NOTEBOOK, "cells": [CELL, CELL]}, headers=EVENTS)
    assert response.headers["Content-Type"] == "text/event-stream"
    told = events_of(response.body)
    assert [kind for kind, _ in told] == ["cell_started", "stdout", "cell_done"] * 2 + ["done"]
    assert [event["seq"] for _, event in told] == list(range(1, 8))
    assert [event["cell"] for _, event in told[:-1]] == [0, 0, 0, 1, 1, 1]
    assert told[1][1] == {"type": "stdout", "text": "x = 1\nx", "seq": 2, "cell": 0}
    assert told[5][1]["success"] is True
    assert told[6][1]["notebook"]["nbformat"] == 4
    assert (told[6][1]["success"], told[6][1]["cellsRun"]) == (True, 2)


async def test_what_keeps_it_from_beginning_is_an_error_like_any_other(gateway: Gateway) -> None:
    """Not an event: the caller sees the status."""
    gateway.notebooks.refusal = TooManyRequests("too many")
    response = await gateway.ask(f"{API}/notebook", NOTEBOOK, headers=EVENTS)
    assert response.code == 429
    assert json_of(response)["success"] is False


async def test_what_ends_it_in_the_middle_is_the_last_event(gateway: Gateway) -> None:
    """The status is gone by then."""
    gateway.notebooks.later = Busy("full")
    response = await gateway.ask(f"{API}/notebook", NOTEBOOK, headers=EVENTS)
    assert response.code == 200
    (kind, event) = events_of(response.body)[-1]
    assert kind == "error"
    assert (event["error"]["type"], event["error"]["code"]) == ("Busy", "busy")
