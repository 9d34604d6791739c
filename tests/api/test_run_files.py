"""Files, input and variables of single runs on a live gateway, however they are sent and however the answer comes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from tests.api.caller import Caller
from tests.folders import Folder, folder
from tests.live import Gateway, Reply

pytestmark = pytest.mark.kernel

CODE = """
import os
name = input()
print(name, open("in/data.csv").read(), os.environ["WORD"])
open("out.csv", "w").write(name)
open("other", "w").close()
"""
LOOK = "try: input()\nexcept EOFError: print(os.environ.get('WORD'), open('in/data.csv').read(), len(In))"
CHART = f"{CODE}\nplt.plot([1, 2])"
FIELDS: dict[str, Any] = {
    "code": CODE,
    "files": {"in/data.csv": {"base64": "MSwy"}},
    "fetchFiles": ["*.csv"],
    "stdin": "Ada\n",
    "env": {"WORD": "hello"},
}
FORM = {
    "code": CODE.encode(),
    "fetchFiles": b"*.csv",
    "stdin": b"Ada\n",
    "env": b'{"WORD": "hello"}',
    'x"; filename="in/data.csv': b"1,2",
}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}


def form(parts: Mapping[str, bytes]) -> bytes:
    """A form with a part for each of *parts*."""
    head = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n'
    return b"".join(head.format(name).encode() + data + b"\r\n" for name, data in parts.items()) + b"--x--\r\n"


def check(answer: Any) -> None:
    """It did what it was asked for."""
    assert answer["success"], answer
    assert answer["fetched"] == {
        "files": [{"path": "out.csv", "urlPath": "out.csv", "size": 3, "base64": base64.b64encode(b"Ada").decode()}],
        "leftOut": [
            {"path": "in/data.csv", "urlPath": "in/data.csv", "size": 3, "reason": "no_match"},
            {"path": "other", "urlPath": "other", "size": 0, "reason": "no_match"},
        ],
        "truncated": False,
    }


@pytest.fixture
def files(gateway: Gateway) -> Iterator[Folder]:
    """A session's files."""
    with folder(gateway) as made:
        yield made


@pytest.mark.parametrize(
    ("endpoint", "body", "headers"),
    [
        ("python", json.dumps(FIELDS).encode(), {}),
        ("python", form(FORM), MULTIPART),
        ("chart", json.dumps({**FIELDS, "code": CHART}).encode(), {}),
        ("chart", form({**FORM, "code": CHART.encode(), "dpi": b"50"}), MULTIPART),
    ],
)
def test_a_run_takes_and_gives_files(gateway: Gateway, endpoint: str, body: bytes, headers: dict[str, str]) -> None:
    """In one request, as JSON or as a form; what does not come back is told to be lost."""
    reply = gateway.ask("POST", f"/code-interpreter/{endpoint}", body, headers=headers)
    check(reply.body)
    assert reply.body["output"].startswith("Ada 1,2 hello\n")
    assert reply.body["files"] == []
    assert reply.body["note"] == "1 file was not kept (other): name what you need in fetchFiles, or use a session."


@pytest.mark.parametrize(("body", "headers"), [(json.dumps(FIELDS).encode(), {}), (form(FORM), MULTIPART)])
def test_a_run_in_a_session_does_too(files: Folder, body: bytes, headers: dict[str, str]) -> None:
    """Files stay there; input and variables are gone with the run, and none of it is a run of its own."""
    reply = files.gateway.ask("POST", f"/code-interpreter/sessions/{files.id}/execute", body, headers=headers)
    check(reply.body)
    assert "note" not in reply.body
    assert [change["path"] for change in reply.body["files"]] == ["other", "out.csv"]
    after = files.run(LOOK)
    assert after["output"] == "None 1,2 3\n"
    assert after["executionCount"] == 2
    notebook = files.gateway.ask("GET", f"/code-interpreter/sessions/{files.id}/notebook").body
    assert ["".join(cell["source"]) for cell in notebook["cells"]] == [CODE, LOOK]


def test_the_end_of_a_stream_has_the_files(gateway: Gateway) -> None:
    """As server-sent events."""
    events = {"Accept": "text/event-stream"}
    text = gateway.ask("POST", "/code-interpreter/python", FIELDS, headers=events).body
    last = json.loads(text.strip().rpartition("data: ")[2])
    assert (last["type"], last["note"][:6]) == ("done", "1 file")
    check(last)


