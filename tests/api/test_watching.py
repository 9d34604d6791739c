"""Watching a session of a real gateway: whoever runs something in it is seen live, and its end is told with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api.test_streams import BASE, Client, Line, text_of
from tests.live import Gateway, Reply

pytestmark = pytest.mark.kernel


@pytest.fixture
async def opened(gateway: Gateway) -> AsyncIterator[Line]:
    """A way to the session's gateway; its connections and sessions are ended after the test."""
    made = Line(gateway)
    yield made
    for client in made.clients:
        client.cut()
    for session in made.sessions:
        await asyncio.to_thread(gateway.ask, "DELETE", session)


async def watch(line: Line, session: str) -> Client:
    """A client that watches."""
    client = await line.open(f"{session}/stream")
    await client.say(type="watch")
    assert (await client.hear())["type"] == "watching"
    return client


async def ask(line: Line, method: str, path: str, body: object = None) -> Reply:
    return await asyncio.to_thread(line.gateway.ask, method, path, body)


def execute(line: Line, session: str, code: str, **fields: object) -> asyncio.Task[Reply]:
    """A plain run whose answer comes later."""
    return asyncio.create_task(ask(line, "POST", f"{session}/execute", {"code": code, **fields}))


async def test_whoever_runs_something_is_seen_live(opened: Line) -> None:
    """By plain request, by stream, one that waits: code, output while it runs, end. What runs can be found and followed."""
    session = await opened.session()
    watcher = await watch(opened, session)
    code = "import time\nprint('one')\ntime.sleep(600)"
    running = execute(opened, session, code)
    heard = await watcher.hear_until("stdout", "one\n")
    assert (heard[0]["type"], heard[0]["code"], heard[0]["kind"]) == ("accepted", code, "python")
    current = (await ask(opened, "GET", session)).body["currentRun"]
    assert (current["id"], current["kind"]) == (heard[0]["run"], "python")
    follower = await opened.open(f"{session}/stream?run={current['id']}")
    assert text_of(await follower.hear_until("stdout", "one\n")) == "one\n"
    waiting = await opened.open(f"{session}/stream")
    await waiting.say(id="agent", code="print('two')")
    assert (await watcher.hear_until("accepted"))[-1]["code"] == "print('two')"
    await follower.say(type="interrupt", run=current["id"])
    interrupted = (await watcher.hear_until("done"))[-2:]
    assert [event["error"]["type"] for event in interrupted] == ["KeyboardInterrupt", "KeyboardInterrupt"]
    assert (await running).body["error"]["type"] == "KeyboardInterrupt"
    second = await watcher.hear_until("done")
    assert {event["id"] for event in second} == {"agent"}
    assert text_of(second) == "two\n"
    assert second[-1]["usage"]["peakMemory"] > 0
    assert (await ask(opened, "GET", session)).body["currentRun"] is None


async def test_what_becomes_of_the_session_is_seen(opened: Line) -> None:
    """A kernel that had to be replaced, a restart, and the end after the run that it cut off; then the watch is closed."""
    session = await opened.session()
    watcher = await watch(opened, session)
    deaf = execute(opened, session, "while True:\n try:\n  print('in')\n  while True: pass\n except BaseException: pass")
    await watcher.hear_until("stdout", "in\n")
    assert (await ask(opened, "POST", f"{session}/interrupt")).body == {"interrupted": True, "kernelReplaced": True}
    lost = (await watcher.hear_until("done"))[-1]
    assert (lost["kernelReplaced"], lost["error"]["type"]) == (True, "KeyboardInterrupt")
    assert (await deaf).body["kernelReplaced"]
    assert (await ask(opened, "POST", f"{session}/restart", {})).status == 200
    assert (await watcher.hear())["type"] == "restarted"
    running = execute(opened, session, "import time\nprint('on')\ntime.sleep(600)")
    await watcher.hear_until("stdout", "on\n")
    assert (await ask(opened, "DELETE", session)).status == 200
    *_, done, ended = await watcher.hear_until("ended")
    assert (done["type"], done["error"]["type"]) == ("done", "SessionEnded")
    assert (ended["how"], "was deleted" in ended["reason"]) == ("deleted", True)
    assert (await running).body["error"]["type"] == "SessionEnded"
    assert await watcher.socket.read_message() is None
    assert watcher.socket.close_code == 1000
    assert (await ask(opened, "GET", f"{session}/events")).body["error"]["message"] == ended["reason"]


async def test_the_cells_of_a_notebook_are_seen_as_they_run(opened: Line) -> None:
    """Its session is one of the key's while it runs."""
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
        for source in (
            "import time\nprint('first')\nopen('go', 'w').close()",
            "import os\nwhile os.path.exists('go'): time.sleep(0.01)",
        )
    ]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    running = asyncio.create_task(ask(opened, "POST", f"{BASE}/notebook", {"notebook": notebook, "timeout": 240_000}))
    session = await found(opened, "notebook")
    watcher = await watch(opened, session)
    while (await ask(opened, "GET", session)).body["executionCount"] < 2:  # noqa: ASYNC110  # another process
        await asyncio.sleep(0.02)
    assert (await ask(opened, "DELETE", f"{session}/files/go")).status == 200
    heard = await watcher.hear_until("ended")
    assert [event["success"] for event in heard if event["type"] == "done"][-1]
    runs = {event["run"].rpartition("-")[2] for event in heard if "run" in event}
    assert "1" in runs
    assert (await running).body["success"]


async def found(line: Line, name: str) -> str:
    """The path of the session of this name, once it is there."""
    while True:
        for session in (await ask(line, "GET", f"{BASE}/sessions")).body["sessions"]:
            if session["name"] == name:
                return f"{BASE}/sessions/{session['id']}"
        await asyncio.sleep(0.02)  # another process: there is nothing to wait on