async def test_a_websocket_takes_and_gives_files(gateway: Gateway) -> None:
    """With the same fields."""
    url = f"ws://127.0.0.1:{gateway.port}/code-interpreter/stream"
    socket = await websocket_connect(HTTPRequest(url, headers={"Authorization": f"Bearer {gateway.token}"}))
    await socket.write_message(json.dumps({"type": "python", **FIELDS}))
    event: Any = {}
    while (message := await socket.read_message()) is not None:  # until the gateway has closed the connection
        event = json.loads(message)
    socket.close()
    assert event["type"] == "done"
    check(event)


NOTHING_DONE = "import os\nprint(sorted(os.listdir()), 'ran' in dir())"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"files": {"new": "1", "../x": "2"}}, 400),
        ({"files": {"new": "1", "b": {"base64": "?"}}}, 400),
        ({"files": {"new": "1"}, "fetchFiles": ["/*"]}, 400),
        ({"files": {"new": "1"}, "env": {"A B": ""}}, 400),
        ({"files": {"new": "1", "link/x": "2"}}, 200),
        ({"files": {"new": "1", "link": "2"}}, 200),
        ({"files": {"new": "1", "fill": "2", "fill/x": "2"}}, 400),
        ({"files": {"new": "1", "more": "x" * (3 << 20)}}, 200),
    ],
)
def test_what_can_not_be_given_changes_nothing(full: Folder, given: dict[str, Any], status: int) -> None:
    """No file, no code, also where only the kernel finds out: a link of an earlier run, a directory that is full."""
    reply = full.gateway.ask("POST", f"/code-interpreter/sessions/{full.id}/execute", {"code": "ran = 1", **given})
    assert reply.status == status
    assert reply.body["success"] is False
    if status == 200:
        assert reply.body["error"]["type"] == "FilesError"
        assert "  File " not in reply.body["error"]["traceback"]
    assert full.run(NOTHING_DONE)["output"] == "['fill', 'link'] False\n"


@pytest.fixture(scope="module")
def full(gateway: Gateway) -> Iterator[Folder]:
    """A session with a link out of the work directory, and with room for two more megabytes."""
    with folder(gateway) as made:
        made.run("import os\nos.symlink('/tmp', 'link')\nopen('fill', 'wb').write(bytes(126 << 20))")
        yield made


def test_javascript_says_that_it_takes_none(caller: Caller) -> None:
    """By the name of the field."""
    reply = caller.post("javascript", {"code": "return 1", "stdin": "x"})
    assert reply.status == 400
    assert reply.body["error"]["message"].startswith("stdin is not for JavaScript")


CELLS = [{"cell_type": "code", "source": "print(open('a').read())"}, {"cell_type": "code", "source": "b = 1"}]
NOTEBOOK = {"nbformat": 4, "nbformat_minor": 5, "cells": CELLS}


def printed(reply: Reply) -> list[str]:
    """What the first cell printed."""
    assert reply.status == 200, reply
    return [output["text"] for output in reply.body["notebook"]["cells"][0]["outputs"] if "text" in output]


def test_a_notebook_takes_files_and_a_session(files: Folder) -> None:
    """Its cells find what the session has, and leave what they made; without a session all ends with the notebook."""
    gateway, path = files.gateway, "/code-interpreter/notebook"
    assert printed(gateway.ask("POST", path, {"notebook": NOTEBOOK, "files": {"a": "1"}})) == ["1\n"]
    parts = {'notebook"; filename="my.ipynb': json.dumps(NOTEBOOK).encode(), 'x"; filename="a': b"2"}
    inside = form({**parts, "session": files.id.encode()})
    assert printed(gateway.ask("POST", path, form(parts), headers=MULTIPART)) == ["2\n"]
    assert printed(gateway.ask("POST", path, inside, headers=MULTIPART)) == ["2\n"]
    assert files.run("print(b, open('a').read())")["output"] == "1 2\n"
    assert printed(gateway.ask("POST", path, {"notebook": NOTEBOOK, "session": files.id})) == ["2\n"]
    assert gateway.ask("POST", path, {"notebook": NOTEBOOK, "session": "none"}).status == 404


def test_a_notebook_without_its_files_does_not_run(full: Folder) -> None:
    """Not even one that may go on after errors."""
    body = {"notebook": NOTEBOOK, "session": full.id, "files": {"link/a": "1"}, "allowErrors": True}
    answer = full.gateway.ask("POST", "/code-interpreter/notebook", body).body
    assert (answer["success"], answer["error"]["type"], answer["stoppedAt"]) == (False, "FilesError", 0)
    assert full.run("print('b' in dir())")["output"] == "False\n"
